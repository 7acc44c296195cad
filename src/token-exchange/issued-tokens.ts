/**
 * Keeps the tokens that an authorization server issued for the callers of one upstream: one exchange for each caller,
 * however many requests of it come, and none again until the token has nearly expired.
 *
 * RFC 8693. What is kept hangs on the claims of the principal, so that nobody gets what was issued for somebody else,
 * and it ends with the verdict about the caller's token. A server that does not answer is left alone for a while: then
 * requests are refused at once, and the exchange that finds out whether it is back runs beside them.
 */
import { Denial } from '../errors.ts'
import { Breaker, type BreakerState, retryAfterSecondsOf } from '../lib/breaker.ts'
import type { Clock } from '../lib/clock.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import { OAuthFailure } from '../oauth/oauth-failure.ts'
import type { IssuedToken, TokenExchangeClient } from '../oauth/token-exchange-client.ts'
import type { Claims, Principal } from '../types.ts'

/** What became of an exchange that was sent. */
export const EXCHANGE_RESULTS = ['ok', 'refused', 'unavailable'] as const
export type ExchangeResult = (typeof EXCHANGE_RESULTS)[number]

interface IssuedTokensOptions {
  readonly client: TokenExchangeClient
  readonly clock: Clock
  /** Called once for each exchange that was sent, with how long that took. */
  readonly onResult: (result: ExchangeResult, durationSeconds: number) => void
  readonly onBreaker: (from: BreakerState, to: BreakerState, reason: string) => void
}

/** Flat names and values. */
type Lines = readonly string[]

export interface IssuedTokens {
  /** Notes by which token a caller is known. Call it for each request. */
  brought(principal: Principal, token: string): void
  /**
   * Gives the header line for the service, at once where the caller has a token already.
   *
   * @throws {Denial} `exchange_refused`, `exchange_unavailable`
   */
  linesFor(principal: Principal): MaybePromise<Lines>
  status(): IssuedTokensStatus
  /** Ends all exchanges that are under way. */
  close(): Promise<void>
}

interface IssuedTokensStatus {
  /** Undefined until it is discovered. */
  readonly endpoint: string | undefined
  readonly breaker: BreakerState
  readonly nextTrySeconds: number | undefined
  readonly lastSuccessSeconds: number | undefined
  readonly lastFailureSeconds: number | undefined
  /** In our words; undefined once an exchange has succeeded. */
  readonly lastError: string | undefined
}

/** What is known of one caller. */
interface Caller {
  readonly token: string
  lines: Lines
  /** Until when `lines` are sent. Monotonic, as every time here. */
  untilMs: number
  refusal: Refusal | undefined
  flight: Promise<Lines> | undefined
}

interface Refusal {
  readonly code: 'exchange_refused' | 'exchange_unavailable'
  readonly reason: string
  readonly untilMs: number
  readonly cause: unknown
}

/** A token may be under way to the service for so long, or be checked by a clock that is fast. */
const MARGIN_SECONDS = 30
/** Where nobody says for how long a token is good. */
const UNKNOWN_LIFE_SECONDS = 30
/** Attack: a clock that is off, or a token that has expired when it comes, has every request of a caller ask again. */
const SHORTEST_SENT_SECONDS = 1
/** What was refused stays refused for so long. */
const REFUSED_MS = 5_000
/** A caller whose exchange got no answer waits for so long, so that its requests do not all wait for the timeout. */
const UNANSWERED_MS = 1_000
/** The most exchanges under way: each is a connection, and a caller who waits. */
const MOST_UNDER_WAY = 256

/**
 * RFC 6749 §5.2, RFC 8693 §2.2.2, RFC 8628 §3.5: the server has looked at this caller, and said no.
 *
 * RFC 8693 has `invalid_request` for a token that is not taken, too, but the same says that our request is wrong. The
 * caller could do nothing about that, so whoever meets it gets `exchange_unavailable`.
 */
export const OF_CALLER: ReadonlySet<unknown> = new Set(['invalid_grant', 'invalid_target', 'access_denied'])
/** The server does not take us, whoever the caller is. */
const OF_GATEWAY: ReadonlySet<unknown> = new Set(['invalid_client', 'unauthorized_client', 'unsupported_grant_type'])

const NO_LINES: Lines = Object.freeze([])

export function issuedTokens(options: IssuedTokensOptions): IssuedTokens {
  return new RememberedTokens(options)
}

class RememberedTokens implements IssuedTokens {
  readonly #options: IssuedTokensOptions
  readonly #breaker: Breaker
  /** A session may make a copy of its principal for each request, and all copies have the same claims. */
  readonly #callers = new WeakMap<Claims, Caller>()
  readonly #underWay = new Set<Promise<Lines>>()
  readonly #ended = new AbortController()
  #lastSuccessSeconds: number | undefined
  #lastFailureSeconds: number | undefined
  #lastError: string | undefined

  constructor(options: IssuedTokensOptions) {
    this.#options = options
    this.#breaker = new Breaker({ clock: options.clock, onChange: options.onBreaker })
  }

  brought({ claims }: Principal, token: string): void {
    // A session whose ID token says who it is may have another access token by now.
    if (this.#callers.get(claims)?.token === token) return
    this.#callers.set(claims, { token, lines: NO_LINES, untilMs: 0, refusal: undefined, flight: undefined })
  }

  linesFor(principal: Principal): MaybePromise<Lines> {
    const caller = this.#callers.get(principal.claims)
    if (caller === undefined) throw new Error('nobody has noted the token of this caller')
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs < caller.untilMs) return caller.lines
    const { refusal, flight } = caller
    if (flight === undefined) {
      if (refusal !== undefined && nowMs < refusal.untilMs) throw denialOf(refusal, nowMs)
      return this.#begin(caller, principal)
    }
    if (this.#breaker.state === 'closed') return flight
    throw this.#unasked(this.#whyOpen())
  }

  status(): IssuedTokensStatus {
    return {
      endpoint: this.#options.client.endpoint,
      breaker: this.#breaker.state,
      nextTrySeconds: this.#breaker.nextTrySeconds,
      lastSuccessSeconds: this.#lastSuccessSeconds,
      lastFailureSeconds: this.#lastFailureSeconds,
      lastError: this.#lastError,
    }
  }

  async close(): Promise<void> {
    this.#ended.abort(new OAuthFailure('unavailable', STOPPED))
    await Promise.allSettled(this.#underWay)
    this.#options.client.close()
  }

  /** @throws {Denial} nothing is sent for this request */
  #begin(caller: Caller, principal: Principal): Promise<Lines> {
    if (this.#ended.signal.aborted) throw this.#unasked(STOPPED)
    if (!this.#breaker.admits) throw this.#unasked(this.#whyOpen())
    if (this.#underWay.size >= MOST_UNDER_WAY) throw this.#unasked('too many exchanges are under way')
    const isProbe = this.#breaker.state !== 'closed'
    const flight = this.#exchange(caller, principal)
    caller.flight = flight
    this.#underWay.add(flight)
    const landed = (): void => {
      caller.flight = undefined
      this.#underWay.delete(flight)
    }
    flight.then(landed, landed)
    if (!isProbe) return flight
    // Whether the server is back shows without anybody who waits for it.
    throw this.#unasked(this.#whyOpen())
  }

  async #exchange(caller: Caller, principal: Principal): Promise<Lines> {
    const { client, clock, onResult } = this.#options
    const ticket = this.#breaker.sent()
    const askedAtMs = clock.monotonicMs()
    const askedAtSeconds = clock.nowMs() / 1_000
    const tookSeconds = (): number => (clock.monotonicMs() - askedAtMs) / 1_000
    try {
      const issued = await client.exchange(caller.token, this.#ended.signal)
      this.#breaker.succeeded(ticket)
      this.#noteSuccess()
      onResult('ok', tookSeconds())
      caller.lines = Object.freeze(['Authorization', `Bearer ${issued.text}`])
      caller.untilMs = askedAtMs + sentForSeconds(issued, principal.expiresAtSeconds - askedAtSeconds) * 1_000
      caller.refusal = undefined
      return caller.lines
    } catch (error) {
      const failure = error instanceof OAuthFailure ? error : unforeseen(error)
      const refusal = this.#refusalBy(failure, ticket)
      // What we break off ourselves says nothing about the server.
      if (!this.#ended.signal.aborted)
        onResult(refusal.code === 'exchange_refused' ? 'refused' : 'unavailable', tookSeconds())
      caller.refusal = refusal
      throw denialOf(refusal, clock.monotonicMs())
    }
  }

  #refusalBy(failure: OAuthFailure, ticket: ReturnType<Breaker['sent']>): Refusal {
    const { message: reason, cause, kind, code } = failure
    const nowMs = this.#options.clock.monotonicMs()
    if (kind === 'refused' && OF_CALLER.has(code)) {
      this.#breaker.succeeded(ticket)
      this.#noteSuccess()
      return { code: 'exchange_refused', reason, untilMs: nowMs + REFUSED_MS, cause }
    }
    if (this.#ended.signal.aborted) return { code: 'exchange_unavailable', reason, untilMs: nowMs, cause }
    this.#lastFailureSeconds = this.#options.clock.nowMs() / 1_000
    this.#lastError = reason
    const isOfOne = kind === 'refused' && !OF_GATEWAY.has(code)
    // Attack: a caller whose token the server always trips over must not shut the door to all others.
    if (isOfOne) this.#breaker.toldNothing(ticket, reason)
    else this.#breaker.failed(ticket, failure)
    const forMs = isOfOne ? REFUSED_MS : Math.max(UNANSWERED_MS, (retryAfterSecondsOf(failure) ?? 0) * 1_000)
    return { code: 'exchange_unavailable', reason, untilMs: nowMs + forMs, cause }
  }

  #noteSuccess(): void {
    this.#lastSuccessSeconds = this.#options.clock.nowMs() / 1_000
    this.#lastError = undefined
  }

  #unasked(reason: string): Denial {
    const { retryAfterSeconds } = this.#breaker
    return new Denial('exchange_unavailable', { evidence: { reason }, retryAfterSeconds })
  }

  #whyOpen(): string {
    return `the server is not asked for now: ${this.#lastError ?? 'it did not answer'}`
  }
}

const STOPPED = 'the gateway stopped asking this server'

function unforeseen(cause: unknown): OAuthFailure {
  return new OAuthFailure('unavailable', 'the exchange failed in a way that was not foreseen', { cause })
}

/** A token that lives for less than a minute is sent for half of its life, or each request would exchange one. */
function sentForSeconds({ expiresInSeconds: life }: IssuedToken, subjectLife: number): number {
  const sent = life === undefined ? UNKNOWN_LIFE_SECONDS : Math.max(life - MARGIN_SECONDS, life / 2)
  return Math.max(SHORTEST_SENT_SECONDS, Math.min(sent, subjectLife))
}

function denialOf({ code, reason, untilMs, cause }: Refusal, nowMs: number): Denial {
  if (code === 'exchange_refused') return new Denial(code, { evidence: { reason }, cause })
  const retryAfterSeconds = Math.max(1, Math.ceil((untilMs - nowMs) / 1_000))
  return new Denial(code, { evidence: { reason }, retryAfterSeconds, cause })
}
