/** Tests that a handshake of a WebSocket is judged as one, whatever a proxy's question leaves of it and asks by. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { http2Client } from '../support/clients/http2-client.ts'
import { exchangeOverHttp2 } from '../support/clients/http2-exchange.ts'
import { type AskedStack, answerOf, CALLERS, codeOf, question, startAskedStack } from './support.ts'

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
const overHttp2 = exchangeOverHttp2(undefined)

describe.each(CALLERS)('asked by %s', caller => {
  let stack: AskedStack
  let target = ''
  beforeAll(async () => {
    stack = await startAskedStack(caller, { credentials: ['authorization', { query: 'token', only: ['websocket'] }] })
    target = `/private/a?token=${await stack.issuer.mint()}`
  })
  afterAll(() => stack.close())

  const codeBy = async (version: string, lines: readonly string[]): Promise<string> => {
    const asked = question(caller, { target, lines })
    const reply =
      version === '2'
        ? await overHttp2(stack.decidePort, asked)
        : await answerOf(stack.decidePort, asked.replace('HTTP/1.1', `HTTP/${version}`))
    return reply === undefined ? 'nothing' : codeOf(reply)
  }

  test.each(['1.0', '1.1', '2'])(
    'by HTTP/%s, a key makes a handshake, and a token of handshakes counts',
    async version => {
      expect(await codeBy(version, [KEY])).toBe('ok')
      expect(await codeBy(version, [])).toBe('token_missing')
    },
  )

  test.each([
    ['Upgrade: websocket'],
    ['Connection: close', 'Upgrade: WebSocket'],
    ['Connection: Upgrade', 'Upgrade: websocket, x'],
    ['Upgrade: websocket/13'],
    ['Upgrade: x', 'Upgrade: websocket'],
  ])('so does one beside %s', async (...lines) => {
    expect(await codeBy('1.1', [KEY, ...lines])).toBe('ok')
    expect(await codeBy('1.0', [KEY, ...lines])).toBe('ok')
  })

  test('the protocols that a client of Envoy names are its own, and those of another proxy are not', async () => {
    const lines = [KEY, 'Connection: Upgrade', 'Upgrade: h2c']
    expect(await codeBy('1.1', lines)).toBe(caller === 'envoy' ? 'token_missing' : 'ok')
    // As for the traffic listener, which forwards it as a plain request.
    const traffic = await fetch(`${stack.url}${target}`, {
      headers: { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    })
    expect(traffic.status).toBe(401)
  })

  test('what the version of the question forbids stays forbidden', async () => {
    expect(await codeBy('1.0', ['Transfer-Encoding: chunked', 'Connection: close'])).toBe('request_malformed')
    expect(await codeBy('2.0', [])).toBe('request_malformed')
    const client = http2Client(`http://localhost:${stack.decidePort}`, undefined)
    const said = question(caller, {}).trimEnd().split('\r\n').slice(2)
    const facts = said.flatMap(line => line.split(': ').map((part, i) => (i === 0 ? part.toLowerCase() : part)))
    const path = caller === 'envoy' ? '/decide/public/a' : '/decide'
    for (const [value, code] of [
      ['a', 'ok'],
      ['a ', 'request_malformed'],
    ] as const) {
      const { status, body } = await client.request(path, { authority: 'a', lines: [...facts, 'x-a', value] })
      expect(codeOf({ status, body })).toBe(code)
    }
    client.destroy()
  })
})
