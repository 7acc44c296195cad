/**
 * Makes the log: one JSON line per event, written by pino.
 *
 * A line about a request carries what was decided and why, never what the caller sent as a secret: no token, cookie or
 * query string, and of the headers only what `sender.ts` names. `redact-path.ts` covers tokens that a confused client
 * puts into the path or into one of these.
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import { type Clock, systemClock } from '../lib/clock.ts'

export type Log = Logger

type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** A write carries this much when requests come fast; Docker takes 16 KiB at once. */
const WRITE_BYTES = 8 * 1024
const LONGEST_WAIT_MS = 100
/** A pipe takes this much as one piece, whoever else writes to it (`PIPE_BUF`, POSIX.1 `write`). */
const WHOLE_BYTES = 4 * 1024

/**
 * Writes to standard output many lines at a time, since a write for each would cost more than the line.
 *
 * It writes at once and not in the background: a block that is still on its way when the process fails would come after
 * the last lines, or never. A reader that stalls therefore stalls the gateway, as it does every program it reads from.
 *
 * A line waits 100 ms at most. Flush it before the process ends; a process that is killed (SIGKILL, out of memory)
 * takes the lines of its last 100 ms with it.
 */
export function logDestination() {
  return thatGivesUp(pino.destination({ dest: 1, sync: true, minLength: WRITE_BYTES, periodicFlush: LONGEST_WAIT_MS }))
}

/** Does the same where other processes write to it, too: its pieces are small enough that their lines do not mix. */
export function sharedLogDestination() {
  const minLength = WHOLE_BYTES / 2
  return thatGivesUp(
    pino.destination({ dest: 1, sync: true, minLength, maxWrite: WHOLE_BYTES, periodicFlush: LONGEST_WAIT_MS }),
  )
}

/**
 * A write that fails, as to a terminal that was closed or a disk that is full, ends the process. Its last flush would
 * then try to write the rest, again and again and without an end (sonic-boom 4.2), and so hold the ports.
 */
function thatGivesUp(destination: ReturnType<typeof pino.destination>) {
  destination.on('error', (error: NodeJS.ErrnoException) => {
    // pino itself writes no more where nobody reads.
    if (error.code === 'EPIPE') {
      Object.assign(destination, { isGone: true })
      return
    }
    destination.flushSync = () => {}
    throw error
  })
  return destination
}

/** @param clock tells what time a line says; the system's unless another is given */
export function createLog(level: LogLevel, destination: DestinationStream, clock: Clock = systemClock): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: timestamps(clock),
      formatters: { level: label => ({ level: label }) },
      redact: fence(SECRETS.flatMap(name => [name, `*.${name}`])),
    },
    destination,
  )
}

/** @returns the time as a member of a line, made once for all lines of a millisecond */
export function timestamps(clock: Clock): () => string {
  let writtenMs = Number.NaN
  let text = ''
  return () => {
    const nowMs = clock.nowMs()
    if (nowMs !== writtenMs) text = `,"time":"${new Date(nowMs).toISOString()}"`
    writtenMs = nowMs
    return text
  }
}

/**
 * Makes the log for lines whose members are a closed list and not secret, but for `foreign` ones,
 * which hold what others made.
 *
 * Looking into every member for a secret costs three times the rest of the line. Its level is always that of `log`.
 */
export function closedLog(log: Log, foreign: readonly string[]): Log {
  return log.child({}, { redact: fence(foreign.flatMap(member => SECRETS.map(name => `${member}.${name}`))) })
}

/** Members with these names must never be given to the log at all. */
const SECRETS = ['token', 'authorization', 'cookie', 'headers']
const REDACTED = '[redacted]'
const NAMED_SECRET = new RegExp(`"(?:${SECRETS.join('|')})":`)

/** This is a second fence behind the first. */
function fence(paths: string[]) {
  return { paths, censor }
}

/** A count of headers does not say what is in them. */
function censor(value: unknown): unknown {
  return typeof value === 'number' ? value : REDACTED
}

/** Writes what others made as JSON, behind the same fence. @returns undefined for what cannot be written */
export function fencedJson(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(value)
    // Looking at each member takes three times as long, and there is none of these.
    if (!NAMED_SECRET.test(text)) return text
    return JSON.stringify(value, (name, member: unknown) => (SECRETS.includes(name) ? censor(member) : member))
  } catch {
    return undefined
  }
}
