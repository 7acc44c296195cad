/**
 * The nouns of the gateway, in the order in which a request meets them; nothing in here exists at run time.
 *
 * RequestFacts (what was asked) → Credential (what arrived) → Principal (what was verified) → Answer or OpenStream
 * (what came of it), then what is counted, and keys. What is asked of a caller, and the decision that this leads to,
 * are in `policy.ts`.
 */
import type { DenialCode } from './errors.ts'
import type { Kept } from './lib/keeper.ts'
import type { MaybePromise } from './lib/maybe-promise.ts'
import type { Enrolled } from './lib/roster.ts'

/** A JSON value (RFC 8259). */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [member: string]: JsonValue
}

/** The JWT Claims Set (RFC 7519 §4). It has no member twice, and its depth is limited. */
export type Claims = JsonObject

/** The other end of the connection. */
export interface Peer {
  /** The socket's `remoteAddress`; undefined on a Unix socket. */
  readonly address: string | undefined
  readonly protocol: 'http' | 'https'
  /** SHA-256 of the certificate that it has shown, in base64url (RFC 8705 §3.1); undefined without one. */
  readonly certificateThumbprint?: string | undefined
}

/** What a decision may know of a request: everything that a policy judges, but no socket. */
export interface RequestFacts {
  readonly method: string
  /** The request target exactly as it arrived. */
  readonly target: string
  /** `1.0` or `1.1`, or else `2`, which no request line can say. */
  readonly httpVersion: string
  /** Flat names and values as received, all of them. */
  readonly rawHeaders: readonly string[]
  readonly peer: Peer
  /** Whether frames of HTTP/2 say that there is a body; undefined over HTTP/1.1, where the head says it. */
  readonly hasBody: boolean | undefined
  /** The size of the head over HTTP/2; 0 over HTTP/1.1, whose parser has a limit of its own. */
  readonly headBytes: number
}

/** How a token is presented: alone (RFC 6750 §2.1), or with a proof that its caller holds a key (RFC 9449 §7.1). */
export type AuthScheme = 'Bearer' | 'DPoP'

/**
 * What arrived in `Authorization` (RFC 6750 §2.1, RFC 9449 §7.1). Only its length has been checked. The authenticator
 * refuses what is not token68 as `request_malformed`, but need not look at a token that it knows.
 */
export interface Credential {
  readonly token: string
  /** What comes from another place than `Authorization` counts as `Bearer`. */
  readonly scheme: AuthScheme
  /** Where else it arrived; undefined for `Authorization`. From other places the token is checked to be token68. */
  readonly place?: 'header' | 'websocketProtocol' | 'query' | 'session'
  /** Who it is, where the login has said so. */
  readonly judged?: Principal | undefined
}

/** What is read as a credential. */
export interface CredentialRules {
  /** `limits.tokenBytes` */
  readonly tokenBytes: number
  /** Whether somebody judges proofs; if nobody does, their scheme is not supported. */
  readonly takesProofs: boolean
}

/** Requests to which browsers cannot add a header. */
export type QueryUse = 'websocket' | 'eventStream'

/** A place that a token may come from. */
export type CredentialSource =
  | 'authorization'
  | { readonly header: string }
  | { readonly websocketProtocol: string }
  /** Without `only` it may be used for every request. */
  | { readonly query: string; readonly only?: readonly QueryUse[] | undefined }

/**
 * Takes the credential out of a request, wherever the route allows it to be.
 *
 * @param query as it arrived, with its `?`
 * @throws {Denial} as `authenticate/extract.ts` does
 */
export type CredentialReader = (facts: RequestFacts, query: string) => Credential | undefined

/** The places besides `Authorization` that the configuration names. Nothing from there reaches a service. */
export interface TokenPlaces {
  /** The names of the headers, as the configuration has them. */
  readonly headers: readonly string[]
  /** Is true for a name that is read as that of a token's header, in whatever spelling. */
  isHeader(name: string): boolean
  /** @param query with its `?`, or empty @returns the query without any of the parameters, else byte for byte */
  withoutParameters(query: string): string
  /** Whether tokens may come as subprotocols. */
  readonly hasProtocols: boolean
  /** @param value of `Sec-WebSocket-Protocol`, all lines joined @returns what else is offered; empty for nothing */
  withoutProtocols(value: string): string
  /** Returns the name that a token was offered under, which a handshake may agree on; undefined without one. */
  agreedProtocol(rawHeaders: readonly string[]): string | undefined
}

/** Who is calling, made from verified claims only. All requests with the same token share one such object. */
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
  /** `exp`, seconds since the epoch; infinite where nobody says when the token expires. */
  readonly expiresAtSeconds: number
  /** Milliseconds since the epoch up to which the token is accepted: `exp` and the provider's clock tolerance. */
  readonly validUntilMs: number
  /** What the token is bound to; undefined for a bearer token, which anybody may use who has it. */
  readonly confirmation: Confirmation | undefined
  /** What is remembered about its revocation. */
  readonly standing: Standing
  /**
   * What others have worked out about the caller and need again. A copy with other claims, scopes or roles needs its
   * own; nothing is kept that depends on `validUntilMs` or `tenure`.
   */
  readonly kept: Kept
  /** What has to be asked again while a stream of the caller goes on; undefined where `exp` says it all. */
  readonly tenure: Tenure | undefined
}

/** Says for how long the token of an open stream is good, where only a server knows. */
export interface Tenure {
  /**
   * Why the stream has to end now; undefined while it may go on. It is called once a second for each stream, never
   * waits, and begins by itself to ask again what has to be asked again.
   */
  endedBy(): GrantEnd | undefined
}

/**
 * The keys that a token is bound to (`cnf`, RFC 7800 §3.1). Whoever presents it has to prove that he holds all of them.
 * Neither member is there when the token is bound in a way that the gateway does not know.
 */
export interface Confirmation {
  /** SHA-256 thumbprint of the key that signs DPoP proofs, in base64url (RFC 9449 §6.1, RFC 7638). */
  readonly jkt: string | undefined
  /** SHA-256 of a client certificate in DER, in base64url (`x5t#S256`, RFC 8705 §3.1). */
  readonly certificateThumbprint: string | undefined
}

/** What was found out about the revocation of a token. Only `authenticate/revoked.ts` writes it. */
export interface Standing {
  /** The fingerprints of all that the token can be revoked by: three numbers each. */
  fingerprints: ReadonlyArray<readonly [number, number, number]>
  /** Who has read them, since another reader may read other claims; undefined: nobody yet. */
  reader: object | undefined
  /** The generation of the revocations in which the token was found clear. */
  clearAt: number
}

/** What has been noted about a request by the time when its credential is judged; the judge may add to it. */
export interface RequestNotes {
  /** The path as it was judged. */
  readonly path: string
  /**
   * What the answer carries besides, whatever it will be: flat names and values, which replace those that the service
   * sends under the same names, but for `Vary` and `Set-Cookie`, which stand beside them.
   */
  responseLines: readonly string[]
  /** True when nobody but the caller may keep the answer. */
  isPrivate: boolean
  /** Set where somebody measures it, and the token had to be verified. */
  verification?: Verification | undefined
}

/**
 * Verifies a credential. It returns a promise only when something has to be waited for, so the hot path has none.
 *
 * @throws {Denial} the credential is refused, or we cannot judge it (503)
 */
export type Authenticator = (
  credential: Credential,
  facts: RequestFacts,
  notes: RequestNotes,
) => MaybePromise<Principal>

/** Wraps an authenticator with one further check of each request. */
export type AuthenticatorLayer = (inner: Authenticator) => Authenticator

/**
 * Judges one requirement of a route, on verified claims and on the request. It returns a promise only when it has to
 * wait. It keeps no state: routes that ask for the same share it, and a reload makes it anew.
 *
 * @param path as it was judged
 * @throws {Denial} the caller is known, and is refused
 */
export type Authorizer = (principal: Principal, facts: RequestFacts, path: string) => MaybePromise<void>

/** An answer of our own that is no refusal. */
export interface Answer {
  readonly status: number
  /** Flat names and values. */
  readonly headers: readonly string[]
  readonly body: string
}

/** What a provider has signed that is no access token: what has happened, or what it says of a token. */
export interface SignedStatement {
  /** `typ` in lower case, without `application/`. */
  readonly type: string | undefined
  /** `iss`, in the spelling that the provider has chosen. */
  readonly issuer: string
  /** Nobody has judged them but for `iss`. */
  readonly claims: Claims
}

/** Verifies the signed statements of one provider. */
export interface StatementVerifier {
  readonly clockToleranceSeconds: number
  /** Whether this is a spelling of the provider's one issuer; never for a template of issuers. */
  isIssuer(issuer: string): boolean
  /** It rejects with a `Denial`: the statement is not the provider's, or nobody can tell whether it is (503). */
  verify(token: string): Promise<SignedStatement>
}

/** What an endpoint of our own needs before it can answer: all of the request's body. */
export interface WantedBody {
  /** A longer one is refused. The configuration may allow less. */
  readonly mostBytes: number
  /** Called once, when all of the body is there. */
  answer(body: Buffer): MaybePromise<Answer>
}

/**
 * Answers a request to an endpoint of our own, or asks for its body first. Only {@link WantedBody.answer} changes
 * anything: commands ask a responder, too, and have no body to give.
 *
 * @throws {Denial} the request is refused
 */
export type Responder = (
  facts: RequestFacts,
  routes: OwnRoutes,
  notes: RequestNotes,
) => MaybePromise<Answer | WantedBody>

/** What an endpoint may ask about the routes beside it. */
export interface OwnRoutes {
  /**
   * What the route of a request asks of a login; undefined where no route takes it.
   *
   * @param method by default `GET`
   */
  asked(target: string, method?: string): AskedOfLogin | undefined
}

/** What a login has to be like (RFC 9470 §3). */
export interface AskedOfLogin {
  /** What `acr` may be, space-separated. */
  readonly acrValues: string | undefined
  /** How long ago it may be. */
  readonly maxAgeSeconds: number | undefined
}

/** The headers by which the gateway tells services which trace a request belongs to (W3C Trace Context §3.2, §3.3). */
export interface TraceContext {
  readonly traceparent: string
  /** The caller's own, all lines joined. It never goes together with a traceparent that the gateway has made. */
  readonly tracestate: string | undefined
}

/** What the log says of a request's head besides its target and its host. */
export interface Sender {
  /** The client's address, as far as we believe it. */
  readonly client: string | undefined
  /** `User-Agent`, short, printable and without tokens. */
  readonly userAgent: string | undefined
  /** 32 hex digits: the trace that the request belongs to. */
  readonly traceId: string | undefined
}

/** The trace of a request, where the gateway makes traces. */
export interface RequestTrace extends TraceContext {
  /** 32 hex digits: what log lines and audit records name, whether or not the trace is recorded. */
  readonly traceId: string
}

/** How a token was judged that no verdict was remembered of. */
export interface Verification {
  /** What the token cache said. */
  lookUp: 'miss' | 'shared' | 'stale'
  /** Monotonic milliseconds. */
  readonly startedMs: number
  /** Undefined until it has ended. */
  endedMs: number | undefined
}

/** Why the gateway closed a stream that both ends would have gone on with. */
export type StreamEnd = GrantEnd | 'stalled' | 'idle' | 'shutdown'

/**
 * Why what let a stream in is over: `unconfirmed` is when nobody can be asked any more whether it is, and `forbidden`
 * when the route asks for what a new token of the session does not have.
 */
export type GrantEnd = 'expired' | 'revoked' | 'inactive' | 'unconfirmed' | 'forbidden'

/** What became of a request while revocations may be missing: `exempt` is a token that lives for a short time. */
export type StaleDecision = 'allowed' | 'exempt' | 'refused'

/** How a token is bound. */
export type ProofKind = 'dpop' | 'certificate'

/** What became of a proof of possession; `valid_local` is one that only this process knows to be new. */
export type ProofResult =
  | 'valid'
  | 'valid_local'
  | 'required'
  | 'invalid'
  | 'nonce_required'
  | 'mismatch'
  | 'replayed'
  | 'overloaded'
  | 'unavailable'

/** A tunnel, or an answer that did not leave in one piece, while it goes on. */
export interface OpenStream extends Enrolled {
  /** Milliseconds since the epoch; infinite for anonymous callers, and where a token that expires does not end it. */
  readonly expiresAtMs: number
  /** Says how much has passed, both ways; undefined for answers. */
  readonly passedBytes: (() => number) | undefined
  readonly idleTimeoutMs: number
  /** How much had passed when that was last looked at. */
  seenBytes: number
  /** Monotonic milliseconds since when nothing has passed. */
  sinceMs: number
  close(end: StreamEnd): void
}

/** What one request adds to its route's series. Durations in seconds. */
interface RequestOutcome {
  readonly method: string
  readonly code: 'ok' | DenialCode
  /** Status sent to the client; undefined when the connection went away before a response. */
  readonly status: number | undefined
  readonly durationSeconds: number
  /** Time in the gateway itself, without that of the upstream. */
  readonly overheadSeconds: number
  /** Undefined when the upstream was not asked. */
  readonly upstreamSeconds: number | undefined
}

/** The metrics of one route. Its labels are set already. */
export interface RouteMetrics {
  observe(outcome: RequestOutcome): void
  /** Counts a request that a report-only route let pass, and that would have been refused. */
  reportDenial(code: DenialCode): void
  /** Counts a stream that the gateway closed. */
  streamClosed(reason: StreamEnd): void
  /** Counts a decision that was made while revocations may be missing. */
  decidedStale(decision: StaleDecision): void
  /** Counts an answer to a preflight. */
  answeredPreflight(result: PreflightResult): void
  /** Counts a request whose conditions (`require.when`) were judged: all hold, or one is false, or cannot be judged. */
  judgedConditions(outcome: ConditionOutcome): void
  /** Counts a call of a tool. @param tool as the configuration has it, or `other` */
  calledTool(tool: string, code: 'ok' | DenialCode): void
}

/** What became of the conditions of a route. */
export type ConditionOutcome = 'true' | 'false' | 'error'

/** What became of a login. */
export type LoginResult = 'begun' | 'ok' | 'failed' | 'unavailable'

/** What became of a renewal of a session's tokens; `shared` is one that another process made. */
export type RefreshResult = 'ok' | 'shared' | 'refused' | 'timeout' | 'error'

/** Why a session ended. */
export type SessionEnd =
  | 'logout'
  | 'revoked'
  | 'idle'
  | 'absolute'
  | 'refused'
  | 'reused'
  | 'replaced'
  | 'expired'
  | 'evicted'

/** What became of a preflight. */
export type PreflightResult = 'allowed' | 'refused'

/** A key that may verify signatures. The same JWK keeps the same object across refreshes of its set. */
export interface VerificationKey {
  readonly kid: string | undefined
  /** JWS algorithms (RFC 7518 §3.1, RFC 8037) that this key can verify. */
  readonly algorithms: ReadonlySet<string>
  /** The issuer whose tokens it verifies, with `{name}` for any tenant; undefined: any that shares its set. */
  readonly issuer?: string | undefined
  readonly key: import('node:crypto').KeyObject
}

/** What a token says about its key: its header (RFC 7515 §4.1), and whose it is. */
export interface KeyHint {
  readonly alg: string
  readonly kid: string | undefined
  /** Every spelling of the token's issuer. A key that is for certain issuers verifies it if it is for one of them. */
  readonly issuers: readonly string[]
}

/** The keys of one provider, which outlive a policy. */
export interface KeySet {
  /**
   * Returns the keys to try for a token, best first: at least one and at most three. It returns a promise only when no
   * fitting key is in hand.
   *
   * @throws {Denial} `key_unknown`, or `keys_unavailable` when we have no usable set
   */
  select(hint: KeyHint): readonly VerificationKey[] | Promise<readonly VerificationKey[]>
  /**
   * Is false once the key has left the set, or the set is too old to use. Verdicts that it gave no longer hold then.
   */
  isCurrent(key: VerificationKey): boolean
  /** Returns what `readyz`, `-/status` and the metrics show; no key material. */
  status(): KeySetStatus
}

export interface KeySetStatus {
  /** True when tokens can be judged: the set is there and inside its staleness bound. */
  readonly usable: boolean
  readonly keys: ReadonlyArray<{ readonly kid: string | undefined; readonly algorithms: readonly string[] }>
  /** Members of the set that was fetched last and were skipped, by reason. */
  readonly skipped: Readonly<Record<string, number>>
  /** Seconds since the epoch of the last good answer; undefined before the first. */
  readonly lastSuccessSeconds: number | undefined
  /** Why the last attempt failed, in our words; undefined when it did not. */
  readonly lastError: string | undefined
}

/** What became of a question about a token; `open` is an old answer that was used because no new one was to be had. */
export type IntrospectionResult =
  | 'active'
  | 'inactive'
  | 'timeout'
  | 'unauthorized'
  | 'error'
  | 'invalid'
  | 'rejected'
  | 'open'

/** What became of an encrypted token: `refused` is one whose header asks for what is not done. */
export type DecryptionResult = 'ok' | 'refused' | 'failed' | 'overloaded'

/** How it is going with the server that is asked about tokens, for `-/status` and the metrics. */
export interface IntrospectionStatus {
  /** Undefined until it is discovered. Its query is left out, since it may hold a key. */
  readonly endpoint: string | undefined
  /** `open`: nobody is asked. `probing`: one question finds out whether the server is back. */
  readonly breaker: 'closed' | 'open' | 'probing'
  /** Seconds since the epoch when the next question is tried; undefined while the breaker is closed. */
  readonly nextTrySeconds: number | undefined
  /** Seconds since the epoch of the last good answer, and of the last failure; undefined before the first. */
  readonly lastSuccessSeconds: number | undefined
  readonly lastFailureSeconds: number | undefined
  /** Why the last question failed, in our words; undefined when it did not. */
  readonly lastError: string | undefined
  /** Questions under way, and those that wait. */
  readonly inFlight: number
  readonly queued: number
  /** Tokens that are remembered. */
  readonly activeTokens: number
  readonly inactiveTokens: number
}

/** How a provider is doing, for `readyz`, `-/status` and the metrics; no key material. */
export type ProviderHealth = {
  /** True when tokens can be judged. */
  readonly usable: boolean
  /** Why the last attempt to get what that takes failed, in our words; undefined when it did not. */
  readonly lastError: string | undefined
} & (
  | { readonly kind: 'keys'; readonly keySet: KeySetStatus }
  | { readonly kind: 'introspection'; readonly introspection: IntrospectionStatus }
  /** It verifies nothing by keys, so that it lacks none. */
  | { readonly kind: 'keyless' }
)

/** How the sessions of a provider are doing, for `readyz` and `-/status`; no token, and nobody's name. */
export interface SessionStatus {
  /** Whether it is known where users log in, and why it is not, in our words. */
  readonly discovery: { readonly isDone: boolean; readonly lastError: string | undefined }
  /** How many this process knows. */
  readonly held: number
  /** Undefined before the first one. */
  readonly lastRefreshFailure: { readonly reason: string; readonly atSeconds: number } | undefined
  /** The same of the last login that did not succeed. */
  readonly lastLoginFailure: { readonly reason: string; readonly atSeconds: number } | undefined
  /** Undefined where the store does not share them. `unused`: nobody has asked it for a session yet. */
  readonly store: { readonly state: 'unused' | 'up' | 'down'; readonly lastError: string | undefined } | undefined
}
