/** A body that the gateway reads for itself is let go of with its request, however that ends. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'

let stack: TestStack
beforeAll(async () => {
  stack = await startTestStack(issuer => ({
    providers: { main: { ...testProvider(issuer), maxLifetime: '1h' } },
    revocation: { keep: '1h', backchannelLogout: [{ provider: 'main', path: '/logout', clientId: 'a' }] },
  }))
})
afterAll(() => stack.close())

const HEAD = 'POST /logout HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n'

/** A body that is waited for has a timer of its own. */
function timers(): number {
  return process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
}

test.each([
  ['closes its connection', `${HEAD}Content-Length: 1000\r\n`, 'a', 'end'],
  ['resets its connection', `${HEAD}Content-Length: 1000\r\n`, 'a', 'resetAndDestroy'],
  ['sends what is no chunk', `${HEAD}${CHUNKED}`, 'no chunk\r\n', undefined],
] as const)('a client that %s in the midst of it leaves nothing behind', async (how, head, rest, end) => {
  const before = timers()
  for (let count = 0; count < 20; count++) {
    const client = rawClient(Number(new URL(stack.url).port))
    const id = `${how.replaceAll(' ', '-')}-${count}`
    client.write(`${head}Expect: 100-continue\r\nX-Request-Id: ${id}\r\n\r\n`)
    await client.until(/100 Continue/)
    client.write(rest)
    if (end !== undefined) client.socket[end]()
    await stack.logged({ request_id: id })
    client.socket.destroy()
  }
  // A few may belong to connections that are about to be closed.
  while (timers() > before + 10) await nextTurn()
  expect(timers()).toBeLessThanOrEqual(before + 10)
})
