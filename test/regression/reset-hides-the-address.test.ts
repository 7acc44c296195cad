/**
 * Whoever resets his connection is nobody else by that.
 *
 * Found in a review: the address of a connection is gone when its client has reset it, and a peer without an address
 * counted as one on a Unix socket. With `unix:` among the trusted proxies, the headers of such a request were believed:
 * it could name the certificate of a victim, and any address as that of the client. Without it, the service was told no
 * address at all.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { startTestStack } from '../support/gateway/gateway.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'

const VICTIM = 'b'.repeat(64)
const BOUND = { cnf: { 'x5t#S256': Buffer.from(VICTIM, 'hex').toString('base64url') } }
const FORGED = ['X-Forwarded-Client-Cert', `Hash=${VICTIM}`, 'X-Forwarded-For', '9.9.9.9', 'X-Real-IP', '9.9.9.9']
const CONNECTIONS = 200

const clientCertificate = { from: 'header', header: 'X-Forwarded-Client-Cert' }

test.each([[['unix:']], [['unix:', '10.0.0.0/8']]])(
  'a client of a port who resets his connection is no peer on a Unix socket: %j',
  async trustedProxies => {
    const stack = await startTestStack({ listen: { address: '127.0.0.1:0', trustedProxies }, clientCertificate })
    atEnd(stack.close)
    const port = Number(new URL(stack.url).port)
    const [bound, plain] = [await stack.issuer.mint(BOUND), await stack.issuer.mint()]
    const request = (path: string, token: string) => {
      const lines = ['Host: a', `Authorization: Bearer ${token}`, 'Content-Length: 0']
      for (let i = 0; i < FORGED.length; i += 2) lines.push(`${FORGED[i]}: ${FORGED[i + 1]}`)
      return `POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
    }
    for (let i = 0; i < CONNECTIONS; i += 1) {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      await once(socket, 'connect')
      socket.write(request('/private/bound', bound) + request('/private/plain', plain))
      socket.resetAndDestroy()
    }
    // What came before is over when this is answered, since all of it came over the same listener.
    expect((await stack.request('/public/last')).status).toBe(200)
    while ((await stack.metrics()).get('sallyport_requests_in_flight') !== 0);
    for (const { url, headers } of stack.upstream.seen) {
      expect(url).not.toBe('/private/bound')
      expect(headers['x-forwarded-for']).toBe('127.0.0.1')
      expect(headers['x-real-ip']).toBe('127.0.0.1')
    }
  },
)

test.each(http2TransportsOfFile())('nor is a client over HTTP/2 with $name', async ({ listen, ca }) => {
  const stack = await startTestStack({ listen: { ...listen, trustedProxies: ['unix:'] }, clientCertificate })
  atEnd(stack.close)
  const token = await stack.issuer.mint(BOUND)
  for (let i = 0; i < CONNECTIONS / 4; i += 1) {
    const below = connect(Number(new URL(stack.url).port), '127.0.0.1').on('error', () => {})
    const options = { socket: below, servername: 'localhost', ca, ALPNProtocols: ['h2'] }
    const socket = ca === undefined ? below : connectTls(options)
    await once(socket, ca === undefined ? 'connect' : 'secureConnect')
    const session = connectHttp2(stack.url, { createConnection: () => socket }).on('error', () => {})
    const head = { ':method': 'POST', ':path': '/private/bound', authorization: `Bearer ${token}` }
    const stream = session.request({ ...head, 'x-forwarded-client-cert': `Hash=${VICTIM}` }).on('error', () => {})
    stream.end()
    await new Promise(resolve => setImmediate(resolve))
    below.resetAndDestroy()
  }
  while ((await stack.metrics()).get('sallyport_requests_in_flight') !== 0);
  expect(stack.upstream.seen.map(({ url }) => url)).not.toContain('/private/bound')
})

test('a peer on a Unix socket is still one, also while the gateway stops', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-unix-'))
  atEnd(async () => rmSync(folder, { recursive: true }))
  const path = join(folder, 'gateway.sock')
  const stack = await startTestStack({
    listen: { address: `unix:${path}`, trustedProxies: ['unix:'] },
    clientCertificate,
  })
  atEnd(stack.close)
  const token = await stack.issuer.mint(BOUND)
  const socket = connect(path)
  const ask = async (): Promise<string> => {
    const lines = ['Host: a', `Authorization: Bearer ${token}`, `X-Forwarded-Client-Cert: Hash=${VICTIM}`]
    socket.write(`GET /private/x HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    return String((await once(socket, 'data'))[0])
  }
  expect(await ask()).toMatch(/^HTTP\/1.1 200 /)
  const drained = stack.running.drain()
  expect(await ask()).toMatch(/^HTTP\/1.1 200 /)
  socket.destroy()
  await drained
})
