/** Without TLS the first bytes of a connection say which version of HTTP it speaks, however they arrive. */
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { testAuthority } from '../support/certificates.ts'
import { CODES, headers, requestFields, settings, uint32 } from '../support/clients/http2-frame-client.ts'
import { type RawClient, rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const OPENING = Buffer.concat([
  Buffer.from(PREFACE),
  settings({}),
  headers(1, requestFields('GET', '/over-http2')),
]).toString('latin1')
const GET = 'GET /over-http1 HTTP/1.1\r\nHost: a\r\n\r\n'
const routes = [{ id: 'all', path: '/**', access: 'public' }]
const authority = testAuthority()
const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])

let service: TestUpstream
let gateway: TestGateway
let encrypted: TestGateway
beforeAll(async () => {
  service = await startTestUpstream((request, response) => response.end(`answered ${request.url}`))
  const plain = { upstreams: { app: service.url }, routes, limits: { headersTimeout: '1s' } }
  gateway = await startTestGateway(plain)
  encrypted = await startTestGateway({ ...plain, listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } } })
})
afterAll(async () => {
  await Promise.all([gateway.close(), encrypted.close()])
  await service.close()
  authority.remove()
})

/** The gateway's end of each connection, by the port of the client. */
const accepted = new Map<number | undefined, Socket>()
const accept = (message: unknown): void => {
  const { socket } = message as { readonly socket: Socket }
  accepted.set(socket.remotePort, socket)
}
diagnostics.subscribe('net.server.socket', accept)
afterAll(() => diagnostics.unsubscribe('net.server.socket', accept))

async function connected({ url } = gateway): Promise<RawClient> {
  const client = rawClient(Number(new URL(url).port))
  client.socket.setNoDelay(true)
  atEnd(() => client.socket.destroy())
  await once(client.socket, 'connect')
  return client
}

/** Writes the parts one by one, each when the gateway has read those before. */
async function drip(client: RawClient, parts: Iterable<string>): Promise<void> {
  let written = 0
  for (const part of parts) {
    client.write(Buffer.from(part, 'latin1'))
    written += part.length
    while ((accepted.get(client.socket.localPort)?.bytesRead ?? 0) < written) await turn()
  }
}

describe('a connection that begins with the preface of HTTP/2 speaks HTTP/2', () => {
  test.for([
    ['in one read', [OPENING]],
    ['byte by byte', [...OPENING]],
    ['the preface byte by byte', [...PREFACE, OPENING.slice(PREFACE.length)]],
    ['the preface by itself', [PREFACE, OPENING.slice(PREFACE.length)]],
    ['in two parts, the second of which goes on', [OPENING.slice(0, 20), OPENING.slice(20)]],
  ] as const)('%s', async ([, parts]) => {
    const client = await connected()
    await drip(client, parts)
    expect(await client.until(/answered/)).toMatch(/answered \/over-http2/)
    expect(client.received()).not.toContain('HTTP/1.1')
  })

  test('and is closed when its client closes it', async () => {
    const client = await connected()
    await drip(client, [OPENING])
    await client.until(/answered/)
    const socket = accepted.get(client.socket.localPort)
    client.socket.end()
    if (socket?.closed === false) await once(socket, 'close')
    await client.closed
  })

  test('also when a request of HTTP/1.1 follows the preface, which ends it', async () => {
    const before = service.seen.length
    const client = await connected()
    client.write(PREFACE + GET)
    const { text } = await client.closed
    const goaway = Buffer.concat([uint32(0), uint32(CODES.protocolError)])
    expect(text).toContain(goaway.toString('latin1'))
    expect(text).not.toContain('HTTP/1.1')
    expect(service.seen).toHaveLength(before)
  })
})

describe('a connection that begins otherwise speaks HTTP/1.1', () => {
  test.for([
    ['in one read', [GET]],
    ['byte by byte', [...GET]],
  ] as const)('%s', async ([, parts]) => {
    const client = await connected()
    await drip(client, parts)
    expect(await client.until(/answered/)).toMatch(/^HTTP\/1\.1 200 [\s\S]*answered \/over-http1/)
  })

  test.for(['P', 'PR'])('also when it begins with %j, and goes on with the rest of another method', async beginning => {
    const client = await connected()
    const request = GET.replace('GET', 'PROPFIND')
    await drip(client, [beginning, request.slice(beginning.length)])
    expect(await client.until(/answered/)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test.for([
    ['with another target', 'PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['with another version', 'PRI * HTTP/1.0\r\n\r\nSM\r\n\r\n'],
    ['of HTTP/1.1', 'PRI * HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['with a field', 'PRI * HTTP/2.0\r\nHost: a\r\n\r\nSM\r\n\r\n'],
    ['with another end', 'PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n'],
    ['in lower case', PREFACE.toLowerCase()],
    ['behind an empty line', `\r\n${PREFACE}`],
    ['with bare line feeds', PREFACE.replaceAll('\r', '')],
  ])('so a preface %s is a 400', async ([, bytes]) => {
    const before = service.seen.length
    const client = await connected()
    client.write(bytes + OPENING.slice(PREFACE.length))
    expect((await client.closed).text).toMatch(/^HTTP\/1\.1 400 [\s\S]*request_malformed/)
    expect(service.seen).toHaveLength(before)
  })

  test('and never switches: a preface behind a request is a 400', async () => {
    const client = await connected()
    client.write(GET)
    await client.until(/answered/)
    client.write(OPENING)
    const { text } = await client.closed
    expect(text).toMatch(/answered \/over-http1HTTP\/1\.1 400 [\s\S]*request_malformed/)
    expect(text).not.toContain('over-http2')
  })

  test('and never switches in the same read either', async () => {
    const client = await connected()
    client.write(GET + OPENING)
    const { text } = await client.closed
    expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*answered \/over-http1$/)
  })
})

test('over TLS, where HTTP/1.1 was agreed on, the preface is a 400', async () => {
  const port = Number(new URL(encrypted.url).port)
  const options = { ca: authority.cert, servername: 'localhost', ALPNProtocols: ['http/1.1'] }
  const socket = connectTls({ socket: connectTcp(port, '127.0.0.1'), ...options })
  const client = rawClient(socket)
  client.write(Buffer.from(OPENING, 'latin1'))
  expect((await client.closed).text).toMatch(/^HTTP\/1\.1 400 [\s\S]*request_malformed/)
})

test('a connection without a whole preface ends with limits.headersTimeout', async () => {
  const answers = ['', 'PR', PREFACE.slice(0, -1)].map(async beginning => {
    const client = await connected()
    client.write(beginning)
    return (await client.closed).text
  })
  for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*request_timeout/)
})

test('limits.connections counts all of them alike', async () => {
  const kinds = ['', 'PR', GET, OPENING]
  const limited = await startTestGateway({ upstreams: { app: service.url }, routes, limits: { connections: 4 } })
  atEnd(limited.close)
  const clients: RawClient[] = []
  for (const bytes of kinds) {
    const client = await connected(limited)
    clients.push(client)
    await drip(client, [bytes])
  }
  const fifth = await connected(limited)
  expect((await fifth.closed).text).toBe('')
  expect(await clients[2]?.until(/answered/)).toContain('over-http1')
  expect(await clients[3]?.until(/answered/)).toContain('over-http2')
})

test('a stop ends connections that say nothing, and those that have spoken HTTP/2', async () => {
  const stopping = await startTestGateway({ upstreams: { app: service.url }, routes })
  atEnd(stopping.close)
  const [silent, idle] = [await connected(stopping), await connected(stopping)]
  await drip(idle, [OPENING])
  await idle.until(/answered/)
  await stopping.running.drain()
  expect((await silent.closed).text).toBe('')
  await idle.closed
  expect(stopping.logs.map(({ msg }) => msg)).toContain('drained')
})

test('a Unix socket speaks both, too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-unix-'))
  atEnd(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'gateway.sock')
  const local = await startTestGateway({ listen: `unix:${path}`, upstreams: { app: service.url }, routes })
  atEnd(local.close)
  for (const [bytes, answer] of [
    [OPENING, 'answered /over-http2'],
    [GET, 'answered /over-http1'],
  ] as const) {
    const client = rawClient(path)
    atEnd(() => client.socket.destroy())
    client.write(Buffer.from(bytes, 'latin1'))
    expect(await client.until(/answered/)).toContain(answer)
  }
})

test.for(['http', 'https'])('a client without TLS that calls its scheme %s says nothing by that', async scheme => {
  const client = await connected()
  const fields = requestFields('GET', '/scheme').map(field =>
    field[0] === ':scheme' ? ([':scheme', scheme] as const) : field,
  )
  client.write(Buffer.concat([Buffer.from(PREFACE), settings({}), headers(1, fields)]))
  await client.until(/answered/)
  expect(service.seen.at(-1)?.headers).toMatchObject({ 'x-forwarded-proto': 'http' })
})
