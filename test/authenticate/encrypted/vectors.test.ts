import type { JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  CONTENT_ENCRYPTIONS,
  type DecryptionKey,
  KEY_MANAGEMENT_ALGORITHMS,
} from '../../../src/authenticate/decryption.ts'
import { decryptionKey } from '../../../src/authenticate/encrypted/decryption-keys.ts'
import { notAllowed, parseCompactJwe } from '../../../src/authenticate/encrypted/jwe-header.ts'
import { plaintextOf } from '../../../src/authenticate/encrypted/plaintext.ts'
import { Denial } from '../../../src/errors.ts'
import { KeySourceError } from '../../../src/keys/key-source-error.ts'
import { haveVectors, vectors } from '../../rfc/vectors.ts'
import { refusalCode } from '../support.ts'
import { decrypterOf } from './support.ts'

interface Nesting {
  readonly sign: { readonly output: { readonly compact: string } }
  readonly encrypt: { readonly input: { readonly key: JWK }; readonly output: { readonly compact: string } }
}

describe.runIf(haveVectors)('RFC 7520 §6, a signed token inside of an encrypted one,', () => {
  const file = 'jose-cookbook/6.nesting_signatures_and_encryption.json'
  const { sign, encrypt } = haveVectors ? (vectors(file) as Nesting) : ({} as Nesting)

  test('is opened, and what is inside is the signed token', async () => {
    const key = decryptionKey(Buffer.from(JSON.stringify(encrypt.input.key)))
    const { decrypt, counted } = decrypterOf({ hobbiton: { keys: [key] } })
    expect(await decrypt(encrypt.output.compact)).toEqual({
      jws: sign.output.compact,
      providers: new Set(['hobbiton']),
    })
    expect(counted).toEqual(['hobbiton ok'])
  })
})

/**
 * Valid vectors that are refused, all of them by their algorithm: AES key wrap (1, 23, 28 to 32, 69 to 75, 133 to 135,
 * of which 135 is compressed, too), `dir` (132) and RSA1_5 (100 to 105, 112, 128). The 39 others are opened: ECDH-ES
 * with and without key wrap, RSA-OAEP and RSA-OAEP-256.
 */
const REFUSED_THOUGH_VALID = new Set([
  ...[1, 23, 28, 29, 30, 31, 32, 69, 70, 71, 72, 73, 74, 75, 132, 133, 134, 135],
  ...[100, 101, 102, 103, 104, 105, 112, 128],
])

/** Invalid vectors that have not five parts, or whose header cannot be read. */
const MALFORMED = new Set([3, 9, 12, 15, 18, 20, 21, 22, 24, 38, 41, 44, 47, 48, 49, 50])

/** Invalid vectors whose header is fine: ECDH-ES with something changed, missing or cut, and a point off the curve. */
const FAILED = new Set([36, 37, 39, 40, 42, 43, 45, 46, 51, 63, 64, 65])

/** All other invalid vectors ask for an algorithm that is not done: AES key wrap, or RSA1_5 (94 to 99, 110 to 127). */
const NOT_ALLOWED = 'algorithm_not_allowed'

interface Case {
  readonly tcId: number
  readonly comment: string
  readonly result: 'valid' | 'invalid'
  /** A JWE in JSON is an object. */
  readonly jwe: unknown
  readonly pt?: string
}
interface Group {
  readonly comment: string
  readonly private: JWK
  readonly tests: readonly Case[]
}

/** @returns undefined for a key that no configuration can have */
function keyOf(jwk: JWK): DecryptionKey | undefined {
  try {
    return decryptionKey(Buffer.from(JSON.stringify(jwk)))
  } catch (error) {
    if (error instanceof KeySourceError) return undefined
    throw error
  }
}

/** @returns the plaintext in hex, or the code of the refusal; none of the vectors has the `cty` of a token */
async function outcome(token: string, key: DecryptionKey | undefined): Promise<string> {
  try {
    const jwe = parseCompactJwe(token)
    const isListed = [...KEY_MANAGEMENT_ALGORITHMS, ...CONTENT_ENCRYPTIONS].map(String)
    if (!isListed.includes(jwe.alg) || !isListed.includes(jwe.enc)) throw notAllowed(jwe)
    const plaintext = key?.algorithms.has(jwe.alg) ? await plaintextOf(jwe, key) : undefined
    return plaintext === undefined ? 'decryption_failed' : Buffer.from(plaintext).toString('hex')
  } catch (error) {
    if (error instanceof Denial) return error.code
    throw error
  }
}

describe.runIf(haveVectors)('Wycheproof, JSON Web Encryption', () => {
  const groups = haveVectors
    ? (vectors('wycheproof/json_web_encryption_test.json') as { testGroups: readonly Group[] }).testGroups
    : []
  const cases = groups.flatMap(group => {
    const key = keyOf(group.private)
    const { alg = 'any' } = group.private
    return group.tests.map(each => ({ ...each, group: group.comment, alg, key }))
  })
  const textOf = (jwe: unknown): string => (typeof jwe === 'string' ? jwe : JSON.stringify(jwe))

  test('all 139 vectors are here', () => expect(cases).toHaveLength(139))

  test.each(cases)('$tcId $group $alg: $comment is $result', async ({ tcId, jwe, key, result, pt }) => {
    const refused = MALFORMED.has(tcId) ? 'token_malformed' : FAILED.has(tcId) ? 'decryption_failed' : NOT_ALLOWED
    const isOpened = result === 'valid' && !REFUSED_THOUGH_VALID.has(tcId)
    expect(await outcome(textOf(jwe), key)).toBe(isOpened ? pt : refused)
  })

  test('each is refused where a token is expected, since none says that a token is inside', async () => {
    for (const { jwe, key } of cases) {
      const { decrypt } = decrypterOf({ main: { keys: key === undefined ? [] : [key] } })
      expect(await refusalCode(() => decrypt(textOf(jwe)))).toMatch(/^(?:token_malformed|algorithm_not_allowed)$/)
    }
  })
})
