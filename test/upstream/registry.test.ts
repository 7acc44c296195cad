import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Upstream } from '../../src/upstream/connections.ts'
import { type UpstreamRegistry, upstreamRegistry } from '../../src/upstream/registry.ts'
import { testUpstream } from '../support/gateway/upstream-pool.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const LINGER_MS = 60_000

let time: ManualTime
let registry: UpstreamRegistry
let service: TestUpstream
let held: ServerResponse[]
beforeEach(async () => {
  time = manualTime()
  registry = upstreamRegistry(time)
  held = []
  service = await startTestUpstream((request, response) => {
    if (request.url === '/held') held.push(response)
    else response.end('done')
  })
})
afterEach(async () => {
  await registry.close()
  await service.close()
})

const options = (change: Record<string, unknown> = {}) => testUpstream(service.url, change)

/** @returns the body, or the error's message */
function get(upstream: Upstream, path: string): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    upstream.dispatch(
      { path, method: 'GET', headers: [], body: null, headersTimeoutMs: Number.POSITIVE_INFINITY, upgrade: null },
      {
        onStart() {},
        onHead() {},
        onData: chunk => {
          text += chunk.toString()
        },
        onEnd: () => resolve(text),
        onUpgrade: (_rawHeaders, socket) => void socket.destroy(),
        onError: error => resolve(`failed: ${error.name}`),
      },
    )
  })
}

describe('an upstream', () => {
  test('that means the same is the same pool', () => {
    const first = registry.acquire(options())
    const again = registry.acquire({ ...options(), serverName: undefined })
    expect(again.value).toBe(first.value)
  })

  test.each([
    ['id', 'other'],
    ['origin', 'http://127.0.0.1:1'],
    ['socketPath', '/run/app.sock'],
    ['headersTimeoutMs', 1],
    ['ca', 'PEM'],
    ['key', 'PEM'],
    ['serverName', 'app'],
  ])('with another %s is another', (name, changed) => {
    const { value } = registry.acquire(options())
    expect(registry.acquire(options({ [name]: changed })).value).not.toBe(value)
  })
})

describe('an upstream that nobody leases', () => {
  test('serves for a while, and is the same when it is wanted again', async () => {
    const lease = registry.acquire(options())
    await get(lease.value, '/')
    lease.release()
    await time.advance(LINGER_MS - 1)
    expect(await get(lease.value, '/')).toBe('done')
    expect(registry.acquire(options()).value).toBe(lease.value)
    await time.advance(LINGER_MS * 2)
    expect(await get(lease.value, '/')).toBe('done')
  })

  test('then finishes what runs on it and closes its connections', async () => {
    const lease = registry.acquire(options())
    const arrival = service.arrival()
    const running = get(lease.value, '/held')
    const socket: Socket = await arrival
    lease.release()
    await time.advance(LINGER_MS)
    expect(await get(lease.value, '/late')).toMatch(/^failed: /)
    expect(registry.acquire(options()).value).not.toBe(lease.value)
    const closed = once(socket, 'close')
    held[0]?.end('finished')
    expect(await running).toBe('finished')
    await closed
  })

  test('is ended by the end of all, with what runs on it', async () => {
    const lease = registry.acquire(options())
    const arrival = service.arrival()
    const running = get(lease.value, '/held')
    await arrival
    lease.release()
    await time.advance(LINGER_MS)
    await registry.close()
    expect(await running).toMatch(/^failed: /)
  })

  test('is not ended by a lease that is released twice', async () => {
    const [one, two] = [registry.acquire(options()), registry.acquire(options())]
    one.release()
    one.release()
    await time.advance(LINGER_MS)
    expect(await get(two.value, '/')).toBe('done')
  })
})
