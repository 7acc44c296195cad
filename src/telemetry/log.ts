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

const REDACTED = '[redacted]'

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
        // A count of headers is not what they say.
        censor: (value: unknown) => (typeof value === 'number' ? value : REDACTED),
      },
    },
    destination,
  )
}

const MAX_PATH_CHARS = 512

/** What every JWT begins with: the start of a JSON object, in base64url. */
const JWT_START = /eyJ[\w.~+/=%-]*/g
/** Shorter than any signed token. */
const MIN_TOKEN_CHARS = 80

/** The path of a request target as a log may show it: bounded, no query, no user, and nothing that looks like a JWT. */
export function redactPath(target: string): string {
  const path = target.replace(/[?#].*$/s, '').replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '')
  const redacted = path.split('/').map(redactSegment).join('/').replaceAll(JWT_START, REDACTED)
  return redacted.length > MAX_PATH_CHARS ? `${redacted.slice(0, MAX_PATH_CHARS)}…` : redacted
}

/** Three parts, whatever they begin with: a JWT with a blank after its first brace, or with escaped letters. */
function redactSegment(segment: string): string {
  return segment.length >= MIN_TOKEN_CHARS && segment.split('.').length >= 3 ? REDACTED : segment
}
