/**
 * A client that takes nothing of an answer loses that stream; one that takes a piece now and then
 * does not, however alike the pieces are.
 */
import { once } from 'node:events'
import { createSecureServer, createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { Http2Response } from '../../src/downstream/http2-response.ts'
import { stalledPeers } from '../../src/downstream/stalled-peers.ts'
import { testAuthority } from '../support/certificates.ts'
import { headers, http2Frames, requestFields, TYPES, windowUpdate } from '../support/clients/http2-frame-client.ts'
import { manualTime } from '../support/manual-time.ts'

const CHUNK = Buffer.alloc(64 * 1024, 'x')
const LIMIT_MS = 60_000

test.each(['TLS', 'no TLS'])(
  'over %s a stream is reset when nothing of it was taken for the whole time, and not before',
  async name => {
    const authority = testAuthority()
    const isSecure = name === 'TLS'
    const server = isSecure ? createSecureServer(authority.issue('gateway', ['DNS:localhost'])) : createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const time = manualTime()
    const watch = stalledPeers({ clock: time, scheduler: time, limitMs: () => LIMIT_MS })
    server.on('stream', (stream: ServerHttp2Stream) => {
      const response = new Http2Response(stream)
      watch.watch(stream)
      response.sendHead(200, [])
      const more = (): void => {
        while (response.write(CHUNK));
      }
      response.on('drain', more)
      more()
    })
    const port = (server.address() as AddressInfo).port
    const client = await http2Frames(`http://localhost:${port}`, isSecure ? authority.cert : undefined)
    client.write(headers(1, requestFields('GET', '/')))
    const taken = (): number =>
      client.received.filter(({ type }) => type === TYPES.data).reduce((sum, { payload }) => sum + payload.length, 0)
    await client.until(() => taken() === 65_535)
    for (let pieces = 1; pieces <= 20; pieces++) {
      await time.advance(LIMIT_MS / 2)
      client.write(windowUpdate(1, CHUNK.length), windowUpdate(0, CHUNK.length))
      await client.until(() => taken() === 65_535 + pieces * CHUNK.length)
    }
    expect(client.received.map(({ type }) => type)).not.toContain(TYPES.reset)
    await time.advance(LIMIT_MS + 2_000)
    expect(await client.ended(1)).toMatchObject({ status: 200, how: 'reset' })
    client.socket.destroy()
    server.close()
    authority.remove()
  },
)
