/**
 * Says whether a session comes from a login that was just asked for the same, so that nobody is sent to log in
 * again and again for what the provider does not do (RFC 9470 §3).
 */
import type { AskedOfLogin } from '../types.ts'
import type { SessionRecord } from './session.ts'

const JUST_NOW_MS = 60_000

/** A login that has to be newer than that is due again before. */
export function wasJustAsked(
  { asked, createdAtMs }: Pick<SessionRecord, 'asked' | 'createdAtMs'>,
  { acrValues, maxAgeSeconds }: AskedOfLogin,
  nowMs: number,
): boolean {
  if (asked === undefined || asked.acrValues !== acrValues || asked.maxAgeSeconds !== maxAgeSeconds) return false
  return nowMs - createdAtMs < Math.min(JUST_NOW_MS, (maxAgeSeconds ?? Number.POSITIVE_INFINITY) * 1_000)
}
