/**
 * What stands behind a request whose offer to switch protocols is ignored is the next request, however it arrives: Node
 * would drop what came in the same read, and take the rest of it for a request.
 */
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, request, type Stack, startHttp2Stack, startRawStack } from '../support/raw.ts'
import { openWire, type Wire } from '../support/wire.ts'

const HANDSHAKE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: AAAA', 'Sec-WebSocket-Version: 13']
const OFFERS = [
  ['h2c', ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']],
  ['TLS', ['Connection: Upgrade', 'Upgrade: TLS/1.2']],
  ['what nobody knows', ['Connection: Upgrade', 'Upgrade: foo/1']],
] as const
const CHUNKED = 'Transfer-Encoding: chunked'
const SMUGGLED = get('/public/smuggled')

const LISTENERS = [
  {
    name: 'TCP',
    async start() {
      const stack = await startRawStack()
      return { stack, open: () => stack.connect() }
    },
  },
  {
    name: 'TLS',
    async start() {
      const stack = await startHttp2Stack()
      const options = { port: stack.port, ca: stack.ca, servername: 'localhost', ALPNProtocols: ['http/1.1'] }
      return { stack, open: () => openWire(stack.port, connect(options)) }
    },
  },
] as const

describe.each(LISTENERS)('over $name', ({ start }) => {
  let stack: Stack
  let open: () => Wire
  beforeAll(async () => {
    ;({ stack, open } = await start())
  })
  afterAll(() => stack.close())

  const post = (path: string, lines: readonly string[], body = ''): string =>
    request(`POST ${path} HTTP/1.1`, lines, body)

  /** @returns what the service saw of each request, as `path: bytes of the body` */
  async function seen(wire: Wire, count: number): Promise<readonly string[]> {
    const answers: string[] = []
    while (answers.length < count) {
      const { url, bodyBytes, code } = JSON.parse((await wire.reply())?.body ?? '{}')
      answers.push(code ?? `${url}: ${bodyBytes}`)
    }
    return answers
  }

  describe.each(OFFERS)('behind an offer of %s', (_name, offer) => {
    test('a request in the same read is served', async () => {
      const wire = open()
      wire.write(get('/public/1', offer) + post('/public/2', [...offer, 'Content-Length: 2'], 'ab') + get('/public/3'))
      expect(await seen(wire, 3)).toEqual(['/public/1: 0', '/public/2: 2', '/public/3: 0'])
      wire.write(post('/public/4', [...offer, CHUNKED], '2\r\nab\r\n0\r\n\r\n') + get('/public/5', offer))
      expect(await seen(wire, 2)).toEqual(['/public/4: 2', '/public/5: 0'])
      wire.end()
    })

    test('the body of a request in the same read is no request', async () => {
      const reached = await stack.forwarded(async () => {
        const wire = open()
        wire.write(get('/public/1', offer) + post('/public/2', [`Content-Length: ${SMUGGLED.length}`]))
        expect(await seen(wire, 1)).toEqual(['/public/1: 0'])
        wire.write(SMUGGLED + get('/public/3'))
        expect(await seen(wire, 2)).toEqual([`/public/2: ${SMUGGLED.length}`, '/public/3: 0'])
        wire.end()
      })
      expect(reached).toContain('POST /public/2')
    })

    test('a head that comes in two reads is one head', async () => {
      const wire = open()
      const next = get('/public/2')
      wire.write(get('/public/1', offer) + next.slice(0, 20))
      expect(await seen(wire, 1)).toEqual(['/public/1: 0'])
      wire.write(next.slice(20))
      expect(await seen(wire, 1)).toEqual(['/public/2: 0'])
      wire.end()
    })

    test('a broken body is refused, and what follows it is never looked at', async () => {
      const wire = open()
      wire.write(post('/public/1', [...offer, CHUNKED], `zz\r\n${SMUGGLED}`))
      expect(await seen(wire, 1)).toEqual(['request_malformed'])
      wire.write(SMUGGLED)
      await wire.closed
      expect(wire.rest()).toBe('')
      await stack.control()
    })

    test('bytes that are no request, and CONNECT, end the connection', async () => {
      for (const bytes of ['\0\0\r\n\r\n', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nrest']) {
        const wire = open()
        wire.write(get('/public/1', offer) + bytes)
        await wire.closed
      }
      await stack.control()
    })
  })

  test('behind a handshake that comes while a request is under way, the next request is served', async () => {
    const wire = open()
    wire.write(get('/public/1') + get('/public/2', HANDSHAKE) + get('/public/3'))
    expect(await seen(wire, 3)).toEqual(['/public/1: 0', '/public/2: 0', '/public/3: 0'])
    wire.end()
  })
})
