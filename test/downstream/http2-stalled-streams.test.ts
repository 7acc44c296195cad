/**
 * A client that takes nothing of an answer loses that stream; one that takes a piece now and then
 * does not, however alike the pieces are.
 */
import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { Http2Response } from '../../src/downstream/http2-response.ts'
import { stalledPeers } from '../../src/downstream/stalled-peers.ts'
import { testAuthority } from '../support/certificates.ts'
import { headers, http2Frames, requestFields, TYPES, windowUpdate } from '../support/clients/http2-frame-client.ts'
import { manualTime } from '../support/manual-time.ts'

const CHUNK = Buffer.alloc(64 * 1024, 'x')
const LIMIT_MS = 60_000

test('a stream is reset when nothing of it was taken for the whole time, and not before', async () => {
  const authority = testAuthority()
  const server = createSecureServer(authority.issue('gateway', ['DNS:localhost']))
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
  const client = await http2Frames(`https://localhost:${port}`, authority.cert)
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
})
