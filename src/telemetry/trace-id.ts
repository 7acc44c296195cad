/** Finds the trace that a request says it belongs to (W3C Trace Context §3.2). */
import { isTraceparent } from '../lib/traceparent.ts'

const NAME = 'traceparent'

/**
 * Returns 32 hex digits, as a copy: a part of a string keeps the whole string in memory, and later versions may be
 * long.
 *
 * @returns undefined without a valid `traceparent`; several lines count as none
 */
export function traceIdOf(rawHeaders: readonly string[]): string | undefined {
  let traceparent: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== NAME.length || name.toLowerCase() !== NAME) continue
    if (traceparent !== undefined) return undefined
    traceparent = rawHeaders[i + 1]
  }
  if (traceparent === undefined || !isTraceparent(traceparent)) return undefined
  return Buffer.from(traceparent.slice(3, 35), 'latin1').toString('latin1')
}
