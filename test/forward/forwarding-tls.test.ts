/** Requests are forwarded over TLS and Unix sockets, on either side, and certificates are always verified. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { type Certificate, type TestAuthority, testAuthority } from '../support/certificates.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { echo } from '../support/services/upstream.ts'

let authority: TestAuthority
let stranger: TestAuthority
let service: Certificate
let client: Certificate
let folder: string
beforeAll(() => {
  authority = testAuthority()
  stranger = testAuthority()
  service = authority.issue('service', ['DNS:service.internal', 'DNS:localhost', 'IP:127.0.0.1'])
  client = authority.issue('client', ['DNS:client'])
  folder = mkdtempSync(join(tmpdir(), 'sallyport-sockets-'))
})
afterAll(() => {
  authority.remove()
  stranger.remove()
  rmSync(folder, { recursive: true, force: true })
})

function stop(server: Server & { closeAllConnections(): void }): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function httpsService(
  options: ServerOptions,
): Promise<{ port: number; requests: string[]; connections(): number }> {
  const requests: string[] = []
  let connections = 0
  const server = createServer(options, (incoming, response) => {
    const { servername } = incoming.socket as TLSSocket & { servername?: string | false }
    requests.push(String(servername))
    echo(incoming, response)
  })
  server.on('secureConnection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(() => stop(server))
  return { port: (server.address() as AddressInfo).port, requests, connections: () => connections }
}

async function gatewayTo(upstream: unknown, more: Record<string, unknown> = {}): Promise<TestGateway> {
  const gateway = await startTestGateway({
    upstreams: { app: upstream },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
    ...more,
  })
  atEnd(() => gateway.close())
  return gateway
}

describe('an https upstream', () => {
  test('with a certificate that nobody vouches for is refused, and sees no request', async () => {
    const { port, requests } = await httpsService(service)
    const gateway = await gatewayTo(`https://localhost:${port}`)
    expect((await gateway.request('/a')).status).toBe(502)
    expect(await gateway.logged({ path: '/a' })).toMatchObject({
      code: 'upstream_unreachable',
      evidence: { reason: expect.stringMatching(/VERIFY|SELF_SIGNED|ISSUER/) },
    })
    expect(requests).toEqual([])
  })

  test('is trusted with the authority of caFile, and only then', async () => {
    const { port } = await httpsService(service)
    const trusted = await gatewayTo({ url: `https://localhost:${port}`, tls: { caFile: authority.certFile } })
    const reply = await trusted.request('/a')
    expect(reply.status).toBe(200)
    expect(reply.json()).toMatchObject({ url: '/a' })
    const other = await gatewayTo({ url: `https://localhost:${port}`, tls: { caFile: stranger.certFile } })
    expect((await other.request('/a')).status).toBe(502)
  })

  test('an address instead of a name is verified, too', async () => {
    const { port } = await httpsService(service)
    const gateway = await gatewayTo({ url: `https://127.0.0.1:${port}`, tls: { caFile: authority.certFile } })
    expect((await gateway.request('/a')).status).toBe(200)
  })

  test('whose certificate names another is refused', async () => {
    const { port, requests } = await httpsService(authority.issue('other', ['DNS:other.internal']))
    const gateway = await gatewayTo({ url: `https://localhost:${port}`, tls: { caFile: authority.certFile } })
    expect((await gateway.request('/a')).status).toBe(502)
    expect(await gateway.logged({ path: '/a' })).toMatchObject({
      evidence: { reason: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    })
    expect(requests).toEqual([])
  })

  test('is asked for, and verified as, serverName, whatever the client’s Host says', async () => {
    const { port, requests } = await httpsService(authority.issue('named', ['DNS:service.internal']))
    const url = `https://127.0.0.1:${port}`
    const gateway = await gatewayTo({ url, tls: { caFile: authority.certFile, serverName: 'service.internal' } })
    for (const host of ['a.example', 'other.internal', 'localhost']) {
      const text = await gateway.raw(`GET /a HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      expect(text).toMatch(/^HTTP\/1\.1 200 /)
    }
    expect(new Set(requests)).toEqual(new Set(['service.internal']))
    const wrong = await gatewayTo({ url, tls: { caFile: authority.certFile, serverName: 'wrong.internal' } })
    expect((await wrong.request('/a')).status).toBe(502)
  })

  test('the client’s Host decides neither the name nor whether the certificate fits', async () => {
    const { port, requests, connections } = await httpsService(service)
    const gateway = await gatewayTo({ url: `https://localhost:${port}`, tls: { caFile: authority.certFile } })
    for (const host of ['evil.example', 'service.internal', 'localhost'])
      expect(await gateway.raw(`GET /a HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 200 /,
      )
    expect(new Set(requests)).toEqual(new Set(['localhost']))
    // Nor is a connection closed because the next request names another host.
    expect(connections()).toBe(1)
  })

  test('that demands a client certificate gets ours', async () => {
    const { port } = await httpsService({ ...service, ca: authority.cert, requestCert: true, rejectUnauthorized: true })
    const url = `https://localhost:${port}`
    const { certFile, keyFile } = client
    const gateway = await gatewayTo({ url, tls: { caFile: authority.certFile, certFile, keyFile } })
    expect((await gateway.request('/a')).status).toBe(200)
    const without = await gatewayTo({ url, tls: { caFile: authority.certFile } })
    expect((await without.request('/a')).status).toBe(502)
  })
})

test('an upstream on a Unix socket', async () => {
  const path = join(folder, 'service.sock')
  const server = createHttpServer(echo).listen(path)
  await once(server, 'listening')
  atEnd(() => stop(server))
  const gateway = await gatewayTo(`unix:${path}`)
  const reply = await gateway.request('/a?b=c', { method: 'POST', body: 'hello' })
  expect(reply.status).toBe(200)
  expect(reply.json()).toMatchObject({ url: '/a?b=c', bodyBytes: 5, headers: { host: new URL(gateway.url).host } })
  const nobody = await gatewayTo(`unix:${join(folder, 'nobody.sock')}`)
  expect((await nobody.request('/a')).status).toBe(502)
})

describe('listening', () => {
  async function plainService(): Promise<string> {
    const server = createHttpServer(echo).listen(0, '127.0.0.1')
    await once(server, 'listening')
    atEnd(() => stop(server))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  test('on a Unix socket, where callers have no address', async () => {
    const path = join(folder, 'gateway.sock')
    const gateway = await gatewayTo(await plainService(), { listen: `unix:${path}` })
    expect(gateway.url).toBe(`unix:${path}`)
    const caller = rawClient(path)
    caller.write('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n')
    const { text } = await caller.closed
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(text).not.toContain('6.6.6.6')
  })

  test('with TLS, and tells the service that it was https', async () => {
    const { certFile, keyFile } = service
    const gateway = await gatewayTo(await plainService(), {
      listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } },
    })
    expect(gateway.url).toMatch(/^https:/)
    const dispatcher = new Agent({ connect: { ca: authority.cert } })
    atEnd(() => dispatcher.destroy())
    const { statusCode, body } = await request(`${gateway.url}/a`, { dispatcher })
    expect(statusCode).toBe(200)
    expect(await body.json()).toMatchObject({ headers: { 'x-forwarded-proto': 'https' } })
    // Bytes that are no TLS do no harm.
    const plain = rawClient(Number(new URL(gateway.url).port))
    plain.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await plain.closed).text).not.toMatch(/HTTP\/1\.1 200/)
    expect((await gateway.admin('/livez')).status).toBe(200)
  })

  test('with clientCaFile, only to clients with a certificate of that authority', async () => {
    const { certFile, keyFile } = service
    const gateway = await gatewayTo(await plainService(), {
      listen: { address: '127.0.0.1:0', tls: { certFile, keyFile, clientCaFile: authority.certFile } },
    })
    const port = Number(new URL(gateway.url).port)
    const ask = (credentials: object) => {
      const socket = connect({ host: '127.0.0.1', port, ca: authority.cert, ...credentials })
      const caller = rawClient(socket)
      caller.write('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      return caller.closed
    }
    expect((await ask({ cert: client.cert, key: client.key })).text).toMatch(/^HTTP\/1\.1 200 /)
    expect((await ask({})).text).toBe('')
    const foreign = stranger.issue('client', ['DNS:client'])
    expect((await ask({ cert: foreign.cert, key: foreign.key })).text).toBe('')
  })
})
