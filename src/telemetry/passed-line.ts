/**
 * Writes the log line of a request that passed: the one line that is written for nearly every request.
 *
 * Its members are known, so it is put together by hand, in a quarter of the time that pino takes for it.
 */
import { boundedMemo } from '../lib/bounded-memo.ts'
import { infoLines } from '../node/pino-line.ts'
import type { Log } from './log.ts'

export interface PassedRequest {
  /** The client's, when it has passed the check of `request-id.ts`, else ours: nothing in it has to be escaped. */
  readonly requestId: string
  /**
   * Nothing in it has to be escaped, either: it is one of those that Node knows, all of them letters and hyphens.
   * Node's parser of HTTP/1.1 takes no other, and `http2-request.ts` lets any other count as one that is refused.
   */
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
  const { begin, end } = infoLines(log, 'request passed')
  /** There are as many routes and providers as the configuration has. */
  const asJson = boundedMemo<string>(JSON.stringify, { maxEntries: 10_000, maxKeyLength: 256 })
  return ({ requestId, method, path, route, status, provider, subject, durationMs, upstreamMs, overheadMs }) => {
    let line = `${begin()},"request_id":"${requestId}","method":"${method}","path":${JSON.stringify(path)}`
    line = `${line},"route":${asJson(route)},"code":"ok"${member('status', status)}`
    if (provider !== undefined)
      line = `${line},"provider":${asJson(provider)}${member('subject', JSON.stringify(subject))}`
    line = `${line},"duration_ms":${rounded(durationMs)}${member('upstream_ms', rounded(upstreamMs))}`
    end(`${line},"overhead_ms":${rounded(overheadMs)}`)
  }
}

function member(name: string, value: string | number | undefined): string {
  return value === undefined ? '' : `,"${name}":${value}`
}

/** @returns milliseconds, exact to the microsecond */
export function rounded(ms: number): number
export function rounded(ms: number | undefined): number | undefined
export function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 1000) / 1000
}
