/** Names the trace that a request says it belongs to. */
import { traceparentIn } from '../lib/traceparent.ts'

/**
 * Returns 32 hex digits, as a copy: a part of a string keeps the whole string in memory, and later versions may be
 * long.
 *
 * @returns undefined without a valid `traceparent`
 */
export function traceIdOf(rawHeaders: readonly string[]): string | undefined {
  const traceparent = traceparentIn(rawHeaders)
  return traceparent && Buffer.from(traceparent.slice(3, 35), 'latin1').toString('latin1')
}
