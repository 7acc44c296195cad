/**
 * Writes the log line of a request that passed: the one line that is written for nearly every request.
 *
 * pino looks at each member of an object to find out how to write it, which is most of what an access log costs. The
 * members of this line are known, so it is put together by hand, and looks as if pino had written it.
 */
import { pino } from 'pino'
import { boundedMemo } from '../lib/bounded-memo.ts'
import { systemClock } from '../lib/clock.ts'
import type { Log } from './log.ts'

export interface PassedRequest {
  /** As checked with the head: nothing in it has to be escaped. */
  readonly requestId: string
  readonly method: string
  readonly path: string
  readonly route: string
  readonly status: number | undefined
  readonly provider: string | undefined
  readonly subject: unknown
  readonly durationMs: number
  readonly upstreamMs: number | undefined
  readonly overheadMs: number
}

/** @param log its level must allow `info` whenever a line is written */
export function passedLines(log: Log): (request: PassedRequest) => void {
  const inner = log as unknown as Record<symbol, unknown>
  const stream = inner[pino.symbols.streamSym] as { write(line: string): void }
  // What every line of this log says besides, as of which process it is.
  const bindings = String(inner[pino.symbols.chindingsSym] ?? '')
  const timestamp = timestamps()
  const asJson = boundedMemo<string>(JSON.stringify, { maxEntries: 10_000, maxKeyLength: 256 })
  return request => {
    const { requestId, method, path, route, status, provider, subject } = request
    const who =
      provider === undefined ? '' : `,"provider":${asJson(provider)}${member('subject', JSON.stringify(subject))}`
    stream.write(
      `{"level":"info"${timestamp()}${bindings},"request_id":"${requestId}","method":"${method}","path":${JSON.stringify(path)},"route":${asJson(route)},"code":"ok"${member('status', status)}${who},"duration_ms":${rounded(request.durationMs)}${member('upstream_ms', rounded(request.upstreamMs))},"overhead_ms":${rounded(request.overheadMs)},"msg":"request passed"}\n`,
    )
  }
}

/** As pino writes them; once for all lines of a millisecond. */
function timestamps(): () => string {
  let writtenMs = Number.NaN
  let text = ''
  return () => {
    const nowMs = systemClock.nowMs()
    if (nowMs !== writtenMs) text = pino.stdTimeFunctions.isoTime()
    writtenMs = nowMs
    return text
  }
}

function member(name: string, value: string | number | undefined): string {
  return value === undefined ? '' : `,"${name}":${value}`
}

/** Milliseconds with microseconds. */
export function rounded(ms: number): number
export function rounded(ms: number | undefined): number | undefined
export function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 1000) / 1000
}
