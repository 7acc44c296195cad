/** A line for people says first what they ask first, on one line, whatever a stranger has put into it. */
import { styleText } from 'node:util'
import { expect, test } from 'vitest'
import { closedLog, createLog, type Log } from '../../src/telemetry/log.ts'
import { formattedLines } from '../../src/telemetry/log-format.ts'
import { textLine } from '../../src/telemetry/text-line.ts'
import { manualTime } from '../support/manual-time.ts'

/** Half a second past three minutes past noon on the clock on the wall, wherever the test runs. */
const NOON_MS = new Date(2026, 5, 1, 12, 3, 4, 512).getTime()
const NOON_SECONDS = Math.floor(NOON_MS / 1000)
const plain = (_style: unknown, text: string): string => text

/** What the log writes for people. */
function written(write: (log: Log) => void): string {
  let text = ''
  const output = formattedLines(
    {
      write(line: string) {
        text += line
      },
      flushSync() {},
    },
    { isTerminal: true, paint: plain },
  )
  write(closedLog(createLog('trace', output, manualTime(NOON_MS)), ['evidence', 'err']))
  return text
}

const PASSED = {
  ...{ request_id: 'id-1', trace_id: undefined, client: '203.0.113.9', method: 'GET', host: 'a', path: '/orders/17' },
  ...{ protocol: 'HTTP/1.1', user_agent: 'curl/8', route: 'orders', code: 'ok', status: 200, provider: 'main' },
  ...{ subject: 'alice', client_id: 'shop', bytes_out: 70, duration_ms: 1.234, upstream_ms: 1, overhead_ms: 0.234 },
}
const { provider: _, subject: __, client_id: ___, ...ANONYMOUS } = PASSED

test.each<[string, (log: Log) => void, string]>([
  [
    'a request that passed',
    log => log.info(PASSED, 'request passed'),
    'INFO  200 ok GET /orders/17 route=orders provider=main sub=alice 1.2ms id=id-1',
  ],
  [
    'a caller that nobody knows',
    log => log.info(ANONYMOUS, 'request passed'),
    'INFO  200 ok GET /orders/17 route=orders client=203.0.113.9 1.2ms id=id-1',
  ],
  [
    'a token that has expired',
    log =>
      log.warn(
        { ...PASSED, code: 'token_expired', status: 401, evidence: { exp: NOON_SECONDS - 12 } },
        'request refused',
      ),
    'WARN  401 token_expired GET /orders/17 route=orders provider=main sub=alice 1.2ms expired 12 s ago id=id-1',
  ],
  [
    'a token of tomorrow',
    log => log.warn({ ...ANONYMOUS, code: 'token_not_yet_valid', evidence: { nbf: NOON_SECONDS + 86_400 } }, 'refused'),
    'WARN  200 token_not_yet_valid GET /orders/17 route=orders client=203.0.113.9 1.2ms valid in 24 h id=id-1',
  ],
  [
    'what a requirement misses',
    log => log.warn({ ...PASSED, code: 'scope_missing', evidence: { requirement: 'scopes', missing: ['a', 'b,c'] } }),
    'WARN  200 scope_missing GET /orders/17 route=orders provider=main sub=alice 1.2ms requirement=scopes missing=a,"b,c" id=id-1',
  ],
  [
    'a refusal that was only reported',
    log => log.warn({ ...PASSED, reported: 'scope_missing' }, 'request passed'),
    'WARN  200 scope_missing (reported) GET /orders/17 route=orders provider=main sub=alice 1.2ms id=id-1',
  ],
  [
    'a refusal that was only reported, of a request that failed later',
    log => log.error({ ...PASSED, code: 'upstream_timeout', reported: 'scope_missing' }, 'request failed'),
    'ERROR 200 upstream_timeout GET /orders/17 route=orders provider=main sub=alice 1.2ms reported=scope_missing id=id-1',
  ],
  [
    'a client that has left, and how long it took',
    log => log.info({ ...PASSED, status: undefined, aborted: true, duration_ms: 61_234 }, 'request passed'),
    'INFO  --- ok GET /orders/17 route=orders provider=main sub=alice 61.2s aborted=true id=id-1',
  ],
  [
    'bytes that are no request',
    log => log.warn({ request_id: 'id-1', client: '::1', code: 'request_malformed', status: 400, evidence: {} }, 'x'),
    'WARN  400 request_malformed client=::1 id=id-1',
  ],
  [
    'the trace and the worker of a request',
    log => log.child({ worker: 7 }).info({ ...PASSED, trace_id: 'abc' }, 'request passed'),
    'INFO  200 ok GET /orders/17 route=orders provider=main sub=alice 1.2ms worker=7 id=id-1',
  ],
  [
    'any other line with its members',
    log =>
      log.error({ url: 'http://a', routes: 2, problems: ['3:1 no, not so', 'b'], seen: { a: 1 } }, 'not a request'),
    'ERROR not a request url=http://a routes=2 problems="3:1 no, not so",b seen={"a":1}',
  ],
  ['a line without a message', log => log.debug({ a: null }), 'DEBUG a=null'],
])('%s', (_name, write, line) => {
  expect(written(write)).toBe(`12:03:04.512 ${line}\n`)
})

test('a bug has its stack below', () => {
  const [first = '', second = '', ...frames] = written(log =>
    log.error({ ...PASSED, code: 'internal', err: new Error('a b') }, 'x'),
  )
    .trimEnd()
    .split('\n')
  expect(first).toMatch(/ internal GET .* id=id-1 err="a b"/)
  expect(second).toBe('    Error: a b')
  expect(frames.length).toBeGreaterThan(1)
  for (const frame of frames) expect(frame).toMatch(/^ {4}at /)
})

const HOSTILE = [
  '\u001b[2J\u001b]0;owned\u0007',
  '\u009b31m',
  'a\r\n12:00:00.000 INFO  200 ok',
  'alice id=other',
  'a"b',
  '\u202egnp.exe',
  'x\ud800y',
  'a\u2028b',
  '\u200b',
  '',
]

test.each(HOSTILE)('%j commands nothing, breaks no line and passes for no other member', hostile => {
  const write = (log: Log): void =>
    log.warn({ ...PASSED, subject: hostile, path: hostile, evidence: { reason: hostile }, more: hostile }, 'x')
  for (const text of [written(write), written(log => log.info({ a: hostile, [hostile || 'b']: 1 }, hostile))]) {
    expect(text).toMatch(/^[^\n]*\n$/)
    expect(text.slice(0, -1)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
  }
  const withoutQuoted = written(write).replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
  expect(withoutQuoted.match(/ id=/g)).toHaveLength(1)
  expect(withoutQuoted.match(/ 200 /g)).toHaveLength(1)
})

test.each(['', 'Error: crashed\n', '{"level":"info"\n', '[1]\n', '7\n', 'null\n'])(
  'what is no line of the log passes as it is: %j',
  line => {
    expect(textLine(line, plain)).toBe(line)
  },
)

test('a line whose time, level and code are odd is still written', () => {
  expect(textLine('{"level":50,"time":"soon","request_id":1,"code":null,"method":{},"msg":2}\n', plain)).toBe(
    '--:--:--.---       --- null {} undefined id=1\n',
  )
})

test('styles mark what matters, and are none where nobody wants them', () => {
  const paint: Parameters<typeof textLine>[1] = (style, text) => styleText(style, text, { validateStream: false })
  const line = JSON.stringify({ ...PASSED, level: 'warn', time: new Date(NOON_MS).toISOString(), status: 401 })
  expect(textLine(line, paint)).toContain('\u001b[33m401\u001b[39m')
  expect(textLine(line, plain)).not.toContain('\u001b')
})
