/**
 * Makes ids, and decides by a trace's id whether it is recorded: whoever decides by the same share decides alike.
 *
 * OpenTelemetry's consistent probability sampling: the last digits of an id are random, and the share of ids with high
 * ones is recorded. The decision comes before anything else of a span is made.
 */
import { randomHex } from '../../lib/random-hex.ts'

export const TRACE_ID_DIGITS = 32
/** The last 13 of these digits are 52 bits, which a number holds exactly. */
const FIRST_COUNTED = TRACE_ID_DIGITS - 13
const COUNTED_RANGE = 2 ** 52

/** @returns the ids of a trace and of a span, one after the other */
export function newIds(): string {
  return randomHex(24)
}

export function newSpanId(): string {
  return randomHex(8)
}

/** @param share from 0 to 1 @returns is true for an id, as the first digits of a text, whose trace is recorded */
export function sampler(share: number): (ids: string) => boolean {
  if (share >= 1) return () => true
  if (share <= 0) return () => false
  const least = (1 - share) * COUNTED_RANGE
  return ids => Number.parseInt(ids.slice(FIRST_COUNTED, TRACE_ID_DIGITS), 16) >= least
}
