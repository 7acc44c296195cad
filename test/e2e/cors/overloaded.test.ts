/** A page can read that the gateway is too busy, although nobody has decided about its request by then. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestStack, type TestStack } from '../../support/gateway/gateway.ts'
import { startTestUpstream } from '../../support/services/upstream.ts'

const APP = 'https://app.example.com'

let stack: TestStack
let answerHeld: () => void
beforeAll(async () => {
  const upstream = await startTestUpstream((_request, response) => {
    answerHeld = () => response.end('done')
  })
  stack = await startTestStack(
    {
      cors: { origins: [APP] },
      limits: { requests: 1 },
      routes: [
        { id: 'public', path: '/public', access: 'public' },
        { id: 'off', path: '/off', access: 'public', cors: 'off' },
      ],
    },
    { upstream },
  )
})
afterAll(() => stack.close())

test('a request over the limit is refused where its page can read it, and only there', async () => {
  const arrived = stack.upstream.arrival()
  const held = stack.request('/public')
  await arrived
  const busy = async (path: string, origin: string) => {
    const { status, headers } = await stack.request(path, { headers: { origin } })
    return [status, headers['access-control-allow-origin'], headers.vary]
  }
  expect(await busy('/public', APP)).toEqual([503, APP, 'Origin'])
  expect(await busy('/public', 'https://evil.example.com')).toEqual([503, undefined, 'Origin'])
  expect(await busy('/off', APP)).toEqual([503, undefined, undefined])
  expect(await busy('/none', APP)).toEqual([503, undefined, undefined])
  answerHeld()
  expect((await held).status).toBe(200)
})
