/** Records among the lines of the log: for programs in any case, and missed where nobody reads any more. */
import { expect, test } from 'vitest'
import { auditStdout } from '../../../src/telemetry/audit/audit-stdout.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { formattedLines } from '../../../src/telemetry/log-format.ts'

function started() {
  const lines: string[] = []
  const counts = { written: 0, dropped: 0 }
  const states: boolean[] = []
  const reader = { isGone: false, write: (line: string) => void lines.push(line), flushSync() {} }
  const log = createLog('info', formattedLines(reader, { isTerminal: true, paint: (_style, text) => text }))
  const sink = auditStdout({
    log,
    onRecords: (result, count) => {
      counts[result] += count
    },
    onState: isUp => states.push(isUp),
  })
  sink.open()
  return { lines, counts, states, reader, log, sink }
}

test('a record stays JSON where the log is text', () => {
  const { lines, log, sink } = started()
  log.info('listening')
  sink.add('{"type":"audit","code":"ok"}\n')
  expect(lines).toEqual([expect.stringMatching(/INFO +listening\n$/), '{"type":"audit","code":"ok"}\n'])
})

test('without a reader records are lost, and that is told', () => {
  const { counts, states, reader, sink } = started()
  sink.add('{"a":1}\n')
  expect(sink.trouble).toBeUndefined()
  reader.isGone = true
  expect(sink.trouble).toBe('nobody reads standard output any more')
  sink.add('{"b":1}\n')
  expect(counts).toEqual({ written: 1, dropped: 1 })
  expect(states).toEqual([true, false])
  expect(sink.status()).toMatchObject({ file: 'stdout', state: 'failing', queued: 0 })
})
