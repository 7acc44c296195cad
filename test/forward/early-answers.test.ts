/** An answer that comes before the upload is over reaches the client, whatever becomes of the rest (RFC 9112 §9.5). */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RawClient } from '../support/clients/raw-client.ts'
import { get, PROTOCOLS, request, type Stack } from '../support/raw.ts'
import { type RawUpstream, startRawUpstream } from '../support/services/raw-upstream.ts'

const MiB = 1024 * 1024
const TOO_LARGE = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig'

/** What the service does about the upload once it has answered. */
const ENDS: Readonly<Record<string, (service: RawClient) => void>> = {
  'resets the connection': ({ socket }) => setImmediate(() => socket.destroy()),
  'closes its side': ({ socket }) => void socket.end(),
  'reads no more': () => {},
  'reads it all': ({ socket }) => void socket.resume(),
}

describe.each(PROTOCOLS)('over $name', ({ name, startStack }) => {
  let service: RawUpstream
  let stack: Stack
  let end: (service: RawClient) => void
  beforeAll(async () => {
    service = await startRawUpstream(connection => {
      connection.socket.once('data', (head: string) => {
        if (head.startsWith('GET')) {
          connection.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok')
          return
        }
        connection.socket.pause()
        connection.write(TOO_LARGE)
        end(connection)
      })
    })
    stack = await startStack(() => ({
      upstreams: { app: service.url },
      routes: [{ id: 'public', path: '/public/**', access: 'public' }],
      limits: { bodyBytes: '64MiB' },
    }))
  })
  beforeEach(() => {
    end = () => {}
  })
  afterAll(async () => {
    await stack.close()
    await service.close()
  })

  const body = 'x'.repeat(8 * MiB)
  const announced = request('POST /public/x HTTP/1.1', [`Content-Length: ${body.length}`], body)
  const unannounced = name.startsWith('HTTP/2')
    ? request('POST /public/x HTTP/1.1', [], body)
    : request('POST /public/x HTTP/1.1', ['Transfer-Encoding: chunked'], `800000\r\n${body}\r\n0\r\n\r\n`)

  test.for(Object.keys(ENDS))('a service that then %s', async how => {
    end = ENDS[how] ?? end
    for (const bytes of [announced, unannounced]) {
      const reply = await stack.exchange(bytes)
      expect(reply).toMatchObject({ status: 413, body: 'big', complete: true })
      expect((await stack.exchange(get('/public/after')))?.body).toBe('ok')
    }
  })
})
