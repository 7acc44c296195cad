/** The line that is put together by hand is, byte for byte, the one that pino would have written. */
import { expect, test } from 'vitest'
import { closedLog, createLog } from '../../src/telemetry/log.ts'
import { type PassedRequest, passedLines } from '../../src/telemetry/passed-line.ts'
import { manualTime } from '../support/manual-time.ts'

const NOW_MS = 1_750_000_000_123

const REQUEST: PassedRequest = {
  requestId: 'a.B-9_',
  sender: { client: '203.0.113.9', userAgent: 'shop/1.0', traceId: '0af7651916cd43dd8448eb211c80319c' },
  method: 'GET',
  host: 'orders.example:8443',
  path: '/orders/1',
  httpVersion: '1.1',
  route: 'orders-read',
  status: 200,
  provider: 'main',
  subject: 'alice',
  clientId: 'shop',
  bytesIn: 12,
  bytesOut: 4_000_000_000,
  durationMs: 1.23456,
  upstreamMs: 1.0004,
  overheadMs: 0.1,
}

test.each<[string, Partial<PassedRequest>]>([
  ['an ordinary request', {}],
  ['a public route', { provider: undefined, subject: undefined, clientId: undefined }],
  ['a head that says nothing', { sender: { client: undefined, userAgent: undefined, traceId: undefined } }],
  ['a request without bodies', { bytesIn: 0, bytesOut: 0 }],
  ['a token that names no program', { clientId: undefined }],
  ['a program that would end its string', { clientId: '"},{"level":"error"' }],
  ['a user agent with quotes', { sender: { client: '::1', userAgent: '"},{\\"', traceId: undefined } }],
  ['a host that is not known', { host: undefined }],
  ['a caller without a subject', { subject: undefined }],
  ['a tunnel without a status', { status: undefined }],
  ['a subject that would end its string', { subject: '"},{"level":"error"' }],
  ['a subject with line ends and control characters', { subject: 'a\r\n{"b":1}\u0000\u007f\u2028\\' }],
  ['half a surrogate pair', { subject: 'x\ud800y' }],
  ['a subject in other scripts', { subject: 'Ядвига 🦊' }],
  ['a path with a quote and a backslash', { path: '/a"b\\c' }],
  ['durations of nothing and of hours', { durationMs: 0, upstreamMs: 7_200_000.00049, overheadMs: 1e-9 }],
])('%s', (_name, change) => {
  const request = { ...REQUEST, ...change }
  const lines: string[] = []
  const log = createLog('info', { write: line => void lines.push(line) }, manualTime(NOW_MS)).child({ worker: 7 })
  passedLines(log)(request)
  const rounded = (ms: number): number => Math.round(ms * 1000) / 1000
  closedLog(log, ['evidence', 'err']).info(
    {
      request_id: request.requestId,
      trace_id: request.sender.traceId,
      client: request.sender.client,
      method: request.method,
      host: request.host,
      path: request.path,
      protocol: `HTTP/${request.httpVersion}`,
      user_agent: request.sender.userAgent,
      route: request.route,
      code: 'ok',
      status: request.status,
      provider: request.provider,
      subject: request.subject,
      client_id: request.clientId,
      bytes_in: request.bytesIn || undefined,
      bytes_out: request.bytesOut || undefined,
      duration_ms: rounded(request.durationMs),
      upstream_ms: rounded(request.upstreamMs ?? 0),
      overhead_ms: rounded(request.overheadMs),
    },
    'request passed',
  )
  const [ours, theirs] = lines
  expect(ours).toBe(theirs)
  const read = JSON.parse(ours ?? '')
  expect([read.worker, read.subject, read.path]).toEqual([7, request.subject, request.path])
  expect(Date.parse(read.time)).toBe(NOW_MS)
})

test('each line says the time of its own moment', async () => {
  const time = manualTime(NOW_MS)
  const lines: string[] = []
  const write = passedLines(createLog('info', { write: line => void lines.push(line) }, time))
  write(REQUEST)
  await time.advance(1)
  write(REQUEST)
  write(REQUEST)
  expect(lines.map(line => Date.parse(JSON.parse(line).time) - NOW_MS)).toEqual([0, 1, 1])
})
