/**
 * Reads what an introspection endpoint answered: status and media type first, then JSON with a boolean `active`.
 *
 * RFC 7662 §2.2 and §2.3. Whatever is not exactly an answer is an outage, and never
 * means that a token is active or inactive. No text of the server gets into a message.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { retryAfterSeconds } from '../../lib/retry-after.ts'
import { parseStrictJson } from '../../lib/strict-json.ts'
import type { JsonObject, JsonValue } from '../../types.ts'
import { type Blamed, type IntrospectionAnswer, QuestionFailure } from './answer.ts'

export const MEDIA_TYPES = {
  json: 'application/json',
  jwt: 'application/token-introspection+jwt',
} as const

interface ReceivedAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer | undefined
}

interface Expected {
  readonly form: keyof typeof MEDIA_TYPES
  /** The endpoint, as messages name it. */
  readonly place: string
  readonly nowMs: number
}

/** @returns the body of a good answer @throws {QuestionFailure} it is none */
export function bodyOf({ status, headers, body }: ReceivedAnswer, { form, place, nowMs }: Expected): Buffer {
  if (status !== 200 || body === undefined) throw refused(status, place, retryAfterSeconds(status, headers, nowMs))
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== MEDIA_TYPES[form])
    throw new QuestionFailure(
      'invalid',
      `${place} did not answer with ${MEDIA_TYPES[form]}, as \`response: ${form}\` says`,
      { blames: 'either' },
    )
  return body
}

function refused(status: number, place: string, retryAfter: number | undefined): QuestionFailure {
  if (status === 401 || status === 403) {
    const text = `${place} refuses our client credentials (${status}); see \`client\``
    return new QuestionFailure('unauthorized', text, { blames: 'either' })
  }
  const text =
    status >= 300 && status < 400
      ? `${place} answered with a redirect (${status}), which is not followed`
      : `${place} answered ${status}`
  return new QuestionFailure('error', text, { retryAfterSeconds: retryAfter, blames: blamedBy(status) })
}

/** RFC 9110 §15.5 and §15.6. What says nothing of either may be due to a firewall that did not like the token. */
function blamedBy(status: number): Blamed {
  if (OWN_CONDITION.has(status)) return 'server'
  return OF_THE_QUESTION.has(status) ? 'question' : 'either'
}

/** The question is malformed, too long, or not understood. */
const OF_THE_QUESTION: ReadonlySet<number> = new Set([400, 413, 414, 422, 431])

/** Timeouts, limits and gateways that find nobody behind them are none of the token's doing. */
const OWN_CONDITION: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504])

const MAX_JSON_DEPTH = 32

/** @throws {QuestionFailure} it is no JSON object with a boolean `active` */
export function jsonAnswer(body: Buffer, place: string): IntrospectionAnswer {
  let value: unknown
  try {
    value = parseStrictJson(body, MAX_JSON_DEPTH)
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : 'unreadable'
    throw new QuestionFailure('invalid', `${place} did not answer with good JSON: ${reason}`, { blames: 'either' })
  }
  return answerIn(value, place)
}

/** @throws {QuestionFailure} it is no object with a boolean `active` */
export function answerIn(value: unknown, place: string): IntrospectionAnswer {
  const answer = answerOf(value)
  if (answer !== undefined) return answer
  const problem = isObject(value)
    ? 'did not say by a boolean whether the token is active'
    : 'did not answer with a JSON object'
  throw new QuestionFailure('invalid', `${place} ${problem}`, { blames: 'either' })
}

/** @returns undefined for what is no object with a boolean `active` */
export function answerOf(value: unknown): IntrospectionAnswer | undefined {
  if (!isObject(value)) return undefined
  const { active, ...claims } = value
  // A server that says anything else than a boolean is broken: nobody gets in by "true", nor is kept out by "false".
  if (typeof active !== 'boolean') return undefined
  return active ? Object.freeze({ active, claims: Object.freeze(stated(claims)) }) : INACTIVE
}

/**
 * Leaves out what says nothing: some servers send every member that they know, with `null` for those that a token
 * lacks, and Ory Hydra an empty list of audiences.
 */
function stated(claims: JsonObject): JsonObject {
  const isStated = ([name, value]: readonly [string, JsonValue]): boolean =>
    value !== null && !(name === 'aud' && Array.isArray(value) && value.length === 0)
  return Object.fromEntries(Object.entries(claims).filter(isStated))
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const INACTIVE: IntrospectionAnswer = Object.freeze({ active: false })
