/**
 * Writes the log line of a request that passed: the one line that is written for nearly every request.
 *
 * Its members are known, so it is put together by hand, in a quarter of the time that pino takes for it.
 */
import { boundedMemo } from '../lib/bounded-memo.ts'
import { infoLines } from '../node/pino-line.ts'
import type { Sender } from '../types.ts'
import type { Log } from './log.ts'

export interface PassedRequest {
  /** The client's, when it has passed the check of `request-id.ts`, else ours: nothing in it has to be escaped. */
  readonly requestId: string
  readonly sender: Sender
  /**
   * Nothing in it has to be escaped, either: it is one of those that Node knows, all of them letters and hyphens.
   * Node's parser of HTTP/1.1 takes no other, and `http2-request.ts` lets any other count as one that is refused.
   */
  readonly method: string
  readonly host: string | undefined
  readonly path: string
  /** Digits and dots. */
  readonly httpVersion: string
  readonly route: string
  readonly status: number | undefined
  readonly provider: string | undefined
  readonly subject: unknown
  readonly clientId: string | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  readonly durationMs: number
  readonly upstreamMs: number | undefined
  readonly overheadMs: number
}

/** @param log its level must allow `info` whenever a line is written */
export function passedLines(log: Log): (request: PassedRequest) => void {
  const { begin, end } = infoLines(log, 'request passed')
  /** There are as many routes and providers as the configuration has, and few hosts and programs. */
  const asJson = boundedMemo<string>(JSON.stringify, { maxEntries: 10_000, maxKeyLength: 256 })
  const member = (name: string, value: string | undefined): string =>
    value === undefined ? '' : `,"${name}":${asJson(value)}`
  return request => {
    const { requestId, method, path, httpVersion, route, provider, durationMs } = request
    const { client, userAgent, traceId } = request.sender
    let line = `${begin()},"request_id":"${requestId}"${plain('trace_id', traceId)}${plain('client', client)}`
    line = `${line},"method":"${method}"${member('host', request.host)},"path":${JSON.stringify(path)}`
    line = `${line},"protocol":"HTTP/${httpVersion}"${member('user_agent', userAgent)}`
    line = `${line},"route":${asJson(route)},"code":"ok"${number('status', request.status)}`
    if (provider !== undefined) {
      const subject = JSON.stringify(request.subject)
      line = `${line},"provider":${asJson(provider)}${subject === undefined ? '' : `,"subject":${subject}`}`
      line = `${line}${member('client_id', request.clientId)}`
    }
    line = `${line}${number('bytes_in', counted(request.bytesIn))}${number('bytes_out', counted(request.bytesOut))}`
    line = `${line},"duration_ms":${rounded(durationMs)}${number('upstream_ms', rounded(request.upstreamMs))}`
    end(`${line},"overhead_ms":${rounded(request.overheadMs)}`)
  }
}

/** @param value has nothing in it that must be escaped: an address or hex digits */
function plain(name: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${name}":"${value}"`
}

function number(name: string, value: number | undefined): string {
  return value === undefined ? '' : `,"${name}":${value}`
}

/** @returns undefined for none, so that a line says nothing of a body that was not there */
export function counted(bytes: number): number | undefined {
  return bytes === 0 ? undefined : bytes
}

/** @returns milliseconds, exact to the microsecond */
export function rounded(ms: number): number
export function rounded(ms: number | undefined): number | undefined
export function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 1000) / 1000
}
