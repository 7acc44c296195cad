/**
 * The log: one JSON line per event, written by pino.
 *
 * A line about a request carries what was decided and why, never what the caller sent as a secret: no token, cookie,
 * query string or header value. {@link redactPath} covers tokens that a confused client puts into the path.
 */
import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** Standard output, written in the background; flush it before the process ends. */
export function logDestination() {
  return pino.destination({ dest: 1, sync: false })
}

export function createLog(level: LogLevel, destination: DestinationStream): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      // A second fence behind the first: these members must never be given to the log at all.
      redact: {
        paths: ['token', 'authorization', 'cookie', 'headers', '*.token', '*.authorization', '*.cookie', '*.headers'],
        censor: '[redacted]',
      },
    },
    destination,
  )
}

const MAX_PATH_CHARS = 512

/** The path as a log may show it: bounded, and without anything that looks like a JWT. */
export function redactPath(path: string): string {
  const bounded = path.length > MAX_PATH_CHARS ? `${path.slice(0, MAX_PATH_CHARS)}…` : path
  return bounded.includes('eyJ') ? bounded.replaceAll(/eyJ[\w.~+/=-]*/g, '[redacted]') : bounded
}
