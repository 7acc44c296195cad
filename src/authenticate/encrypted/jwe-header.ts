/**
 * Takes an encrypted token apart: five canonical parts, and a header that asks only for what we do.
 *
 * RFC 7516 §3.1, §4, §5.2 (JWE Compact Serialization, JOSE header), RFC 7519 §5.2 (`cty` of a nested JWT), RFC 8725
 * §3.1, §3.6. All of it is judged before any key is touched. It does not look at claims that are copied to the header
 * (RFC 7519 §5.3), since nobody has signed them, and it leaves `epk` to the decryption, apart from the curve, which
 * says which keys fit.
 */
import { Denial } from '../../errors.ts'
import { evidenceText } from '../../lib/evidence-text.ts'
import { KEY_PARAMETERS } from '../../lib/key-parameters.ts'
import type { JsonValue } from '../../types.ts'
import { decodedPart, jsonObject } from '../jwt/compact-jws.ts'

export interface CompactJwe {
  /** All of it, as it arrived. */
  readonly token: string
  readonly alg: string
  readonly enc: string
  readonly kid: string | undefined
  readonly cty: JsonValue | undefined
  /** The curve of the sender's ephemeral key; undefined where there is none that is named. */
  readonly curve: string | undefined
}

const PARTS = ['header', 'encrypted key', 'initialization vector', 'ciphertext', 'tag'] as const

/**
 * Header parameters that are refused by their presence, whatever their value: compression (13 KB may become gigabytes),
 * extensions that we must understand and do not (RFC 7516 §4.1.13, RFC 7797), the iterations and salt of a password
 * (RFC 7518 §4.8.1), and keys of the sender's choice.
 */
const REFUSED_PARAMETERS = ['zip', 'crit', 'b64', 'p2c', 'p2s', ...KEY_PARAMETERS] as const

/** @throws {Denial} `token_malformed`, `algorithm_not_allowed` */
export function parseCompactJwe(token: string): CompactJwe {
  const texts = token.split('.', PARTS.length + 1)
  if (texts.length !== PARTS.length) throw malformed('not five parts')
  const [header] = PARTS.map((part, index) => decodedPart(part, texts[index] ?? ''))
  const { alg, enc, kid, cty, epk, ...others } = jsonObject('header', header ?? Buffer.of())
  if (typeof alg !== 'string') throw malformed('alg is no string')
  if (typeof enc !== 'string') throw malformed('enc is no string')
  if (kid !== undefined && typeof kid !== 'string') throw malformed('kid is no string')
  const refusedParameter = REFUSED_PARAMETERS.find(name => Object.hasOwn(others, name))
  if (refusedParameter !== undefined) throw notAllowed({ alg, enc }, refusedParameter)
  return { token, alg, enc, kid, cty, curve: curveOf(epk) }
}

export function notAllowed({ alg, enc }: Pick<CompactJwe, 'alg' | 'enc'>, refusedParameter?: string): Denial {
  return new Denial('algorithm_not_allowed', {
    evidence: {
      alg: evidenceText(alg),
      enc: evidenceText(enc),
      ...(refusedParameter === undefined ? {} : { refusedParameter }),
    },
  })
}

/**
 * RFC 7519 §5.2 and RFC 9068: what is inside has to be a JWT. Case and `application/` do not count (RFC 7515 §4.1.10).
 *
 * @throws {Denial} `token_malformed`
 */
export function requireNestedJwt({ cty }: CompactJwe): void {
  if (typeof cty !== 'string' || !NESTED_JWT.test(cty)) throw malformed('cty is neither JWT nor at+jwt')
}

const NESTED_JWT = /^(?:application\/)?(?:at\+)?jwt$/i

function curveOf(epk: JsonValue | undefined): string | undefined {
  if (typeof epk !== 'object' || epk === null || !('crv' in epk)) return undefined
  return typeof epk.crv === 'string' ? epk.crv : undefined
}

export function malformed(reason: string): Denial {
  return new Denial('token_malformed', { evidence: { reason } })
}
