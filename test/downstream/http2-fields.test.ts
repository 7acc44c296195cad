/** A request's fields and body reach the service whole, once, and within the limits, or not at all. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  block,
  CODES,
  data,
  END_HEADERS,
  END_STREAM,
  type Field,
  frame,
  type Http2Frames,
  headers,
  http2Frames,
  requestFields,
  type StreamEnd,
} from '../support/clients/http2-frame-client.ts'
import { HTTP2_STACKS, type Http2Stack } from '../support/raw.ts'

describe.each(HTTP2_STACKS)('over $name', ({ startStack }) => {
  let stack: Http2Stack
  let client: Http2Frames
  let id = 1
  beforeAll(async () => {
    stack = await startStack(() => ({ limits: { bodyBytes: '1KiB' } }))
    client = await http2Frames(stack.url, stack.ca)
  })
  afterAll(async () => {
    client.socket.destroy()
    await stack.close()
  })

  /** @param body frames behind the head; without any, the head is the end */
  async function send(
    method: string,
    more: readonly Field[],
    body?: (id: number) => readonly Buffer[],
  ): Promise<StreamEnd> {
    id += 2
    const fields = requestFields(method, '/public/x', more)
    client.write(headers(id, fields, END_HEADERS | (body === undefined ? END_STREAM : 0)), ...(body?.(id) ?? []))
    return await client.ended(id)
  }

  const codeOf = ({ body }: StreamEnd): unknown => (JSON.parse(body) as { code: unknown }).code
  const seen = (): ReadonlyMap<string, string> => {
    const { rawHeaders } = stack.upstream.seen.at(-1) ?? { rawHeaders: [] }
    return new Map(
      rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1] ?? '']] : [])),
    )
  }

  describe('RFC 9113 §8.2.1: a value', () => {
    test.for([' a', 'a ', '\ta', 'a\t', ' ', '\t'])('%j is refused, whichever field it is', async value => {
      for (const lines of [
        [['x-odd', value]],
        [['cookie', value]],
        [
          ['cookie', 'a=1'],
          ['cookie', value],
        ],
      ] as Field[][]) {
        const before = stack.upstream.seen.length
        const refused = await send('GET', lines)
        expect([refused.status, codeOf(refused), stack.upstream.seen.length]).toEqual([
          400,
          'request_malformed',
          before,
        ])
      }
    })

    test('of nothing, or with blanks within, passes', async () => {
      await send('GET', [
        ['x-odd', 'a \t b'],
        ['x-empty', ''],
      ])
      expect([seen().get('x-odd'), seen().get('x-empty')]).toEqual(['a \t b', ''])
    })

    test.for(['a\0b', 'a\rb', 'a\nb', 'a\r\nx-auth-subject: root', '\0', '\x7f\r'])(
      '%j never reaches the service, nor anything of it',
      async value => {
        const { status } = await send('GET', [
          ['x-odd', value],
          ['x-after', 'kept'],
        ])
        // nghttp2 drops the field, and only it; Node does not hear of it.
        expect([status, seen().has('x-odd'), seen().get('x-after')]).toEqual([200, false, 'kept'])
        expect(seen().has('x-auth-subject')).toBe(false)
      },
    )

    test('that makes Authorization no value at all leaves no credential', async () => {
      id += 2
      client.write(headers(id, requestFields('GET', '/private/x', [['authorization', `Bearer ${stack.token}\n`]])))
      expect(codeOf(await client.ended(id))).toBe('token_missing')
    })

    test('beyond ASCII arrives byte for byte', async () => {
      await send('GET', [['x-odd', '\xe9\xff\t~']])
      expect(seen().get('x-odd')).toBe('\xe9\xff\t~')
    })

    test.for(['x-auth-subject\0', 'x auth', 'x-auth-subject:', 'x(auth)', '\x7f'])(
      'under the name %j, which is none, does not reach the service',
      async name => {
        await send('GET', [[name, 'marker']])
        expect([...seen().values()]).not.toContain('marker')
      },
    )
  })

  describe('RFC 9113 §8.2.3: cookies', () => {
    test('that came in several lines are one line behind us', async () => {
      await send('GET', [
        ['cookie', 'a=1'],
        ['x-between', 'b'],
        ['cookie', 'c=2'],
        ['cookie', 'd=3; e=4'],
      ])
      const { rawHeaders } = stack.upstream.seen.at(-1) ?? { rawHeaders: [] }
      expect(rawHeaders.filter(name => name === 'cookie')).toHaveLength(1)
      expect(seen().get('cookie')).toBe('a=1; c=2; d=3; e=4')
    })
  })

  describe('limits', () => {
    const many = (count: number): Field[] => Array.from({ length: count }, (_, i) => [`x-f${i}`, 'v'] as const)

    test('the last field that limits.headers allows passes, one more is refused', async () => {
      // `Host` is one of the hundred.
      expect((await send('GET', many(99))).status).toBe(200)
      const refused = await send('GET', many(100))
      expect([refused.status, codeOf(refused)]).toEqual([431, 'headers_too_large'])
    })

    test('a head over limits.headerBytes is refused', async () => {
      expect((await send('GET', [['x-big', 'b'.repeat(15_000)]])).status).toBe(200)
      id += 2
      const fields = requestFields('GET', '/public/x', [['x-big', 'b'.repeat(25_000)]])
      const bytes = block(fields)
      client.write(frame('headers', END_STREAM, id, bytes.subarray(0, 12_500)))
      client.write(frame('continuation', END_HEADERS, id, bytes.subarray(12_500)))
      const refused = await client.ended(id)
      expect([refused.status, codeOf(refused)]).toEqual([431, 'headers_too_large'])
    })

    test('a body over limits.bodyBytes is refused, announced or not, and the connection goes on', async () => {
      const announced = await send('POST', [['content-length', '2000']], of => [data(of, 'x')])
      expect([announced.status, codeOf(announced), announced.how]).toEqual([413, 'body_too_large', 'whole'])
      const found = await send('POST', [], of => [data(of, 'x'.repeat(2000))])
      expect([found.status, codeOf(found), found.how]).toEqual([413, 'body_too_large', 'whole'])
      expect((await send('POST', [], of => [data(of, 'x'.repeat(1024), END_STREAM)])).status).toBe(200)
    })
  })

  describe('RFC 9113 §8.1.1: a length that lies', () => {
    const CASES: Readonly<Record<string, readonly [length: string, frames: (id: number) => readonly Buffer[]]>> = {
      'too small': ['2', of => [data(of, 'abcd', END_STREAM)]],
      'too small, in two frames': ['2', of => [data(of, 'ab'), data(of, 'cd', END_STREAM)]],
      'too large': ['9', of => [data(of, 'abcd', END_STREAM)]],
      'too large, and trailers': ['9', of => [data(of, 'abcd'), headers(of, [['x-t', '1']])]],
    }
    test.for(Object.entries(CASES))(
      '%s: nothing is answered, and the service never takes the body for whole',
      async ([, [length, frames]]) => {
        const liar = await http2Frames(stack.url, stack.ca)
        const fields = requestFields('POST', '/public/x', [['content-length', length]])
        liar.write(headers(1, fields, END_HEADERS), ...frames(1))
        const { status, how } = await liar.ended(1)
        // nghttp2 resets the stream, or ends the connection when there are more bytes than were announced.
        expect([status, how === 'whole']).toEqual([0, false])
        liar.socket.destroy()
        await stack.control()
        await stack.idle()
        expect(stack.upstream.bytes().toString('latin1')).not.toMatch(
          /content-length: (?:2\r\n\r\nabcd|9\r\n\r\nabcd.)/i,
        )
      },
    )
  })

  describe('a body', () => {
    test('passes with a length and without one, and its trailers end here', async () => {
      const counted = await send('POST', [['content-length', '4']], of => [data(of, 'abcd', END_STREAM)])
      const open = await send('POST', [], of => [
        data(of, 'ab'),
        data(of, 'cd'),
        headers(of, [['x-auth-subject', 'root']]),
      ])
      const padded = await send('POST', [], of => [frame('data', END_STREAM | 8, of, '\x03abcd\0\0\0')])
      expect([counted, open, padded].map(({ body }) => JSON.parse(body).bodyBytes)).toEqual([4, 4, 4])
      expect(stack.upstream.bytes().toString('latin1')).not.toContain('root')
    })

    test.for([CODES.none, CODES.cancel, CODES.internalError])(
      'that is reset half-way with %i is half a body to the service, too',
      async code => {
        const arrived = stack.upstream.arrival()
        id += 2
        client.write(headers(id, requestFields('POST', '/public/x'), END_HEADERS), data(id, 'half'))
        const service = await arrived
        const closed = new Promise(resolve => service.once('close', resolve))
        const before = stack.upstream.bytes().length
        client.write(frame('reset', 0, id, Buffer.from([0, 0, 0, code])))
        await closed
        // These bytes would be the end of a chunked body.
        expect(stack.upstream.bytes().subarray(before).toString('latin1')).not.toContain('0\r\n\r\n')
        await stack.idle()
      },
    )

    test('behind the end is an error of its stream, and the others go on', async () => {
      const { status } = await send('POST', [], of => [data(of, 'ab', END_STREAM)])
      expect(status).toBe(200)
      client.write(data(id, 'late', END_STREAM))
      const after = await http2Frames(stack.url, stack.ca)
      after.write(headers(1, requestFields('GET', '/public/x')))
      expect((await after.ended(1)).status).toBe(200)
      after.socket.destroy()
      await stack.control()
      await stack.idle()
    })
  })
})
