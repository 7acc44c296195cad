import { createPublicKey, createSecretKey } from 'node:crypto'
import type { JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { parseCompactJws } from '../../src/authenticate/jwt/compact-jws.ts'
import { joseRefusal } from '../../src/authenticate/jwt/jose-signature.ts'
import { signatureRefusal } from '../../src/authenticate/jwt/signature.ts'
import { refusalCode } from '../authenticate/support.ts'
import { haveVectors, vectors } from './vectors.ts'

interface Recipe {
  readonly input: { readonly payload: string; readonly key: JWK; readonly alg: string }
  readonly output: { readonly compact: string }
}

const recipe = (path: string) => vectors(`jose-cookbook/${path}`) as Recipe

function keyOf({ input: { key, alg } }: Recipe) {
  const object =
    key.kty === 'oct' ? createSecretKey(Buffer.from(key.k ?? '', 'base64url')) : createPublicKey({ key, format: 'jwk' })
  return { kid: undefined, algorithms: new Set([alg]), key: object }
}

describe.runIf(haveVectors)('RFC 7520 §4, RFC 8037 appendix A: published signatures hold', () => {
  test.each([
    'jws/4_1.rsa_v15_signature.json',
    'jws/4_2.rsa-pss_signature.json',
    'jws/4_3.ecdsa_signature.json',
    'jws/4_4.hmac-sha2_integrity_protection.json',
    'curve25519/jws.json',
  ])('%s', async path => {
    const example = recipe(path)
    const jws = parseCompactJws(example.output.compact)
    expect(jws.payload.toString()).toBe(example.input.payload)
    expect(jws.header.alg).toBe(example.input.alg)
    expect(await signatureRefusal(jws, keyOf(example))).toBeUndefined()
    expect(await joseRefusal(jws, keyOf(example))).toBeUndefined()
  })
})

describe.runIf(haveVectors)('RFC 7520 §4.5: a detached payload', () => {
  test('is no token, since what was signed is not there', async () => {
    const example = recipe('jws/4_5.signature_with_detached_content.json')
    const jws = parseCompactJws(example.output.compact)
    expect(await signatureRefusal(jws, keyOf(example))).toMatchObject({ code: 'signature_invalid' })
  })
})

describe.runIf(haveVectors)('RFC 7797 §7: "JWTs MUST NOT use b64 with a false value"', () => {
  test('the published example is refused, for its header and not for its payload', async () => {
    const { compact } = recipe('rfc7797/hmac-sha2_b64_false.json').output
    expect(await refusalCode(() => parseCompactJws(compact))).toBe('algorithm_not_allowed')
  })
})
