/** Limits fit the file descriptors that the process may have, and the admin listener always has some left. */
import { connect, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { descriptorLimit, fitted } from '../../src/run/descriptors.ts'
import { testAuthority } from '../support/certificates.ts'
import { http2Client, requestHead } from '../support/clients/http2-client.ts'
import { type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

describe('limits', () => {
  const DEFAULTS = configOf(10_000, 4096, 1024)

  test('that fit stay as they are, and so do those of a system that does not tell', () => {
    expect(fitted(DEFAULTS, 11_024 + 128)).toBe(DEFAULTS)
    expect(fitted(DEFAULTS, undefined)).toBe(DEFAULTS)
    const ofWorkers = { ...DEFAULTS, workers: 4 }
    expect(fitted(ofWorkers, 11_024 / 4 + 128)).toBe(ofWorkers)
  })

  test('that do not fit are lowered: the connections to services need no more than half', () => {
    expect(fitted(DEFAULTS, 1024)).toEqual(configOf(448, 448, 448))
    expect(fitted(DEFAULTS, 10_128)).toEqual(configOf(8976, 4096, 1024))
    expect(fitted(configOf(100, 4096, 1024), 1128)).toEqual(configOf(100, 900, 900))
  })

  test('count no more connections to a service than requests, but those to every service', () => {
    const small = configOf(100, 10, 1024, 1024)
    expect(fitted(small, 120 + 128)).toBe(small)
    expect(fitted(small, 119 + 128)).toEqual(configOf(99, 10, 1024, 1024))
    expect(fitted(configOf(10_000, 4096, 300, 100), 328)).toEqual(configOf(100, 100, 74, 25))
  })

  test('leave room for two listeners, where other proxies ask at one of them', () => {
    const both = { ...configOf(100, 10, 1024, 1024), listen: {}, decide: {} }
    expect(fitted(both, 220 + 128)).toBe(both)
    expect(fitted(both, 200 + 128).limits.connections).toBe(90)
    const { listen: _, ...alone } = both
    expect(fitted(alone, 120 + 128)).toBe(alone)
  })

  test('are never higher than what was asked for, nor than what there is, nor nothing', () => {
    const any = fc.integer({ min: 1, max: 1_000_000 })
    const upstreams = fc.array(any, { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(any, any, upstreams, fc.integer({ min: 1, max: 64 }), any, (...given) => {
        const [connections, requests, services, workers, descriptors] = given
        const asked = { ...configOf(connections, requests, ...services), workers }
        const found = fitted(asked, descriptors)
        expect(found.limits.connections).toBeLessThanOrEqual(connections)
        expect(found.limits.requests).toBeLessThanOrEqual(requests)
        const granted = Object.values(found.upstreams).map(upstream => upstream.connections)
        for (const [index, most] of granted.entries()) expect(most).toBeLessThanOrEqual(services[index] ?? 0)
        expect(Math.min(found.limits.connections, found.limits.requests, ...granted)).toBeGreaterThan(0)
        const room = Math.max(2 * services.length, descriptors - 128) * workers
        const taken = granted.map(most => Math.min(most, found.limits.requests)).reduce((sum, most) => sum + most)
        expect(found.limits.connections + taken).toBeLessThanOrEqual(room)
      }),
    )
  })

  test.runIf(process.platform === 'linux')('are compared with those of this process', () => {
    expect(descriptorLimit()).toBeGreaterThan(100)
  })
})

describe.runIf(process.platform === 'linux')('a process with few descriptors', () => {
  const DESCRIPTORS = 200
  const authority = testAuthority()
  const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])
  const sockets: Socket[] = []
  let gateway: GatewayOnFile
  let service: TestUpstream
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await gateway.stop()
    await service.close()
    authority.remove()
  })

  test('says what it has lowered, and answers on its admin listener whatever clients open', async () => {
    service = await startTestUpstream(() => {})
    gateway = await startGatewayOnFile(
      {
        listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } },
        upstreams: { app: service.url },
        routes: [{ id: 'all', path: '/**', access: 'public' }],
      },
      { descriptors: DESCRIPTORS },
    )
    const told = await gateway.logged({ descriptors: DESCRIPTORS })
    expect(told).toMatchObject({ wanted_connections: 10_000, wanted_requests: 4096, requests: 36 })
    expect(told).toMatchObject({ wanted_upstream_connections: { app: 1024 }, upstream_connections: { app: 36 } })

    const client = http2Client(gateway.url, authority.cert)
    const calls = Array.from({ length: 100 }, () => client.open(requestHead('GET', '/held'), 'none'))
    const refused = await Promise.all(calls.slice(36).map(({ status }) => status))
    expect(new Set(refused)).toEqual(new Set([503]))
    const port = Number(new URL(gateway.url).port)
    const closed = Array.from({ length: 2 * DESCRIPTORS }, () => {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      sockets.push(socket)
      return new Promise(resolve => socket.once('close', resolve))
    })
    await Promise.any(closed)
    expect((await gateway.admin('/livez')).status).toBe(200)
    expect((await gateway.metrics()).get('sallyport_requests_in_flight')).toBe(36)
    client.destroy()
  })
})

function configOf(connections: number, requests: number, ...services: readonly number[]) {
  const upstreams = Object.fromEntries(services.map((most, index) => [`app${index}`, { connections: most }]))
  return { limits: { connections, requests }, upstreams, workers: 1 }
}
