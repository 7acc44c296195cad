/**
 * Reads when a server wants to be asked again.
 *
 * RFC 9110 §10.2.3 (Retry-After, in seconds or as a date). Only where a server says that it has too much to do (429),
 * or is away for a while (503), is its time to come back heeded.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** @param nowMs what a date is compared with @returns undefined: it does not say, or not in a way that can be read */
export function retryAfterSeconds(status: number, headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const value = status === 429 || status === 503 ? headers['retry-after']?.trim() : undefined
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value)
  const untilMs = HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(untilMs) ? undefined : Math.max(0, Math.ceil((untilMs - nowMs) / 1_000))
}

/** RFC 9110 §5.6.7, the one form that is still sent. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/
