/**
 * The nouns of the gateway, in the order a request meets them; types and nothing else.
 *
 * RequestFacts and Credential (what arrived) → Principal (what was verified) → Route (what is asked of it) → Policy
 * (all routes).
 */
import type { MaybePromise } from './lib/maybe-promise.ts'

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

/** A request as far as it takes one to judge it: its head and where it came from, without a socket. */
export interface RequestFacts {
  readonly method: string
  /** The request target exactly as it arrived. */
  readonly target: string
  readonly httpVersion: string
  /** Flat names and values, as they were received. */
  readonly rawHeaders: readonly string[]
  readonly peer: Peer
  /** Whether frames of HTTP/2 say that there is a body; undefined over HTTP/1.1, where the head says it. */
  readonly hasBody: boolean | undefined
  /** The size of the head over HTTP/2; 0 over HTTP/1.1, whose parser has a limit of its own. */
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
 * One requirement of a route, judged on verified claims.
 *
 * @throws {Denial} `scope_missing`, `claim_forbidden` or `audience_mismatch`
 */
export type Authorizer = (principal: Principal) => void

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
