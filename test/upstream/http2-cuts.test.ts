/**
 * An answer that a service cuts short over HTTP/2 never reaches a client as a whole one, however it was cut.
 *
 * RFC 9113 §8.1: only END_STREAM says that a message is complete. RFC 9112 §8: over HTTP/1.1 the client must see a
 * broken chunked body or a missing length, and its connection closed.
 */
import { once } from 'node:events'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testAuthority } from '../support/certificates.ts'
import { type Http2Client, http2Client, requestHead } from '../support/clients/http2-client.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import {
  END_STREAM,
  type FrameConnection,
  type FrameService,
  startFrameService,
} from '../support/services/http2-frame-service.ts'

type Answer = (connection: FrameConnection, streamId: number) => void

const authority = testAuthority()
let service: FrameService
let gateway: TestGateway
let client: Http2Client
let answer: Answer
beforeAll(async () => {
  const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1'])
  service = await startFrameService({ onRequest: (connection, streamId) => answer(connection, streamId) })
  gateway = await startTestGateway({
    listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } },
    upstreams: { app: service.url },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
  client = http2Client(gateway.url, authority.cert)
})
afterAll(async () => {
  client.destroy()
  await gateway.close()
  await service.close()
  authority.remove()
})

/** @returns all that a client of HTTP/1.1 gets until its connection closes */
async function overHttp1(bytes = 'GET /http1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'): Promise<string> {
  const socket = connect({ port: Number(new URL(gateway.url).port), host: '127.0.0.1', ca: authority.cert })
  await once(socket, 'secureConnect')
  const raw = rawClient(socket)
  raw.write(bytes)
  return (await raw.closed).text
}

const OK = [':status', '200']
const SIZED = [':status', '200', 'content-length', '99']
const RESETS = [
  ['NO_ERROR', 0],
  ['PROTOCOL_ERROR', 1],
  ['INTERNAL_ERROR', 2],
  ['STREAM_CLOSED', 5],
  ['REFUSED_STREAM', 7],
  ['CANCEL', 8],
  ['an unknown code', 4711],
] as const

const CUTS: ReadonlyArray<[string, (connection: FrameConnection, streamId: number) => void]> = [
  ...RESETS.map(([name, code]): [string, Answer] => [
    `a reset with ${name}`,
    (connection, streamId) => connection.reset(streamId, code),
  ]),
  ['a socket that ends', ({ socket }) => socket.end()],
  ['a socket that is reset', ({ socket }) => socket.resetAndDestroy()],
  [
    'GOAWAY with INTERNAL_ERROR, and the end of the socket',
    (connection, streamId) => {
      connection.goAway(streamId, 2)
      connection.socket.end()
    },
  ],
  [
    'GOAWAY without error, and the end of the socket',
    (connection, streamId) => {
      connection.goAway(streamId, 0)
      connection.socket.end()
    },
  ],
]

describe.each(CUTS)('an answer cut by %s', (_name, cut) => {
  describe.each([
    ['of unknown length', OK],
    ['of known length', SIZED],
  ])('%s', (_length, head) => {
    const cases: ReadonlyArray<[string, Answer]> = [
      [
        'after a part of the body',
        (connection, id) => {
          connection.head(id, head)
          connection.data(id, 'part')
          cut(connection, id)
        },
      ],
      [
        'after the head',
        (connection, id) => {
          connection.head(id, head)
          cut(connection, id)
        },
      ],
      [
        'later than a part of the body',
        (connection, id) => {
          connection.head(id, head)
          connection.data(id, 'part')
          setImmediate(() => setImmediate(() => cut(connection, id)))
        },
      ],
    ]
    test.each(cases)('%s is cut for a client of HTTP/2', async (_when, how) => {
      answer = how
      const reply = await client.request('/http2')
      // The bytes that a socket had not sent when it was reset never come.
      if (reply.status === 502) return
      expect(reply.errorCode).not.toBe(0)
      expect(reply.complete).toBe(false)
    })

    test.each(cases)('%s is cut for a client of HTTP/1.1', async (_when, how) => {
      answer = how
      const text = await overHttp1()
      if (text.startsWith('HTTP/1.1 502 ')) return
      expect(text).not.toMatch(/\r\n0\r\n\r\n$/)
      expect(text).toMatch(/^(HTTP\/1\.1 200 [\s\S]*\r\n(transfer-encoding: chunked|content-length: 99)\r\n|$)/i)
    })
  })
})

describe('an answer that is whole', () => {
  const whole: Answer = (connection, id) => {
    connection.head(id, OK)
    connection.data(id, 'part')
    connection.data(id, '', END_STREAM)
  }
  const AFTERWARDS: ReadonlyArray<[string, Answer]> = [
    ['nothing', () => {}],
    ...RESETS.map(([name, code]): [string, Answer] => [`a reset with ${name}`, ({ reset }, id) => reset(id, code)]),
    ['the end of the socket', ({ socket }) => socket.end()],
  ]

  test.each(AFTERWARDS)('stays so when %s follows it, though the upload goes on', async (_name, then) => {
    answer = (connection, id) => {
      whole(connection, id)
      then(connection, id)
    }
    const call = client.open(requestHead('POST', '/whole'), 'follows')
    const end = once(call.stream, 'end')
    call.stream.write('half')
    await end
    call.stream.close()
    expect(await call.ended).toMatchObject({ status: 200, body: 'part', complete: true })
    expect(await gateway.logged({ path: '/whole', code: 'ok' })).not.toHaveProperty('aborted')
  })

  test.each(AFTERWARDS)('stays so over HTTP/1.1 when %s follows it', async (_name, then) => {
    answer = (connection, id) => {
      whole(connection, id)
      then(connection, id)
    }
    const text = await overHttp1(
      'POST /whole HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\nGET /nowhere/../ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    )
    expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n(0\r\n\r\n|part)HTTP\/1\.1 400 /)
  })
})

test('an answer shorter or longer than its length is cut', async () => {
  for (const text of ['short', 'x'.repeat(100)]) {
    answer = (connection, id) => {
      connection.head(id, SIZED)
      connection.data(id, text, END_STREAM)
    }
    expect((await client.request('/http2')).complete).toBe(false)
    expect(await overHttp1()).toMatch(
      /^HTTP\/1\.1 200 [\s\S]*\r\ncontent-length: 99\r\n[\s\S]*\r\n\r\nx{0,98}(short)?$/i,
    )
  }
})

test.each(['000', '042', '099', '600', '999'])('an answer of status %s is none', async status => {
  answer = (connection, id) => {
    connection.head(id, [':status', status])
    connection.data(id, 'part')
    connection.data(id, 'rest', END_STREAM)
  }
  expect(await client.request('/odd')).toMatchObject({ status: 502, complete: true })
  expect(await overHttp1()).toMatch(/^HTTP\/1\.1 502 /)
})
