/**
 * Keeps audit records on standard output, among the lines of the log and by the same writer, so that no line is cut by
 * another. `"type":"audit"` tells them apart. Like the log it waits for a reader that stalls, so it drops nothing until
 * the reader is gone.
 */
import { besideLines } from '../../node/pino-line.ts'
import type { Log } from '../log.ts'
import type { AuditResult } from '../metrics/audit-metrics.ts'
import type { AuditSink } from './audit-file.ts'

interface AuditStdoutOptions {
  readonly log: Log
  readonly onRecords: (result: AuditResult, count: number) => void
  readonly onState: (isUp: boolean) => void
}

export function auditStdout({ log, onRecords, onState }: AuditStdoutOptions): AuditSink {
  const output = besideLines(log)
  const trouble = (): string | undefined => (output.isGone() ? 'nobody reads standard output any more' : undefined)
  return {
    add(line) {
      if (output.isGone()) {
        onState(false)
        onRecords('dropped', 1)
        return false
      }
      output.write(line)
      onRecords('written', 1)
      return true
    },
    get trouble() {
      return trouble()
    },
    status() {
      const lastError = trouble()
      return { file: 'stdout', state: lastError === undefined ? 'ok' : 'failing', lastError, queued: 0 }
    },
    open: () => onState(true),
    reopen() {},
    // The log is flushed at the end, and these lines with it.
    flushNow() {},
    close: async () => {},
  }
}
