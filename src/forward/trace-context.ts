/**
 * Passes on the caller's trace, or starts one, so that the spans of the services behind us belong together.
 *
 * W3C Trace Context §3.2 (traceparent), §3.3 (tracestate). The gateway records no span, so the parent id passes
 * unchanged, and no log line names the trace.
 */
import { randomHex } from '../lib/random-hex.ts'
import type { TraceContext } from '../types.ts'

/** Version 00 has exactly these fields; a later one may append some (§3.2.4). */
const acceptable =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!^00.{53})-[\x21-\x7e]*)?$/

/** @param rawHeaders flat names and values; two `traceparent` lines count as none */
export function traceContext(rawHeaders: readonly string[]): TraceContext {
  let traceparent: string | undefined
  let tracestate: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== 11 && name.length !== 10) continue
    const lower = name.toLowerCase()
    const value = rawHeaders[i + 1] as string
    if (lower === 'traceparent') {
      if (traceparent !== undefined) return newTrace()
      traceparent = value
    } else if (lower === 'tracestate') {
      tracestate = tracestate === undefined ? value : `${tracestate},${value}`
    }
  }
  return traceparent !== undefined && acceptable.test(traceparent) ? { traceparent, tracestate } : newTrace()
}

/** Starts a trace. Its `sampled` flag is 0, because nothing has decided to record it (§3.2.2.5). */
function newTrace(): TraceContext {
  const digits = randomHex(24)
  return { traceparent: `00-${digits.slice(0, 32)}-${digits.slice(32)}-00`, tracestate: undefined }
}
