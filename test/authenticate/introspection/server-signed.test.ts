import { describe, expect, test } from 'vitest'
import { Denial } from '../../../src/errors.ts'
import type { Claims, KeySet } from '../../../src/types.ts'
import { startedKeySet, TUNING } from '../../keys/support.ts'
import { manualTime } from '../../support/manual-time.ts'
import {
  CLIENT_ID,
  type IntrospectionEndpoint,
  SIGNED_TYPE,
  type SignedParts,
  says,
  saysJson,
  startIntrospectionEndpoint,
} from '../../support/services/introspection-endpoint.ts'
import { clientOf, failureOf, fileOf, never } from './server-support.ts'

const NOW_SECONDS = 1_750_000_000

async function keysOf({ issuer, jwksUri: url }: IntrospectionEndpoint): Promise<KeySet> {
  const { keySet } = await startedKeySet({ type: 'jwksUri', url, ...TUNING }, { issuer })
  return keySet
}

/** Asks an endpoint that signs these parts. */
async function asked(parts: SignedParts, options: Parameters<typeof clientOf>[1] = {}) {
  const endpoint = await startIntrospectionEndpoint()
  const jwt = await endpoint.signed({ about: { active: true, sub: 'ada' }, nowSeconds: NOW_SECONDS, ...parts })
  endpoint.answerWith(says(jwt, { 'content-type': SIGNED_TYPE }))
  const clock = manualTime(NOW_SECONDS * 1_000)
  const keySet = await keysOf(endpoint)
  const server = clientOf(endpoint, { response: 'jwt', keySet, clock, ...options })
  return { endpoint, jwt, answer: server.ask('t', never) }
}

describe('RFC 9701: a signed answer', () => {
  test('is asked for, and says in token_introspection what is known of the token', async () => {
    const { endpoint, answer } = await asked({ claims: { sub: 'outside', scope: 'admin' } })
    expect(await answer).toEqual({ active: true, claims: { sub: 'ada' } })
    expect(endpoint.questions[0]?.headers.accept).toBe('application/token-introspection+jwt')
  })

  test.each<[string, SignedParts]>([['says that the token is inactive', { about: { active: false } }]])(
    '%s',
    async (_what, parts) => {
      expect(await (await asked(parts)).answer).toEqual({ active: false })
    },
  )

  test.each<[string, SignedParts]>([
    ['a typ in capital letters', { header: { typ: 'Token-Introspection+JWT' } }],
    ['a typ with its prefix', { header: { typ: 'application/token-introspection+jwt' } }],
    ['an audience in a list', { audience: ['other', CLIENT_ID] }],
    ['a clock that is a little ahead', { nowSeconds: NOW_SECONDS + 5 }],
    ['an age of a minute and the tolerance', { nowSeconds: NOW_SECONDS - 65 }],
  ])('is taken with %s', async (_what, parts) => {
    expect(await (await asked(parts)).answer).toEqual({ active: true, claims: { sub: 'ada' } })
  })

  test.each<[string, SignedParts, RegExp]>([
    ['a typ of an access token', { header: { typ: 'at+jwt' } }, /typ is not token-introspection\+jwt$/],
    ['no typ', { header: { typ: undefined } }, /typ is not/],
    ['another issuer', { claims: { iss: 'https://other.example' } }, /issuer_unknown$/],
    ['no issuer', { claims: { iss: undefined } }, /issuer_unknown$/],
    ['another audience', { audience: 'other' }, /aud is not our client id$/],
    ['an audience that begins alike', { audience: `${CLIENT_ID}2` }, /aud is not our client id$/],
    ['a list of other audiences', { audience: ['a', 'b'] }, /aud is not our client id$/],
    ['no audience', { claims: { aud: undefined } }, /aud is not our client id$/],
    ['no iat', { claims: { iat: undefined } }, /has no iat$/],
    ['an iat that is text', { claims: { iat: String(NOW_SECONDS) } }, /has no iat$/],
    ['an iat in the future', { nowSeconds: NOW_SECONDS + 6 }, /iat is in the future$/],
    ['an old iat', { nowSeconds: NOW_SECONDS - 66 }, /iat is too long ago$/],
    ['a signature of somebody else', { by: 'stranger' }, /signature_invalid$/],
    ['a key that is not there', { header: { kid: 'other' } }, /key_unknown$/],
    ['no token_introspection', { claims: { token_introspection: undefined } }, /did not answer with a JSON object$/],
    ['a list in token_introspection', { about: [{ active: true }] }, /JSON object$/],
    ['active in the wrong place', { about: {}, claims: { active: true } }, /by a boolean whether the token is active$/],
    ['active as text', { about: { active: 'true' } }, /by a boolean/],
  ])('is invalid with %s', async (_what, parts, message) => {
    expect(await failureOf((await asked(parts)).answer)).toMatchObject({
      result: 'invalid',
      message: expect.stringMatching(message),
    })
  })

  test('is invalid by an algorithm that is not listed', async () => {
    const { answer } = await asked({}, { algorithms: ['PS256'] })
    expect(await failureOf(answer)).toMatchObject({
      result: 'invalid',
      message: expect.stringMatching(/algorithm_not_allowed$/),
    })
  })

  test('is invalid for a client whose id is not known', async () => {
    const tokenFile = fileOf('token')
    const { answer } = await asked({}, { client: { auth: 'bearer', tokenFile } })
    expect(await failureOf(answer)).toMatchObject({
      result: 'invalid',
      message: expect.stringMatching(/`client.id` is left out$/),
    })
  })

  test('cannot be judged without keys, which is an outage and no fault of the answer', async () => {
    const keySet: KeySet = {
      select: () => {
        throw new Denial('keys_unavailable')
      },
      isCurrent: () => false,
      status: () => ({ usable: false, keys: [], skipped: {}, lastSuccessSeconds: undefined, lastError: undefined }),
    }
    const { answer } = await asked({}, { keySet })
    expect(await failureOf(answer)).toMatchObject({
      result: 'error',
      message: expect.stringMatching(/^there are no keys to verify the signed answers of /),
    })
  })

  test('that waits for keys ends when the caller gives up', async () => {
    const asking = Promise.withResolvers<void>()
    const endpoint = await startIntrospectionEndpoint()
    const keySet: KeySet = {
      ...(await keysOf(endpoint)),
      select: () => {
        asking.resolve()
        return new Promise(() => {})
      },
    }
    const controller = new AbortController()
    const answer = clientOf(endpoint, { response: 'jwt', keySet }).ask('t', controller.signal)
    await asking.promise
    controller.abort(new Error('enough'))
    await expect(answer).rejects.toThrow('enough')
  })

  test.each([
    [
      'JSON in clear',
      '{"active":true}',
      'application/json',
      /did not answer with application\/token-introspection\+jwt/,
    ],
    ['a JWT under another type', 'a.b.c', 'application/jwt', /as `response: jwt` says$/],
    ['JSON under the type of JWTs', '{"active":true}', SIGNED_TYPE, /refused as a JWT is by token_malformed$/],
    ['five parts that nobody can decrypt', 'a.b.c.d.e', SIGNED_TYPE, /there is no key to decrypt it$/],
  ])('cannot be replaced by %s', async (_what, body, type, message) => {
    const endpoint = await startIntrospectionEndpoint()
    endpoint.answerWith(says(body, { 'content-type': type }))
    const server = clientOf(endpoint, { response: 'jwt', keySet: await keysOf(endpoint) })
    expect(await failureOf(server.ask('t', never))).toMatchObject({
      result: 'invalid',
      message: expect.stringMatching(message),
    })
  })

  test('under JSON is no JSON answer', async () => {
    const endpoint = await startIntrospectionEndpoint()
    endpoint.answerWith(saysJson({ active: true }, { 'content-type': SIGNED_TYPE }))
    expect(await failureOf(clientOf(endpoint).ask('t', never))).toMatchObject({ result: 'invalid' })
  })
})

describe('an encrypted answer', () => {
  async function askedInside(inside: (jws: string) => Promise<string>) {
    const endpoint = await startIntrospectionEndpoint()
    const jws = await endpoint.signed({ about: { active: true, sub: 'ada' } })
    endpoint.answerWith(says('a.b.c.d.e', { 'content-type': SIGNED_TYPE }))
    const seen: string[] = []
    const decrypt = (jwe: string) => {
      seen.push(jwe)
      return inside(jws)
    }
    const server = clientOf(endpoint, { response: 'jwt', keySet: await keysOf(endpoint), decrypt })
    return { seen, answer: server.ask('t', never) }
  }

  test('is decrypted, and what is inside is verified', async () => {
    const { seen, answer } = await askedInside(async jws => jws)
    expect(await answer).toEqual({ active: true, claims: { sub: 'ada' } satisfies Claims })
    expect(seen).toEqual(['a.b.c.d.e'])
  })

  test.each<[string, (jws: string) => Promise<string>, RegExp]>([
    ['that cannot be decrypted', () => Promise.reject(new Error('MARK')), /it cannot be decrypted$/],
    ['with claims that nobody signed', async () => '{"active":true}', /token_malformed$/],
    ['inside of another', async () => 'a.b.c.d.e', /token_malformed$/],
    ['with a broken signature', async jws => `${jws.slice(0, -8)}AAAAAAAA`, /signature_invalid$/],
  ])('%s is invalid', async (_what, inside, message) => {
    expect(await failureOf((await askedInside(inside)).answer)).toMatchObject({
      result: 'invalid',
      message: expect.stringMatching(message),
    })
  })
})
