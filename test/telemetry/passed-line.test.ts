/** The line that is put together by hand is, byte for byte, the one that pino would have written. */
import { expect, test } from 'vitest'
import { closedLog, createLog } from '../../src/telemetry/log.ts'
import { type PassedRequest, passedLines } from '../../src/telemetry/passed-line.ts'

const REQUEST: PassedRequest = {
  requestId: 'a.B-9_',
  method: 'GET',
  path: '/orders/1',
  route: 'orders-read',
  status: 200,
  provider: 'main',
  subject: 'alice',
  durationMs: 1.23456,
  upstreamMs: 1.0004,
  overheadMs: 0.1,
}

test.each<[string, Partial<PassedRequest>]>([
  ['an ordinary request', {}],
  ['a public route', { provider: undefined, subject: undefined }],
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
  const log = createLog('info', { write: line => void lines.push(line) }).child({ worker: 7 })
  passedLines(log)(request)
  const rounded = (ms: number): number => Math.round(ms * 1000) / 1000
  closedLog(log, ['evidence', 'err']).info(
    {
      request_id: request.requestId,
      method: request.method,
      path: request.path,
      route: request.route,
      code: 'ok',
      status: request.status,
      provider: request.provider,
      subject: request.subject,
      duration_ms: rounded(request.durationMs),
      upstream_ms: rounded(request.upstreamMs ?? 0),
      overhead_ms: rounded(request.overheadMs),
    },
    'request passed',
  )
  const [ours, theirs] = lines.map(line => line.replace(/"time":"[^"]+"/, '"time":""'))
  expect(ours).toBe(theirs)
  const read = JSON.parse(lines[0] ?? '')
  expect([read.worker, read.subject, read.path]).toEqual([7, request.subject, request.path])
})
