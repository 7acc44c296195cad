/**
 * Keeps audit records on standard output, among the lines of the log and by the same writer, so that no line is cut by
 * another. `"type":"audit"` tells them apart. Like the log it waits for a reader that stalls, and so drops nothing.
 */
import { besideLines } from '../node/pino-line.ts'
import type { AuditSink } from './audit-file.ts'
import type { AuditResult } from './audit-metrics.ts'
import type { Log } from './log.ts'

interface AuditStdoutOptions {
  readonly log: Log
  readonly onRecords: (result: AuditResult, count: number) => void
  readonly onState: (isUp: boolean) => void
}

export function auditStdout({ log, onRecords, onState }: AuditStdoutOptions): AuditSink {
  const write = besideLines(log)
  return {
    add(line) {
      write(line)
      onRecords('written', 1)
    },
    trouble: undefined,
    status: () => ({ file: 'stdout', state: 'ok', lastError: undefined, queued: 0 }),
    open: () => onState(true),
    reopen() {},
    // The log is flushed at the end, and these lines with it.
    flushNow() {},
    close: async () => {},
  }
}
