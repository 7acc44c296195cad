/**
 * Writes the lines of the log in the form that the configuration asks for, which a reload may change.
 *
 * The log makes JSON in any case. Where people are to read it, each line is turned into text on its way out.
 */
import type { DestinationStream } from 'pino'
import type { Paint } from '../lib/paint.ts'
import { textLine } from './text-line.ts'

type LogFormat = 'json' | 'text'

interface FlushedStream extends DestinationStream {
  flushSync(): void
  /** True when nobody reads any more, so that lines are lost. */
  readonly isGone?: boolean
}

interface FormattedStream extends FlushedStream {
  /** @param format undefined: `text` on a terminal, else `json` */
  setFormat(format: LogFormat | undefined): void
}

const LOG_LINE = '{"level":'

interface Output {
  /** Whether people read along. */
  readonly isTerminal: boolean
  readonly paint: Paint
}

/** @param destination takes whole lines */
export function formattedLines(destination: FlushedStream, { isTerminal, paint }: Output): FormattedStream {
  let isText = isTerminal
  return {
    // What else goes there, such as records of the audit log, is for programs in any case.
    write: line => destination.write(isText && line.startsWith(LOG_LINE) ? textLine(line, paint) : line),
    get isGone() {
      return destination.isGone === true
    },
    flushSync: () => destination.flushSync(),
    setFormat(format) {
      isText = format === undefined ? isTerminal : format === 'text'
    },
  }
}
