/**
 * The nouns of the gateway, in the order a request meets them; nothing in here exists at run time.
 *
 * RequestFacts (what was asked) → Credential (what arrived) → Principal (what was verified) → Answer or stream. What is
 * asked of a caller, and the decision it leads to, are in `policy.ts`.
 */
import type { DenialCode } from './errors.ts'
import type { MaybePromise } from './lib/maybe-promise.ts'
import type { Enrolled } from './lib/roster.ts'

/** A JSON value (RFC 8259). */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [member: string]: JsonValue
}

/** The JWT Claims Set (RFC 7519 §4), names as the RFC spells them. Parsed without duplicates, bounded in depth. */
export type Claims = JsonObject

/** The other end of the connection. */
export interface Peer {
  /** The socket's `remoteAddress`; undefined on a Unix socket. */
  readonly address: string | undefined
  readonly protocol: 'http' | 'https'
}

/** What a decision may know of a request: all that a policy judges, and no socket. */
export interface RequestFacts {
  readonly method: string
  /** The request target exactly as it arrived. */
  readonly target: string
  /** `1.0`, `1.1`, or `2`, which is never what a request line says. */
  readonly httpVersion: string
  /** Flat names and values as received, all of them. */
  readonly rawHeaders: readonly string[]
  readonly peer: Peer
  /** Whether a body follows, where frames say so; undefined over HTTP/1.1, where the head does. */
  readonly hasBody: boolean | undefined
  /** Bytes of the head, where its parser has no limit of its own; else 0. */
  readonly headBytes: number
}

/**
 * What arrived in `Authorization: Bearer` (RFC 6750 §2.1). Only the length is checked: what is not token68 is refused
 * as `request_malformed` by the authenticator, which need not look at a token that it knows.
 */
export interface Credential {
  readonly token: string
}

/** Who is calling: made from verified claims only. One object per verified token, shared by all its requests. */
export interface Principal {
  /** Id of the provider that verified the token. */
  readonly provider: string
  readonly claims: Claims
  /** Granted scopes, from the provider's `scopeClaim`. */
  readonly scopes: ReadonlySet<string>
  /** Granted roles, from the provider's `rolesClaim`; scalars as strings. */
  readonly roles: ReadonlySet<string>
  /** `aud` as a list. */
  readonly audiences: readonly string[]
  /** `exp`, seconds since the epoch. */
  readonly expiresAtSeconds: number
  /** Milliseconds since the epoch up to which the token is accepted: `exp` and the provider's clock tolerance. */
  readonly validUntilMs: number
}

/**
 * Verifies the credential of a request. Answers at once when nothing has to be waited for: no promise on the hot path.
 *
 * @throws {Denial} the credential is refused, or we cannot judge it (503)
 */
export type Authenticator = (credential: Credential, facts: RequestFacts) => MaybePromise<Principal>

/** Wraps an authenticator with one further check of each request. */
export type AuthenticatorLayer = (inner: Authenticator) => Authenticator

/**
 * One requirement of a route, judged on verified claims and, where it asks for that, on the request. It answers at once
 * unless it has to wait.
 *
 * @throws {Denial} the caller is known, and is refused
 */
export type Authorizer = (principal: Principal, facts: RequestFacts) => MaybePromise<void>

/** An answer of our own that is no refusal. */
export interface Answer {
  readonly status: number
  /** Flat names and values. */
  readonly headers: readonly string[]
  readonly body: string
}

/** What proxies and services know a request by (W3C Trace Context §3.2, §3.3). */
export interface TraceContext {
  readonly traceparent: string
  /** The caller's, as it came, all lines joined; only ever beside the caller's own traceparent. */
  readonly tracestate: string | undefined
}

/** Why we closed a stream that both ends would have gone on with. */
export type StreamEnd = 'expired' | 'stalled' | 'idle' | 'shutdown'

/** A tunnel, or an answer that did not leave in one piece, while it goes on. */
export interface OpenStream extends Enrolled {
  /** Milliseconds since the epoch; infinite for anonymous callers and where streams are kept. */
  readonly expiresAtMs: number
  /** Undefined for answers. */
  readonly passedBytes: (() => number) | undefined
  readonly idleTimeoutMs: number
  /** What had passed at the last round, and the monotonic milliseconds since when it is the same. */
  seenBytes: number
  sinceMs: number
  close(end: StreamEnd): void
}

/** What one request adds to its route's series. Durations in seconds. */
export interface RequestOutcome {
  readonly method: string
  readonly code: 'ok' | DenialCode
  /** Status sent to the client; undefined when the connection went away before a response. */
  readonly status: number | undefined
  readonly durationSeconds: number
  /** Time in the gateway itself, the upstream's share taken out. */
  readonly overheadSeconds: number
  /** Undefined when the upstream was not asked. */
  readonly upstreamSeconds: number | undefined
}

/** The bound series of one route. */
export interface RouteMetrics {
  observe(outcome: RequestOutcome): void
  /** A report-only route let a request pass that would have been refused. */
  reportDenial(code: DenialCode): void
  /** We ended a stream that both ends would have gone on with. */
  streamClosed(reason: StreamEnd): void
}

/** A key that may verify signatures. The same JWK keeps the same object across refreshes of its set. */
export interface VerificationKey {
  readonly kid: string | undefined
  /** JWS algorithms (RFC 7518 §3.1, RFC 8037) that this key can verify. */
  readonly algorithms: ReadonlySet<string>
  readonly key: import('node:crypto').KeyObject
}

/** What a token says about its key (RFC 7515 §4.1). */
export interface KeyHint {
  readonly alg: string
  readonly kid: string | undefined
}

/** The keys of one provider. Outlives a policy. */
export interface KeySet {
  /**
   * The keys to try for a token, best first: never empty, at most three. Answers at once when a fitting key is in hand.
   *
   * @throws {Denial} `key_unknown`, or `keys_unavailable` when we have no usable set
   */
  select(hint: KeyHint): readonly VerificationKey[] | Promise<readonly VerificationKey[]>
  /** False once the key has left the set or the set is past its staleness bound: verdicts it gave die with it. */
  isCurrent(key: VerificationKey): boolean
  /** A picture for `readyz`, `-/status` and the metrics; no key material. */
  status(): KeySetStatus
}

export interface KeySetStatus {
  /** True when tokens can be judged: the set is there and inside its staleness bound. */
  readonly usable: boolean
  readonly keys: ReadonlyArray<{ readonly kid: string | undefined; readonly algorithms: readonly string[] }>
  /** Members of the set that were skipped, by reason. */
  readonly skipped: Readonly<Record<string, number>>
  /** Seconds since the epoch of the last good answer; undefined before the first. */
  readonly lastSuccessSeconds: number | undefined
  /** Why the last attempt failed, in our words; undefined when it did not. */
  readonly lastError: string | undefined
}

/** How a provider is doing, for `readyz`, `-/status` and the metrics; no key material. */
export interface ProviderHealth {
  /** True when tokens can be judged. */
  readonly usable: boolean
  /** Why the last attempt to get what that takes failed, in our words; undefined when it did not. */
  readonly lastError: string | undefined
  /** Undefined for a provider that verifies nothing by keys. */
  readonly keySet: KeySetStatus | undefined
}
