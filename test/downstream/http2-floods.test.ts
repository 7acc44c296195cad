/** Floods of frames that cost the sender nothing: each ends its own connection at most, and the gateway serves on. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  block,
  CODES,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  type Http2Frames,
  headers,
  http2Frames,
  requestFields,
  reset,
  settings,
  TYPES,
  uint32,
  windowUpdate,
} from '../support/clients/http2-frame-client.ts'
import { HTTP2_STACKS, type Http2Stack } from '../support/raw.ts'

describe.each(HTTP2_STACKS)('over $name', ({ startStack }) => {
  let stack: Http2Stack
  const clients: Http2Frames[] = []
  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.close())
  afterEach(async () => {
    for (const { socket } of clients.splice(0)) socket.destroy()
    await stack.control()
    await stack.idle()
    expect(stack.gateway.stderr()).toBe('')
  })

  async function connected(): Promise<Http2Frames> {
    const client = await http2Frames(stack.url, stack.ca)
    clients.push(client)
    return client
  }

  const GET = requestFields('GET', '/public/x')

  test('a head that never ends is cut, whether it goes on in many frames or in large ones', async () => {
    for (const [count, bytes] of [
      [10_000, 1],
      [200, 16_000],
    ] as const) {
      const client = await connected()
      const part = frame('continuation', 0, 1, block([[`x-${'n'.repeat(10)}`, 'v'.repeat(bytes)]]))
      client.write(frame('headers', END_STREAM, 1, block(GET)), ...Array.from({ length: count }, () => part))
      await client.closed
    }
  })

  test('a head with more lines than anybody needs resets its stream only', async () => {
    const client = await connected()
    const lines = Array.from({ length: 3_000 }, (_, i) => [`x${i}`, ''] as const)
    const bytes = block([...GET, ...lines])
    client.write(frame('headers', END_STREAM, 1, bytes.subarray(0, 16_000)))
    client.write(frame('continuation', END_HEADERS, 1, bytes.subarray(16_000)))
    expect(await client.ended(1)).toMatchObject({ status: 0, how: 'reset', errorCode: CODES.enhanceYourCalm })
    client.write(headers(3, GET))
    expect(await client.ended(3)).toMatchObject({ status: 200, how: 'whole' })
  })

  test('CVE-2023-44487: requests that are reset as they are sent never reach the service, and end the connection', async () => {
    const before = stack.upstream.seen.length
    const client = await connected()
    const frames = Array.from({ length: 3_000 }, (_, i) => [headers(1 + 2 * i, GET), reset(1 + 2 * i)]).flat()
    client.write(...frames)
    expect(await client.closed).not.toBe(CODES.none)
    await stack.idle()
    // Where a read ends between the two frames, the request has begun.
    expect(stack.upstream.seen.length - before).toBeLessThan(100)
  })

  test('requests that the client makes us reset, one after the other, end the connection', async () => {
    const client = await connected()
    // CVE-2025-8671: a window of nothing is an error of the stream, which we have to reset.
    for (let i = 0; i < 3_000; i++) client.write(headers(1 + 2 * i, GET), windowUpdate(1 + 2 * i, 0))
    await client.closed
  })

  test.for([
    ['PING', frame('ping', 0, 0, Buffer.alloc(8))],
    ['SETTINGS', settings({ 3: 100 })],
  ] as const)(
    '%s without end, to be acknowledged to a client that reads nothing, ends the connection',
    async ([, flood]) => {
      const client = await connected()
      client.socket.pause()
      const many = Buffer.concat(Array.from({ length: 5_000 }, () => flood))
      let isOver = false
      client.socket.once('close', () => {
        isOver = true
      })
      const more = (): void => {
        while (!isOver && client.socket.write(many));
      }
      client.socket.on('drain', more)
      more()
      // It reads nothing, so it learns of the end by what it writes.
      await client.closed
    },
  )

  test('frames that carry nothing, without end, hold up nobody else', async () => {
    const client = await connected()
    client.write(headers(1, requestFields('POST', '/public/x'), END_HEADERS))
    client.write(...Array.from({ length: 20_000 }, () => data(1, '')))
    await stack.control()
  })

  test.for([0, 1])('a window that overflows ends the connection: of stream %i', async id => {
    const client = await connected()
    client.write(headers(1, requestFields('POST', '/public/x'), END_HEADERS), windowUpdate(id, 2 ** 31 - 1))
    expect(await client.closed).toBe(CODES.flowControlError)
  })

  test.for([
    ['no preface', Buffer.from('GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n')],
    ['a frame that is too large', frame('data', 0, 1, Buffer.alloc(20_000))],
    ['DATA on no stream', data(0, 'x')],
    ['DATA on a stream that was never opened', data(5, 'x')],
    ['HEADERS on an even stream', headers(2, GET)],
    ['HEADERS on no stream', headers(0, GET)],
    ['CONTINUATION of nothing', frame('continuation', END_HEADERS, 1, block(GET))],
    [
      'another frame inside a head',
      Buffer.concat([frame('headers', 0, 1, block(GET)), frame('ping', 0, 0, Buffer.alloc(8))]),
    ],
    ['a push', frame('pushPromise', END_HEADERS, 1, Buffer.concat([uint32(2), block(GET)]))],
    [
      'a head that cannot be decoded',
      frame('headers', END_STREAM | END_HEADERS, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff])),
    ],
    ['SETTINGS of an odd length', frame('settings', 0, 0, '12345')],
    ['a window larger than there is', settings({ 4: 2 ** 31 })],
    ['noise', Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 7919) % 256))],
  ] as const)('%s ends the connection', async ([, bytes]) => {
    const client = await connected()
    client.write(bytes)
    await client.closed
  })

  test('frames of a type that nobody knows are ignored', async () => {
    const client = await connected()
    const unknown = frame('data', 0, 0, 'x')
    unknown.writeUInt8(0xfa, 3)
    client.write(unknown, headers(1, GET))
    expect((await client.ended(1)).status).toBe(200)
  })

  test('more requests at once than we allow are refused one by one, and the others answered', async () => {
    const client = await connected()
    // Uploads that wait for their end stay open.
    const ids = Array.from({ length: 150 }, (_, i) => 1 + 2 * i)
    client.write(...ids.map(id => headers(id, requestFields('POST', '/public/x'), END_HEADERS)))
    // Node sends the refusals with whatever it has to send next.
    client.write(frame('ping', 0, 0, Buffer.alloc(8)))
    const refused = await client.ended(299)
    expect(refused).toMatchObject({ how: 'reset', errorCode: CODES.refusedStream })
    const isRefused = (id: number) => client.received.some(({ type, id: of }) => type === TYPES.reset && of === id)
    const open = ids.filter(id => !isRefused(id))
    expect(open).toHaveLength(128)
    client.write(windowUpdate(0, 1_000_000), ...open.map(id => data(id, 'ab', END_STREAM)))
    const ends = await Promise.all(open.map(id => client.ended(id)))
    expect(ends.filter(({ status, how }) => status === 200 && how === 'whole')).toHaveLength(128)
  })
})
