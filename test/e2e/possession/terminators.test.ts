/** The TLS terminators that other tests put in front of the gateway pass on certificates, and strip a prefix. */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { text } from 'node:stream/consumers'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { clientCredentialsGrant, fetchProtectedResource } from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { atEnd } from '../../support/at-end.ts'
import { type Certificate, testAuthority } from '../../support/certificates.ts'
import { boundClient } from '../../support/clients/bound-client.ts'
import { startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { type BoundIssuer, startBoundIssuer } from '../../support/services/bound-issuer.ts'
import { startTerminator, type Terminator, type TerminatorOptions } from '../../support/services/terminator.ts'
import {
  TERMINATOR_KINDS,
  type TerminatorKind,
  WITHOUT_TERMINATORS,
} from '../../support/services/terminator-programs.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import { startWebSocketService } from '../../support/services/websocket-service.ts'

const authority = testAuthority()
const server = authority.issue('server', ['DNS:localhost'])
const selfSigned = authority.selfSigned('self-signed')
const signed = authority.issue('signed', ['DNS:client.example.com'])
/** Its authority is not known to any terminator. */
const stranger = testAuthority()
const strange = stranger.issue('strange', ['DNS:client.example.com'])
afterAll(() => {
  authority.remove()
  stranger.remove()
})

/** Reads the header of each terminator back to the certificate in it. */
const CERTIFICATE_IN: Readonly<Record<TerminatorKind, (header: string) => X509Certificate>> = {
  nginx: header => new X509Certificate(decodeURIComponent(header)),
  haproxy: header => new X509Certificate(Buffer.from(/^:([A-Za-z0-9+/]+=*):$/.exec(header)?.[1] ?? '', 'base64')),
  envoy(header) {
    const [, hash, pem = ''] = /^Hash=([0-9a-f]{64});Cert="([^"]+)";Subject="CN=[a-z-]+"$/.exec(header) ?? []
    const certificate = new X509Certificate(decodeURIComponent(pem))
    expect(hash).toBe(certificate.fingerprint256.replaceAll(':', '').toLowerCase())
    return certificate
  },
}

describe.skipIf(WITHOUT_TERMINATORS).for(TERMINATOR_KINDS)('%s', kind => {
  let terminator: Terminator
  let upstream: TestUpstream
  beforeAll(async () => {
    upstream = await startTestUpstream()
    terminator = await startTerminator(kind, { server, to: upstream.url, prefix: '/shop' })
  })
  afterAll(async () => {
    await terminator.stop()
    await upstream.close()
  })

  const connection = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const defaults = { port: terminator.port, host: 'localhost', ca: authority.cert, ALPNProtocols: ['http/1.1'] }
    const socket = connect({ ...defaults, ...options })
    atEnd(() => socket.destroy())
    await once(socket, 'secureConnect')
    return socket
  }
  /** Sends a request and gives what the service saw of it, or the status of the terminator's own answer. */
  const ask = async (socket: TLSSocket, target: string, lines: readonly string[] = []) => {
    const seenBefore = upstream.seen.length
    socket.write(`${[`GET ${target} HTTP/1.1`, 'Host: localhost', ...lines].join('\r\n')}\r\n\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return upstream.seen[seenBefore] ?? answer.toString().split(' ')[1]
  }
  const headersSeen = async (client: Certificate | undefined, lines: readonly string[] = []) => {
    const seen = await ask(await connection(client), '/shop/orders', lines)
    if (typeof seen !== 'object') throw new Error(`refused: ${seen}`)
    return seen.headers
  }
  const expectCertificate = (header: unknown, { cert }: Certificate) => {
    expect(CERTIFICATE_IN[kind](String(header)).raw).toEqual(new X509Certificate(cert).raw)
  }

  test('passes on the certificate of the client, whoever signed it', async () => {
    for (const client of [selfSigned, signed, strange])
      expectCertificate((await headersSeen(client))[terminator.header], client)
  })

  test('sends no header for a client without a certificate', async () => {
    expect(await headersSeen(undefined)).not.toHaveProperty(terminator.header)
  })

  test('lets nothing of the client pass under the name of the header, in whatever case and however often', async () => {
    const { header } = terminator
    const forged = [`${header}: forged`, `${header.toUpperCase()}: forged`, `${header}:`]
    expect(await headersSeen(undefined, forged)).not.toHaveProperty(header)
    expectCertificate((await headersSeen(selfSigned, forged))[header], selfSigned)
  })

  test('lets another spelling of the header pass, but for nginx', async () => {
    const other = terminator.header.replaceAll('-', '_')
    const headers = await headersSeen(undefined, [`${other}: forged`])
    expect(headers[other]).toBe(kind === 'nginx' ? undefined : 'forged')
  })

  test('lets the headers of the other terminators pass', async () => {
    const others = ['x-client-cert', 'client-cert', 'x-forwarded-client-cert'].filter(
      name => name !== terminator.header,
    )
    const headers = await headersSeen(
      selfSigned,
      others.map(name => `${name}: forged`),
    )
    for (const name of others) expect(headers[name]).toBe('forged')
  })

  test.for(['TLSv1.2', 'TLSv1.3'] as const)('keeps the certificate of a session that is resumed, %s', async version => {
    const versions = { minVersion: version, maxVersion: version }
    const first = await connection({ ...signed, ...versions })
    let session: Buffer | undefined
    first.on('session', (ticket: Buffer) => {
      session = ticket
    })
    await ask(first, '/shop/orders')
    session ??= first.getSession()
    // The client does not show its certificate again.
    const resumed = await connection({ ...versions, ...(session === undefined ? {} : { session }) })
    expect(resumed.isSessionReused()).toBe(true)
    const seen = await ask(resumed, '/shop/orders')
    expectCertificate(typeof seen === 'object' && seen.headers[terminator.header], signed)
  })

  test('tells the certificate with each request of an HTTP/2 connection, by whatever host name', async () => {
    const session = connectHttp2(terminator.url, { ca: authority.cert, cert: signed.cert, key: signed.key })
    atEnd(() => session.destroy())
    for (const authorityName of ['localhost', 'other.example.com']) {
      const stream = session.request({ ':path': '/shop/orders', ':authority': authorityName })
      const { headers } = JSON.parse(await text(stream)) as { readonly headers: Readonly<Record<string, string>> }
      expect(headers.host).toBe(authorityName)
      expectCertificate(headers[terminator.header], signed)
    }
  })

  test('strips the prefix, lets nothing else in, and passes the query on as it is', async () => {
    const socket = await connection()
    expect(await ask(socket, '/shop/orders/7?q=%41&r=a/b')).toMatchObject({ url: '/orders/7?q=%41&r=a/b' })
    expect(await ask(socket, '/shop/')).toMatchObject({ url: '/' })
    expect(await ask(await connection(), '/orders')).toBe('404')
    expect(await ask(await connection(), '/shopping')).toBe('404')
  })

  test('passes the rest of the path on byte by byte, but for nginx, which decodes and resolves it', async () => {
    const paths = { '/a%2Fb': '/a/b', '/%7Ealice': '/~alice', '/a//b': '/a/b', '/a/./b': '/a/b', '/a/../b': '/b' }
    for (const [path, normalised] of Object.entries(paths))
      expect(await ask(await connection(), `/shop${path}`)).toMatchObject({ url: kind === 'nginx' ? normalised : path })
  })

  test('tells the scheme, and keeps the host', async () => {
    expect(await headersSeen(undefined)).toMatchObject({ 'x-forwarded-proto': 'https', host: 'localhost' })
  })

  test('passes on WebSocket handshakes, with the certificate', async () => {
    const service = await startWebSocketService()
    atEnd(service.close)
    const inFront = await startTerminator(kind, { server, to: service.url, prefix: '/shop' })
    atEnd(inFront.stop)
    const socket = new WebSocket(`${inFront.url.replace('https', 'wss')}/feed`, { ca: authority.cert, ...signed })
    atEnd(() => socket.terminate())
    await once(socket, 'open')
    socket.send('hello')
    expect(String(((await once(socket, 'message')) as [Buffer])[0])).toBe('hello')
    expect(service.seen[0]?.url).toBe('/feed')
    expectCertificate(service.seen[0]?.headers[terminator.header], signed)
  })
})

describe.skipIf(WITHOUT_TERMINATORS)('a gateway', () => {
  let issuer: BoundIssuer
  let upstream: TestUpstream
  let gateway: TestGateway
  beforeAll(async () => {
    issuer = await startBoundIssuer(authority)
    upstream = await startTestUpstream()
    gateway = await startTestGateway({
      listen: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
      providers: { main: issuer.provider },
      upstreams: { app: upstream.url },
      routes: [{ id: 'orders', path: '/orders/**', require: { scopes: ['orders:read'] } }],
    })
  })
  afterAll(async () => {
    await gateway.close()
    await Promise.all([issuer.close(), upstream.close()])
  })

  test.for(TERMINATOR_KINDS)('takes tokens of the issuer of bound tokens behind %s', async kind => {
    const terminator = await startTerminator(kind, { server, to: gateway.url, prefix: '/shop' })
    atEnd(terminator.stop)
    const client = await boundClient(issuer, 'plainMachine')
    const { access_token } = await clientCredentialsGrant(client, { scope: 'orders:read' })
    const url = new URL(`${terminator.url}/orders/7`)
    expect((await fetchProtectedResource(client, access_token, url, 'GET')).status).toBe(200)
    expect(upstream.seen.at(-1)).toMatchObject({ url: '/orders/7', headers: { 'x-auth-subject': 'plain-machine' } })
    await expect(fetchProtectedResource(client, 'wrong', url, 'GET')).rejects.toMatchObject({ status: 401 })
  })
})

describe.skipIf(WITHOUT_TERMINATORS)('X-Forwarded-Client-Cert', () => {
  /** The header that arrives for a client with this certificate and this header of its own. */
  async function header(options: Partial<TerminatorOptions>, client: Certificate | undefined, own?: string) {
    const upstream = await startTestUpstream()
    atEnd(upstream.close)
    const terminator = await startTerminator('envoy', { server, to: upstream.url, ...options })
    atEnd(terminator.stop)
    const session = connectHttp2(terminator.url, { ca: authority.cert, cert: client?.cert, key: client?.key })
    atEnd(() => session.destroy())
    await text(session.request({ ':path': '/', ...(own === undefined ? {} : { 'x-forwarded-client-cert': own }) }))
    return upstream.seen[0]?.headers['x-forwarded-client-cert']
  }
  const hashOf = ({ cert }: Certificate) => new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase()

  test('has the URI of the terminator’s own certificate first', async () => {
    const named = authority.issue('named', ['DNS:localhost', 'URI:spiffe://example.com/front'])
    const seen = await header({ server: named, envoyDetails: ['uri', 'dns'] }, signed)
    expect(seen).toBe(`By=spiffe://example.com/front;Hash=${hashOf(signed)};URI=;DNS=client.example.com`)
  })

  test('follows that of the client where it is appended, and is gone with it without a certificate', async () => {
    const options = { envoyForwarding: 'APPEND_FORWARD', envoyDetails: [] } as const
    expect(await header(options, signed, 'Hash=forged')).toBe(`Hash=forged,Hash=${hashOf(signed)}`)
    expect(await header(options, undefined, 'Hash=forged')).toBe(undefined)
  })

  test('quotes a subject and escapes it as RFC 2253 does, with a backslash before any character', async () => {
    const odd = authority.issue('le"af, x;y=z\\\\', ['DNS:client.example.com'])
    const seen = await header({ envoyDetails: ['subject'] }, odd)
    expect(seen).toBe(`Hash=${hashOf(odd)};Subject="CN=le\\"af\\, x\\;y=z\\\\"`)
  })

  test('has alternative names as they are: in a certificate of its own making, a client forges elements', async () => {
    const victim = hashOf(signed)
    for (const [type, before] of [
      ['URI', 'URI='],
      ['DNS', 'URI=;DNS='],
    ] as const) {
      const forger = authority.selfSigned('forger', [`${type}:a,Hash=${victim}`])
      const seen = await header({ envoyDetails: ['uri', 'dns'] }, forger)
      expect(seen).toBe(`Hash=${hashOf(forger)};${before}a,Hash=${victim}`)
    }
  })
})

test.skipIf(WITHOUT_TERMINATORS)('nginx keeps every byte of the path when it is told to', async () => {
  const upstream = await startTestUpstream()
  atEnd(upstream.close)
  const terminator = await startTerminator('nginx', { server, to: upstream.url, prefix: '/shop', nginxPath: 'exact' })
  atEnd(terminator.stop)
  const session = connectHttp2(terminator.url, { ca: authority.cert })
  atEnd(() => session.destroy())
  for (const path of ['/a%2Fb/%7Ealice?q=%41', '/a//b', '/a/./b', '/a/../b', '/']) {
    await text(session.request({ ':path': `/shop${path}` }))
    expect(upstream.seen.at(-1)?.url).toBe(path)
  }
})
