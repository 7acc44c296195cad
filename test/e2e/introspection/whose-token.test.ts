/** Which tokens a server is asked about, and which of several servers: a token is sent to nobody else. */
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { bearer, testProvider } from '../../support/gateway/gateway.ts'
import { saysJson, startIntrospectionEndpoint } from '../../support/services/introspection-endpoint.ts'
import { startTestIssuer } from '../../support/services/issuer.ts'
import { activeAnswer, opaqueProvider, opaqueToken, startOpaqueStack } from './support.ts'

describe('which token is sent to which server', () => {
  test('opaque tokens and JWTs of one issuer pass side by side, and JWTs are never sent', async () => {
    const issuer = await startTestIssuer()
    atEnd(issuer.close)
    const stack = await startOpaqueStack({
      config: endpoint => ({
        providers: {
          jwt: testProvider(issuer),
          opaque: opaqueProvider(endpoint, { issuer: issuer.issuer, tokens: { jwts: false } }),
        },
      }),
    })
    const opaque = opaqueToken()
    stack.endpoint.tokens.set(opaque, activeAnswer({ iss: issuer.issuer, sub: 'opaque-alice' }))
    const jwt = await issuer.mint({ scope: 'orders:read', sub: 'jwt-alice' })
    for (const [token, sub] of [
      [opaque, 'opaque-alice'],
      [jwt, 'jwt-alice'],
    ] as const) {
      const reply = await stack.request('/orders/7', { headers: bearer(token) })
      expect(reply.json().headers).toMatchObject({ 'x-auth-subject': sub })
    }
    expect(stack.endpoint.questions.map(({ form }) => form.get('token'))).toEqual([opaque])
  })

  test('JWTs of its issuer are asked about, too, unless that is switched off', async () => {
    const issuer = await startTestIssuer()
    atEnd(issuer.close)
    const stack = await startOpaqueStack({
      config: endpoint => ({
        providers: {
          asks: opaqueProvider(endpoint, { issuer: issuer.issuer }),
          none: opaqueProvider(endpoint, { issuer: issuer.issuer, tokens: { jwts: false } }),
        },
        routes: [
          { id: 'asks', path: '/asks', providers: ['asks'] },
          { id: 'none', path: '/none', providers: ['none'] },
        ],
      }),
    })
    const jwt = await issuer.mint()
    stack.endpoint.tokens.set(jwt, activeAnswer())
    expect(await stack.outcome('/none', jwt)).toBe('401 issuer_unknown')
    expect(stack.endpoint.questions).toHaveLength(0)
    expect(await stack.outcome('/asks', jwt)).toBe('200')
    expect(await stack.outcome('/none', jwt)).toBe('401 issuer_unknown')
    expect(stack.endpoint.questions).toHaveLength(1)
  })

  test('what looks like a JWT or like an encrypted one is refused unasked, and so is what is too short', async () => {
    const stack = await startOpaqueStack({ provider: { tokens: { minBytes: 20 } } })
    stack.endpoint.answerWith(saysJson(activeAnswer()))
    const stranger = await startTestIssuer()
    atEnd(stranger.close)
    const jwt = await stranger.mint()
    for (const [token, expected] of [
      [jwt, '401 issuer_unknown'],
      ['three.parts-of-some.thing-opaque', '401 token_malformed'],
      ['five.parts.of-some.thing.opaque-here', '401 token_malformed'],
      ['short-token-19-byte', '401 token_malformed'],
      [`${jwt}.and.more`, '401 token_malformed'],
    ] as const) {
      expect([token, await stack.outcome('/orders/7', token)]).toEqual([token, expected])
    }
    expect(stack.endpoint.questions).toHaveLength(0)
    expect(stack.upstream.seen).toEqual([])
    expect(await stack.outcome('/orders/7', 'opaque-token-20-byte')).toBe('200')
  })

  test('prefixes say whose an opaque token is, and a token of nobody is refused unasked', async () => {
    const second = await startIntrospectionEndpoint()
    const stack = await startOpaqueStack({
      config: first => ({
        providers: {
          first: opaqueProvider(first, { tokens: { prefixes: ['one_'] } }),
          second: opaqueProvider(second, { tokens: { prefixes: ['two_', 'three_'] } }),
        },
      }),
    })
    for (const endpoint of [stack.endpoint, second]) endpoint.answerWith(saysJson(activeAnswer()))
    for (const token of ['one_token_of_a_test', 'two_token_of_a_test', 'three_token_of_a_test'])
      expect(await stack.outcome('/orders/7', token)).toBe('200')
    expect(await stack.outcome('/orders/7', 'four_token_of_a_test')).toBe('401 token_malformed')
    const asked = (endpoint: typeof second) => endpoint.questions.map(({ form }) => form.get('token'))
    expect(asked(stack.endpoint)).toEqual(['one_token_of_a_test'])
    expect(asked(second)).toEqual(['two_token_of_a_test', 'three_token_of_a_test'])
  })

  // Advisory: GHSA-4mq7, where the cache did not know the issuer that had answered.
  test('two providers never share an answer, even about the same token', async () => {
    const second = await startIntrospectionEndpoint()
    const stack = await startOpaqueStack({
      config: first => ({
        providers: { first: opaqueProvider(first), second: opaqueProvider(second) },
        routes: [
          { id: 'first', path: '/first', providers: ['first'] },
          { id: 'second', path: '/second', providers: ['second'] },
        ],
      }),
    })
    const [known, theirs] = [opaqueToken(), opaqueToken()]
    stack.endpoint.tokens.set(known, activeAnswer({ sub: 'alice-of-first' }))
    stack.endpoint.tokens.set(theirs, activeAnswer({ sub: 'alice-of-first' }))
    second.tokens.set(theirs, activeAnswer({ sub: 'alice-of-second' }))
    for (let times = 0; times < 3; times += 1) {
      expect(await stack.outcome('/first', known)).toBe('200')
      expect(await stack.outcome('/second', known)).toBe('401 token_inactive')
      for (const name of ['first', 'second']) {
        const reply = await stack.request(`/${name}`, { headers: bearer(theirs) })
        expect(reply.json().headers).toMatchObject({ 'x-auth-subject': `alice-of-${name}` })
      }
    }
    expect([stack.endpoint.questions.length, second.questions.length]).toEqual([2, 2])
  })
})
