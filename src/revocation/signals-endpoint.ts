/**
 * Takes security events from a transmitter that pushes them: `POST` of a security event token.
 *
 * RFC 8935 (push delivery): 202 says that the event is ours from now on, so it is sent only once the event is stored.
 * The transmitter proves by a secret who it is, before anything of the body is read.
 */
import { fieldValues } from '../lib/field-lines.ts'
import { isOneOf } from '../lib/secrets.ts'
import type { Answer, RequestFacts, Responder } from '../types.ts'
import { type WrittenEntry, withTimes } from './entry.ts'
import {
  comeAgain,
  type EventEndpointOptions,
  emptyAnswer,
  failureOf,
  jsonAnswer,
  MOST_EVENT_BYTES,
  methodRefusal,
  typeRefusal,
} from './event-answers.ts'
import { securityEventOf } from './security-event.ts'

interface SignalsOptions extends EventEndpointOptions {
  readonly audience: string
  /** Any of them shows who is the transmitter. */
  readonly secrets: readonly Buffer[]
}

const MOST_VERIFICATIONS = 8

/** RFC 8935 §2.4; descriptions are fixed. */
const DESCRIPTIONS = {
  authentication_failed: 'The transmitter is not known here',
  invalid_request: 'The security event token is malformed',
  invalid_key: 'The security event token is not signed by a key of its issuer',
  invalid_issuer: 'The issuer is not the one that is taken here',
  invalid_audience: 'The audience is not ours',
} as const

export function signalsResponder(options: SignalsOptions): Responder {
  const { provider, events, keepSeconds, clock, memory, revoker, revocations, onRefused, audience, secrets } = options

  const take = async (body: Buffer): Promise<Answer> => {
    const signed = await events.verify(body.toString('latin1'))
    const nowSeconds = clock.nowMs() / 1000
    const { id, entries } = securityEventOf(signed, { audience, nowSeconds, verifier: events })
    if (memory.signalIds.has(id)) {
      revocations.acknowledged('signals', 'duplicate')
      return emptyAnswer(202)
    }
    if (entries.length === 0) revocations.acknowledged('signals', 'ignored')
    for (const entry of entries) if (!(await isStored(entry, nowSeconds))) return later('it cannot be stored')
    memory.signalIds.add(id)
    return emptyAnswer(202)
  }

  const isStored = async (entry: WrittenEntry, nowSeconds: number): Promise<boolean> => {
    try {
      const timed = withTimes(entry, Math.floor(nowSeconds), keepSeconds)
      const { result, isQueued } = await revoker.revoke(timed, 'signals')
      return result !== 'full' && !isQueued
    } catch {
      // The transmitter keeps the event, and brings it again.
      return false
    }
  }

  const later = (reason: string, seconds?: number): Answer => {
    onRefused('signals', provider, reason)
    return comeAgain(seconds)
  }

  const refused = (status: number, err: keyof typeof DESCRIPTIONS, reason: string, headers: readonly string[] = []) => {
    revocations.invalid('signals')
    onRefused('signals', provider, reason)
    return jsonAnswer(status, { err, description: DESCRIPTIONS[err] }, ['Content-Language', 'en', ...headers])
  }

  const answer = async (body: Buffer): Promise<Answer> => {
    if (memory.verifying >= MOST_VERIFICATIONS) return later('too many at a time')
    memory.verifying += 1
    try {
      return await take(body)
    } catch (error) {
      const { code, reason, retryAfterSeconds } = failureOf(error)
      return code === 'later' ? later(reason, retryAfterSeconds) : refused(400, code, reason)
    } finally {
      memory.verifying -= 1
    }
  }

  const senderRefusal = ({ rawHeaders }: RequestFacts): Answer | undefined => {
    const [value, ...others] = fieldValues(rawHeaders, 'authorization')
    const [, secret] = /^Bearer +(\S+)$/i.exec(value ?? '') ?? []
    if (others.length === 0 && secret !== undefined && isOneOf(secrets, secret)) return undefined
    const reason = secret === undefined ? 'no secret was sent' : 'a wrong secret was sent'
    return refused(401, 'authentication_failed', reason, ['WWW-Authenticate', 'Bearer realm="sallyport"'])
  }

  return facts =>
    methodRefusal(facts) ??
    senderRefusal(facts) ??
    typeRefusal(facts, 'application/secevent+jwt') ?? { mostBytes: MOST_EVENT_BYTES, answer }
}
