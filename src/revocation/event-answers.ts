/**
 * Holds what the endpoints for signed events have in common: which requests they take, and what they keep to.
 *
 * RFC 9110 §15.5.6 (405 with `Allow`), §15.5.16 (415). No answer may be stored (Back-Channel Logout 1.0 §2.8).
 */
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { fieldValues } from '../lib/field-lines.ts'
import type { Answer, JsonObject, RequestFacts, StatementVerifier } from '../types.ts'
import { EventRefusal } from './event-claims.ts'
import { LONGEST_LIFE_SECONDS } from './logout-token.ts'
import type { Revocations } from './revocations.ts'
import type { Revoker } from './revoker.ts'
import { type UsedIds, usedIds } from './used-ids.ts'

type EventSource = 'logout' | 'signals'

/** Why an event is not taken, for the log: it never holds any of the event. */
export type OnEventRefused = (source: EventSource, provider: string, reason: string) => void

/** What the endpoints remember. There is one in a process, since a reload must not make it forget. */
export interface EventMemory {
  readonly logoutIds: UsedIds
  readonly signalIds: UsedIds
  /** Security events that are being verified now. */
  verifying: number
}

export interface EventEndpointOptions {
  readonly provider: string
  readonly events: StatementVerifier
  /** How long an entry is kept. */
  readonly keepSeconds: number
  readonly clock: Clock
  readonly memory: EventMemory
  readonly revoker: Pick<Revoker, 'revoke'>
  readonly revocations: Pick<Revocations, 'invalid' | 'acknowledged'>
  readonly onRefused: OnEventRefused
}

/** Of more, the oldest is forgotten: when it is used again, it revokes what it revoked before, and nothing else. */
const MOST_IDS = 100_000
/** The schema of providers allows no larger tolerance for clocks. */
const LONGEST_TOLERANCE_SECONDS = 600
const SIGNAL_IDS_KEPT_MS = 24 * 3_600_000

export function eventMemory(clock: Clock): EventMemory {
  const logoutKeptMs = (LONGEST_LIFE_SECONDS + 2 * LONGEST_TOLERANCE_SECONDS) * 1000
  return {
    logoutIds: usedIds({ clock, mostIds: MOST_IDS, keptMs: logoutKeptMs }),
    signalIds: usedIds({ clock, mostIds: MOST_IDS, keptMs: SIGNAL_IDS_KEPT_MS }),
    verifying: 0,
  }
}

/** The size of the largest event that is read. */
export const MOST_EVENT_BYTES = 64 * 1024

const AGAIN_AFTER_SECONDS = 1

const NOT_STORED = ['Cache-Control', 'no-store'] as const

export function emptyAnswer(status: number, headers: readonly string[] = []): Answer {
  return { status, headers: [...NOT_STORED, ...headers], body: '' }
}

export function jsonAnswer(status: number, body: JsonObject, headers: readonly string[] = []): Answer {
  return {
    status,
    headers: [...NOT_STORED, 'Content-Type', 'application/json', ...headers],
    body: JSON.stringify(body),
  }
}

export function comeAgain(seconds: number = AGAIN_AFTER_SECONDS): Answer {
  return emptyAnswer(503, ['Retry-After', String(seconds)])
}

/** @returns undefined for a method that is taken */
export function methodRefusal({ method }: RequestFacts): Answer | undefined {
  return method === 'POST' ? undefined : emptyAnswer(405, ['Allow', 'POST'])
}

/** @returns undefined for a request that says, once, that its body is of the type */
export function typeRefusal({ rawHeaders }: RequestFacts, mediaType: string): Answer | undefined {
  const [value, ...others] = fieldValues(rawHeaders, 'content-type')
  const isMeant = others.length === 0 && value?.split(';', 1)[0]?.trim().toLowerCase() === mediaType
  return isMeant ? undefined : emptyAnswer(415, ['Accept-Post', mediaType])
}

/** Why an event was not taken. */
interface Failure {
  /** `later`: it is our fault, and coming again may help. */
  readonly code: 'later' | 'invalid_request' | 'invalid_key' | 'invalid_issuer' | 'invalid_audience'
  readonly reason: string
  readonly retryAfterSeconds: number | undefined
}

const OF_KEYS: ReadonlySet<string> = new Set(['key_unknown', 'signature_invalid', 'algorithm_not_allowed'])

/** @throws what is neither a refusal nor a fault that was to be expected */
export function failureOf(error: unknown): Failure {
  if (error instanceof EventRefusal) return { code: error.code, reason: error.message, retryAfterSeconds: undefined }
  if (!(error instanceof Denial)) throw error
  const { code, spec, retryAfterSeconds } = error
  const of = (failure: Failure['code']): Failure => ({ code: failure, reason: code, retryAfterSeconds })
  if (spec.status >= 500) return of('later')
  if (code === 'issuer_unknown') return of('invalid_issuer')
  return of(OF_KEYS.has(code) ? 'invalid_key' : 'invalid_request')
}
