/** What a server said is remembered for a while, and for no longer: whoever asks for a token in use does not wait. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { bearer } from '../../support/gateway/gateway.ts'
import { saysJson, startIntrospectionEndpoint } from '../../support/services/introspection-endpoint.ts'
import { AUDIENCE } from '../../support/services/issuer.ts'
import { activeAnswer, heldUntilRelease, opaqueProvider, opaqueToken, startOpaqueStack } from './support.ts'

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Asks again and again; the test's own time limit ends it. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await nextTurn()
}

test('a thousand first requests with one token cause one question, and all get its answer', async () => {
  const stack = await startOpaqueStack({ provider: { timeout: '30s' } })
  const held = heldUntilRelease(saysJson(activeAnswer()))
  stack.endpoint.answerWith(held.answer)
  const token = opaqueToken()
  const requests = range(1_000).map(() => stack.outcome('/orders/7', token))
  const shared = 'sallyport_token_cache_total{provider="opaque",result="shared"}'
  await until(async () => (await stack.metrics()).get(shared) === 999)
  held.release()
  expect(new Set(await Promise.all(requests))).toEqual(new Set(['200']))
  expect(stack.endpoint.questions).toHaveLength(1)
  expect(await stack.counted('active')).toBe(1)
})

test('a thousand requests with one inactive token cause one question, and none gets in', async () => {
  const stack = await startOpaqueStack({ provider: { timeout: '30s' } })
  const token = opaqueToken()
  const outcomes = await Promise.all(range(1_000).map(() => stack.outcome('/orders/7', token)))
  expect(new Set(outcomes)).toEqual(new Set(['401 token_inactive']))
  expect(stack.endpoint.questions).toHaveLength(1)
  stack.endpoint.tokens.set(token, activeAnswer())
  expect(await stack.outcome('/orders/7', token)).toBe('401 token_inactive')
  stack.clock.pass(5_001)
  expect(await stack.outcome('/orders/7', token)).toBe('200')
  expect(stack.endpoint.questions).toHaveLength(2)
})

test('with a ttl of 0s every request asks', async () => {
  const stack = await startOpaqueStack({ provider: { cache: { ttl: '0s' } } })
  const token = opaqueToken()
  stack.endpoint.tokens.set(token, activeAnswer())
  for (let times = 0; times < 3; times += 1) expect(await stack.outcome('/orders/7', token)).toBe('200')
  stack.endpoint.tokens.delete(token)
  expect(await stack.outcome('/orders/7', token)).toBe('401 token_inactive')
  expect(stack.endpoint.questions).toHaveLength(4)
})

test('a token in use never waits: it is asked about ahead, and what is said then counts', async () => {
  const stack = await startOpaqueStack()
  const token = opaqueToken()
  const subject = async () => {
    const reply = await stack.request('/orders/7', { headers: bearer(token) })
    return (reply.json().headers as Record<string, string>)['x-auth-subject']
  }
  stack.endpoint.tokens.set(token, activeAnswer({ sub: 'before' }))
  expect(await subject()).toBe('before')
  stack.clock.pass(25_000)
  const held = heldUntilRelease(saysJson(activeAnswer({ sub: 'after' })))
  stack.endpoint.answerWith(held.answer)
  for (let times = 0; times < 5; times += 1) expect(await subject()).toBe('before')
  await stack.endpoint.asked(2)
  held.release()
  await until(async () => (await subject()) === 'after')
  stack.clock.pass(10_000)
  expect(await subject()).toBe('after')
  expect(stack.endpoint.questions).toHaveLength(2)
})

test.for(['refreshAhead', 'not ahead'])('a token that is revoked there is refused after its ttl: %s', async when => {
  const isAhead = when === 'refreshAhead'
  const stack = await startOpaqueStack({ provider: { cache: { refreshAhead: isAhead } } })
  const token = opaqueToken()
  stack.endpoint.tokens.set(token, activeAnswer())
  expect(await stack.outcome('/orders/7', token)).toBe('200')
  stack.endpoint.tokens.delete(token)
  stack.clock.pass(25_000)
  expect(await stack.outcome('/orders/7', token)).toBe('200')
  // What is asked ahead is known sooner; what is not, when the time is over.
  if (isAhead) await until(async () => (await stack.outcome('/orders/7', token)) === '401 token_inactive')
  else expect(stack.endpoint.questions).toHaveLength(1)
  stack.clock.pass(5_001)
  expect(await stack.outcome('/orders/7', token)).toBe('401 token_inactive')
})

test('a reload that changes the rules judges by them, and asks nobody again', async () => {
  const other = 'https://other.example.com'
  const stack = await startOpaqueStack({ provider: { audiences: [AUDIENCE, other] } })
  const token = opaqueToken()
  stack.endpoint.tokens.set(token, activeAnswer())
  expect(await stack.outcome('/orders/7', token)).toBe('200')
  const reload = async (provider: object) => {
    const { endpoint, upstream } = stack
    stack.write(
      'sallyport.yaml',
      stringify({
        listen: '127.0.0.1:0',
        admin: { listen: '127.0.0.1:0' },
        providers: { opaque: { ...opaqueProvider(endpoint), ...provider } },
        upstreams: { app: upstream.url },
        routes: [{ id: 'orders', path: '/orders/**' }],
      }),
    )
    await stack.running.reload()
  }
  await reload({ audiences: [other] })
  expect(await stack.outcome('/orders/7', token)).toBe('401 audience_mismatch')
  await reload({ requiredClaims: ['tenant'] })
  expect(await stack.outcome('/orders/7', token)).toBe('401 claim_invalid')
  await reload({})
  expect(await stack.outcome('/orders/7', token)).toBe('200')
  expect(stack.endpoint.questions).toHaveLength(1)

  const second = await startIntrospectionEndpoint()
  await reload({ endpoint: second.url })
  expect(await stack.outcome('/orders/7', token)).toBe('401 token_inactive')
  expect([stack.endpoint.questions.length, second.questions.length]).toEqual([1, 1])
})
