/**
 * Bodies that are judged may come piece by piece, one after the other, and on routes that only report.
 *
 * Which of them pass is shown in `raw/mcp-bodies.test.ts`, how they end with their token in
 * `forward/uploads-at-expiry.test.ts`, and that nothing stays of those that are over in `e2e/mcp/held-bodies.test.ts`.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { type RawClient, rawClient } from '../support/clients/raw-client.ts'
import { startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

let stack: TestStack
let token: string
const bodies: Buffer[] = []
beforeAll(async () => {
  const upstream = await startTestUpstream((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks))
      response.end('called')
    })
  })
  stack = await startTestStack(
    issuer => ({
      providers: { main: testProvider(issuer) },
      routes: [
        { id: 'mcp', path: '/mcp', mcp: { tools: { free: {} }, maxBody: '64KiB' } },
        { id: 'report', path: '/report', mode: 'report', mcp: { tools: { free: {} }, maxBody: '64KiB' } },
      ],
    }),
    { upstream },
  )
  token = await stack.issuer.mint()
})
afterAll(() => stack.close())
beforeEach(() => {
  bodies.length = 0
})

const call = (name: string) => `{ "jsonrpc":"2.0","id":1,"method":"tools\\/call",\r\n\t"params":{"name":"${name}"}}`

function head(path: string, ...lines: readonly string[]): string {
  const all = [`Authorization: Bearer ${token}`, 'Content-Type: application/json', ...lines]
  return `POST ${path} HTTP/1.1\r\nHost: a\r\n${all.join('\r\n')}\r\n\r\n`
}

function client(): RawClient {
  const made = rawClient(Number(new URL(stack.url).port))
  atEnd(() => made.socket.destroy())
  return made
}

/** Sends a whole request. @returns the status, and the code of a refusal */
async function send(path: string, body: string, ...lines: readonly string[]) {
  const text = await stack.raw(
    head(path, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close', ...lines) + body,
  )
  return { status: Number(text.split(' ')[1]), code: /"code":"(\w+)"/.exec(text)?.[1], text }
}

describe('a body that may pass', () => {
  test('may come in pieces, without a length, after the client was told to go on', async () => {
    const own = client()
    own.write(head('/mcp', 'Transfer-Encoding: chunked', 'Expect: 100-continue'))
    await own.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
    for (const piece of call('free').match(/.{1,20}/gs) ?? [])
      own.write(`${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`)
    expect(stack.upstream.seen.filter(({ headers }) => headers.expect !== undefined)).toEqual([])
    own.write('0\r\n\r\n')
    await own.until(/called/)
    expect(bodies.map(String)).toEqual([call('free')])
  })

  test('leaves its connection for the next one', async () => {
    const own = client()
    for (const count of [1, 2]) {
      own.write(head('/mcp', `Content-Length: ${call('free').length}`) + call('free'))
      await own.until(new RegExp(`(?:called.*){${count}}`, 's'))
    }
    expect(bodies).toHaveLength(2)
  })
})

describe('a body that may not pass', () => {
  test('with another name than its header is answered as JSON-RPC, with all of the refusal in its data', async () => {
    const { status, text } = await send('/mcp', call('free'), 'Mcp-Name: paid', 'X-Request-Id: mismatch')
    expect(status).toBe(400)
    expect(text).toMatch(/^content-type: application\/json\r$/im)
    expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toEqual({
      jsonrpc: '2.0',
      id: 1,
      error: {
        code: -32020,
        message: 'The request is malformed',
        data: {
          type: 'urn:sallyport:denial:request_malformed',
          title: 'The request is malformed',
          status: 400,
          code: 'request_malformed',
          request_id: 'mismatch',
        },
      },
    })
    expect(bodies).toEqual([])
  })

  test('passes on a route that only reports, as it came', async () => {
    expect((await send('/report', call('other'))).status).toBe(200)
    expect((await send('/report', 'no JSON')).status).toBe(200)
    expect(bodies.map(String)).toEqual([call('other'), 'no JSON'])
    const series = 'sallyport_report_denials_total{route="report",code="claim_forbidden"}'
    expect((await stack.metrics()).get(series)).toBe(1)
  })
})
