/**
 * Nothing of a request reaches V8's old generation, where it would stay until the next full
 * collection and hold the requests after it up.
 *
 * V8 itself counts, in code that is not optimised: there a function literal that is assigned to a property is allocated
 * as old. A busy gateway optimises that away after a while; one with few requests never does.
 */
import { Pool } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGatewayProcess } from '../support/gateway/memory.ts'
import { type Http2Service, startHttp2Service } from '../support/services/http2-service.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const UNOPTIMISED = ['--no-opt', '--no-maglev', '--trace-gc-nvp']
const WARM_UP = 1_000
const REQUESTS = 4_000
const AT_ONCE = 8
const LEAST_COLLECTIONS = 3

/** It sends until V8 has collected often enough, which takes long on a busy machine. */
const SENDING = { timeout: 120_000 }

describe('a service that speaks HTTP/1.1', SENDING, () => {
  let service: TestUpstream
  beforeAll(async () => {
    service = await startTestUpstream((request, response) => {
      request.resume().on('end', () => response.end('ok'))
    })
  })
  afterAll(() => service.close())

  test('nothing stays of a request', async () => {
    expect(await promotedBytes(service.url, 'GET')).toBeLessThan(500)
  })

  test('nor of a request with a body', async () => {
    expect(await promotedBytes(service.url, 'POST', 'x'.repeat(100))).toBeLessThan(500)
  })
})

describe('a service that speaks HTTP/2', () => {
  let service: Http2Service
  beforeAll(async () => {
    service = await startHttp2Service(({ stream }) => {
      stream.respond()
      stream.end('ok')
    })
  })
  afterAll(() => service.close())

  test('of a request stays what Node makes old: its own record of the stream', async () => {
    expect(await promotedBytes(service.url, 'GET')).toBeLessThan(4_500)
  })
})

/** @returns the bytes promoted for each request, as young collections count them */
async function promotedBytes(upstream: string, method: 'GET' | 'POST', body?: string): Promise<number> {
  const routes = [{ id: 'all', path: '/**', access: 'public' }]
  const gateway = await startGatewayProcess(
    { upstreams: { app: upstream }, routes, log: { access: 'off' } },
    UNOPTIMISED,
  )
  const pool = new Pool(gateway.url, { connections: AT_ONCE, pipelining: 1 })
  const send = async (requests: number): Promise<void> => {
    for (let sent = 0; sent < requests; sent += AT_ONCE) {
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          const response = await pool.request({ path: '/', method, ...(body !== undefined && { body }) })
          expect(await response.body.text()).toBe('ok')
        }),
      )
    }
  }
  try {
    await send(WARM_UP)
    const before = gateway.stdout().length
    for (let sent = REQUESTS; ; sent += REQUESTS) {
      await send(REQUESTS)
      const trace = gateway.stdout().slice(before)
      const collections = [...trace.matchAll(/"gc":"s".*?"promoted":(\d+)/g)]
      // How often V8 collects depends on how fast the requests came: a pause makes it shrink or grow the young space.
      if (collections.length < LEAST_COLLECTIONS) continue
      return collections.reduce((sum, [, promoted]) => sum + Number(promoted), 0) / sent
    }
  } finally {
    await pool.close()
    await gateway.stop()
  }
}
