/**
 * Takes a token apart: three canonical parts, and a header that asks only for what we do.
 *
 * RFC 7515 §3.1, §4, §5.2 (JWS Compact Serialization, JOSE header), RFC 8725 §3.1, §3.7.
 * Nothing here is trusted yet: the signature is judged later, on exactly these bytes. The payload may be anything; that
 * it holds claims is for `parse-jwt.ts` to find.
 */
import { Denial } from '../../errors.ts'
import { boundedMemo } from '../../lib/bounded-memo.ts'
import { evidenceText } from '../../lib/evidence-text.ts'
import { KEY_PARAMETERS, type KeyParameter } from '../../lib/key-parameters.ts'
import { parseStrictJson } from '../../lib/strict-json.ts'
import type { JsonObject } from '../../types.ts'

/** The header parameters that matter (RFC 7515 §4.1). */
interface JwsHeader {
  readonly alg: string
  readonly kid: string | undefined
  readonly typ: string | undefined
  /** Which parameters with keys of the sender's choice it has; undefined: none. They are never read. */
  readonly keyParameters: readonly KeyParameter[] | undefined
}

export interface CompactJws {
  /** The whole token, as it arrived. */
  readonly token: string
  readonly header: JwsHeader
  readonly payload: Buffer
  readonly signature: Buffer
}

/** Real tokens nest three or four levels deep; parsers of other services give up at anything from 20 to 500. */
const MAX_JSON_DEPTH = 32

/**
 * Header parameters that are refused by their presence, whatever their value: keys carried in the token (RFC 8725 §2.7,
 * §3.10), extensions that we must understand and do not (RFC 7515 §4.1.11, RFC 7797), compression (RFC 8725 §3.6).
 * The code is `algorithm_not_allowed`, since the token is well formed but asks for a verification we do not do.
 * Only keys in the token may be ignored instead, where an issuer cannot leave them out.
 */
const REFUSED_PARAMETERS = ['crit', 'b64', 'zip'] as const

/**
 * @param ignored parameters with keys that do not get the token refused
 * @throws {Denial} `token_malformed`, `algorithm_not_allowed`
 */
export function parseCompactJws(token: string, ignored: readonly KeyParameter[] = []): CompactJws {
  const [header, payload, signature] = jwsParts(token)
  const signatureBytes = decodedPart('signature', signature)
  const read = joseHeader(header)
  refuseKeyParameters(read, ignored)
  return { token, header: read, payload: decodedPart('payload', payload), signature: signatureBytes }
}

/** @throws {Denial} `token_malformed` */
export function jwsParts(token: string): readonly [header: string, payload: string, signature: string] {
  const parts = token.split('.', 4)
  const [header, payload, signature] = parts
  // Five parts are a JWE (RFC 7516 §3.1), which is opened before its inside comes here.
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined)
    throw malformed('not three parts')
  return [header, payload, signature]
}

/** @throws {Denial} `algorithm_not_allowed`: the token carries a key, or says where one is, and that is not ignored */
export function refuseKeyParameters({ alg, keyParameters }: JwsHeader, ignored: readonly KeyParameter[]): void {
  const refused = keyParameters?.find(name => !ignored.includes(name))
  if (refused !== undefined) throw parameterRefused(alg, refused)
}

function parameterRefused(alg: string, refusedParameter: string | undefined): Denial {
  return new Denial('algorithm_not_allowed', { evidence: { alg: evidenceText(alg), refusedParameter } })
}

/**
 * Node's decoder skips blanks, padding, foreign characters and stray bits, so that many strings decode to the same
 * bytes. Only the one spelling that encoding the bytes yields is taken: no two strings are the same token.
 *
 * @param part the name that the evidence has for it
 * @throws {Denial} `token_malformed`
 */
export function decodedPart(part: string, text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) throw malformed(`${part} is not canonical base64url`)
  return bytes
}

/** An issuer writes the same header on every token of a key, so each header is read once. */
const joseHeader = boundedMemo(parseHeader, { maxEntries: 64, maxKeyLength: 512 })

function parseHeader(text: string): JwsHeader {
  const header = jsonObject('header', decodedPart('header', text))
  const { alg, kid, typ } = header
  if (typeof alg !== 'string') throw malformed('alg is no string')
  if (kid !== undefined && typeof kid !== 'string') throw malformed('kid is no string')
  if (typ !== undefined && typeof typ !== 'string') throw malformed('typ is no string')
  const refused = REFUSED_PARAMETERS.find(name => Object.hasOwn(header, name))
  if (refused !== undefined || alg.toLowerCase() === 'none') throw parameterRefused(alg, refused)
  const keyParameters = KEY_PARAMETERS.filter(name => Object.hasOwn(header, name))
  return Object.freeze({ alg, kid, typ, keyParameters: keyParameters.length === 0 ? undefined : keyParameters })
}

/**
 * Reads one decoded part of a token as strict JSON.
 *
 * @param part the name that the evidence has for it
 * @throws {Denial} `token_malformed`
 */
export function jsonObject(part: string, bytes: Buffer): JsonObject {
  const value = json(part, bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${part} is no JSON object`)
  return value as JsonObject
}

function json(part: string, bytes: Buffer): unknown {
  try {
    return parseStrictJson(bytes, MAX_JSON_DEPTH)
  } catch (error) {
    throw malformed(`${part}: ${error instanceof SyntaxError ? error.message : 'unreadable'}`)
  }
}

function malformed(reason: string): Denial {
  return new Denial('token_malformed', { evidence: { reason } })
}
