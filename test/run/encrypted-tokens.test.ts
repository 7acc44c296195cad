/** A gateway opens encrypted tokens, and believes what is inside for its signature alone (RFC 7519 §5.2). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decryptionKey } from '../../src/authenticate/encrypted/decryption-keys.ts'
import { encrypted, privateJwk } from '../authenticate/encrypted/support.ts'
import { bearer, startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'

const KEY_FILE = privateJwk('P-256')
const KEY = decryptionKey(Buffer.from(KEY_FILE))
const decryption = { keyFiles: ['enc.jwk'] }
const files = { 'enc.jwk': KEY_FILE }

let stack: TestStack
beforeAll(async () => {
  stack = await startTestStack(issuer => ({ providers: { main: { ...testProvider(issuer), decryption } } }), { files })
})
afterAll(() => stack.close())

async function answered(to: TestStack, token: string): Promise<[status: number, code: unknown]> {
  const { status, json } = await to.request('/private/a', { headers: bearer(token) })
  return [status, status === 200 ? undefined : json().code]
}

describe('an encrypted token', () => {
  test('passes with a signed token of its provider inside, and again from memory', async () => {
    const token = await encrypted(KEY, {}, await stack.issuer.mint())
    expect(await answered(stack, token)).toEqual([200, undefined])
    expect(await answered(stack, token)).toEqual([200, undefined])
    const metrics = await stack.metrics()
    expect(metrics.get('sallyport_decryptions_total{provider="main",result="ok"}')).toBe(1)
  })

  test('passes beside plain ones, unless encryption is required', async () => {
    const plain = await stack.issuer.mint()
    expect(await answered(stack, plain)).toEqual([200, undefined])
    const strict = await startTestStack(
      issuer => ({ providers: { main: { ...testProvider(issuer), decryption: { ...decryption, required: true } } } }),
      { files },
    )
    try {
      expect(await answered(strict, await strict.issuer.mint())).toEqual([401, 'token_type_invalid'])
      const token = await encrypted(KEY, {}, await strict.issuer.mint())
      expect(await answered(strict, token)).toEqual([200, undefined])
    } finally {
      await strict.close()
    }
  })

  test('is refused where nobody has signed what is inside', async () => {
    const claims = JSON.stringify({ iss: stack.issuer.issuer, sub: 'alice' })
    expect(await answered(stack, await encrypted(KEY, {}, claims))).toEqual([401, 'token_malformed'])
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(claims).toString('base64url')}.`
    expect(await answered(stack, await encrypted(KEY, {}, unsigned))).toEqual([401, 'algorithm_not_allowed'])
  })

  test('is judged by what is inside, its time and audience included', async () => {
    const foreign = await encrypted(KEY, {}, await stack.issuer.mint({ aud: 'somebody-else' }))
    expect(await answered(stack, foreign)).toEqual([401, 'audience_mismatch'])
  })

  test('is refused where the key that opens it is that of another provider than has signed it', async () => {
    const two = await startTestStack(
      issuer => ({
        providers: {
          main: testProvider(issuer),
          other: {
            type: 'jwt',
            issuer: 'https://other.example',
            audiences: ['a'],
            keys: { jwksUri: issuer.jwksUri },
            decryption,
          },
        },
      }),
      { files },
    )
    try {
      const token = await two.issuer.mint()
      expect(await answered(two, token)).toEqual([200, undefined])
      expect(await answered(two, await encrypted(KEY, {}, token))).toEqual([401, 'issuer_unknown'])
    } finally {
      await two.close()
    }
  })
})

test('without decryption an encrypted token is refused before it is looked at', async () => {
  const plain = await startTestStack({}, {})
  try {
    expect(await answered(plain, await encrypted(KEY, {}, await plain.issuer.mint()))).toEqual([401, 'token_malformed'])
  } finally {
    await plain.close()
  }
})
