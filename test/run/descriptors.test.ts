/** Limits fit the file descriptors that the process may have, and the admin listener always has some left. */
import { connect, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { descriptorLimit, fittedLimits } from '../../src/run/descriptors.ts'
import { testAuthority } from '../support/certificates.ts'
import { http2Client, requestHead } from '../support/clients/http2-client.ts'
import { type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

describe('limits', () => {
  const DEFAULTS = { connections: 10_000, requests: 4096 }

  test('that fit stay as they are, and so do those of a system that does not tell', () => {
    expect(fittedLimits(DEFAULTS, 1, 14_096 + 128)).toBe(DEFAULTS)
    expect(fittedLimits(DEFAULTS, 1, undefined)).toBe(DEFAULTS)
    expect(fittedLimits(DEFAULTS, 4, 4096)).toBe(DEFAULTS)
  })

  test('that do not fit are lowered: requests need no more than half', () => {
    expect(fittedLimits(DEFAULTS, 1, 1024)).toEqual({ connections: 448, requests: 448 })
    expect(fittedLimits(DEFAULTS, 1, 10_128)).toEqual({ connections: 5904, requests: 4096 })
    expect(fittedLimits({ connections: 100, requests: 4096 }, 1, 1128)).toEqual({ connections: 100, requests: 900 })
  })

  test('are never higher than what was asked for, nor than what there is, nor nothing', () => {
    const any = fc.integer({ min: 1, max: 1_000_000 })
    fc.assert(
      fc.property(any, any, fc.integer({ min: 1, max: 64 }), any, (connections, requests, workers, descriptors) => {
        const fitted = fittedLimits({ connections, requests }, workers, descriptors)
        expect(fitted.connections).toBeLessThanOrEqual(connections)
        expect(fitted.requests).toBeLessThanOrEqual(requests)
        expect(Math.min(fitted.connections, fitted.requests)).toBeGreaterThan(0)
        const room = Math.max(2, descriptors - 128) * workers
        expect(fitted.connections + fitted.requests).toBeLessThanOrEqual(room)
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
    await gateway.logged({ descriptors: DESCRIPTORS, wanted_connections: 10_000, wanted_requests: 4096, requests: 36 })

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
