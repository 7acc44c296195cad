/**
 * The compiled policy, which is all that is needed to judge and forward requests, and the decision that it leads to.
 *
 * `config/compile.ts` makes and freezes it. Nothing on the request path sees the configuration as it was written.
 */
import type { Denial } from './errors.ts'
import type { Identity } from './identity/header-lines.ts'
import type { MaybePromise } from './lib/maybe-promise.ts'
import type { RouteLimits } from './limit/route-limits.ts'
import type { CallJudge } from './mcp/call-judge.ts'
import type { Cors } from './route/cors.ts'
import type { Matcher } from './route/match.ts'
import type { PathAllowance } from './route/target.ts'
import type { IssuedTokens } from './token-exchange/issued-tokens.ts'
import type {
  Answer,
  Authenticator,
  Authorizer,
  CredentialReader,
  CredentialRules,
  Peer,
  Principal,
  ProviderHealth,
  RequestFacts,
  RequestNotes,
  RequestTrace,
  Responder,
  RouteMetrics,
  TokenPlaces,
  TraceContext,
  Verification,
  WantedBody,
} from './types.ts'
import type { Upstream } from './upstream/connections.ts'

export interface Route {
  readonly kind: 'route'
  readonly id: string
  /** The pattern as written. */
  readonly path: string
  /** Undefined takes every method. GET stands for HEAD, too. */
  readonly methods: ReadonlySet<string> | undefined
  readonly pathAllow: ReadonlySet<PathAllowance>
  /** What is asked of a request, as one text. */
  readonly asks: string
  readonly access: 'required' | 'optional' | 'public'
  /** `report` decides and counts, but lets the request pass. */
  readonly mode: 'enforce' | 'report'
  /** Judges credentials against the route's providers; not called on public routes. */
  readonly authenticate: Authenticator
  /** Takes the credential from where the route allows it to be; undefined for `Authorization` alone. */
  readonly readCredential: CredentialReader | undefined
  /** Finds who has logged in, by a cookie; undefined for a route that takes no sessions. */
  readonly session: RouteSession | undefined
  readonly authorize: Authorizer
  /** Counts what may pass; undefined: as much as comes. */
  readonly limits: RouteLimits | undefined
  readonly challenge: RouteChallenge
  /** Which pages may read the answers; undefined: the gateway says nothing about it. */
  readonly cors: Cors | undefined
  /** Judges calls of tools by their bodies; undefined: no body is read. */
  readonly calls: CallJudge | undefined
  /** Whether a 401 of the service means that it refuses the gateway, and not the caller. */
  readonly hidesUnauthorized: boolean
  /** What the upstream gets of a request's headers. */
  readonly requestHeaders: RequestHeaders
  /** Tokens in place of those that callers brought; undefined where the upstream asks for none. */
  readonly issuedTokens: IssuedTokens | undefined
  readonly upstream: Upstream
  /** Longest time from the end of the request to the head of the response. */
  readonly headersTimeoutMs: number
  /** How long a stream may outlive its token; infinite where a token that expires does not end it. */
  readonly streamGraceMs: number
  /** How long a tunnel may be silent. */
  readonly tunnelIdleTimeoutMs: number
  readonly metrics: RouteMetrics
}

/** Finds out whose session a request brings. */
export interface RouteSession {
  /**
   * Returns undefined for a request that brings none, or none that may be used for it.
   *
   * @throws {Denial} `session_expired`, `session_reused`, `csrf_rejected`, `login_unavailable`,
   *   `session_store_unavailable`, or what the authenticator of its token throws
   */
  authenticate(facts: RequestFacts, notes: RequestNotes): MaybePromise<Principal | undefined>
  /** What the service is told, with the access token of a session among it where the service is to have tokens. */
  linesFor(principal: Principal, identityLines: readonly string[]): readonly string[]
  /** The access token of the session by which a caller is known, who is one of `authenticate`. */
  tokenOf(principal: Principal): string | undefined
  /** What becomes of a caller whose login is too weak: another login is no help when the last one was for this. */
  stepUpRefusal(principal: Principal, refusal: Denial, challenge: RouteChallenge): Denial
}

/** What a refused caller is told about what the route asks for. */
export interface RouteChallenge {
  /** RFC 6750 §3: the scopes the route asks for, space-separated. */
  readonly scope: string | undefined
  /** RFC 9470 §3: what `acr` may be, space-separated. */
  readonly acrValues: string | undefined
  /** RFC 9470 §3: how long ago the caller may have logged in. */
  readonly maxAgeSeconds: number | undefined
  /** RFC 9449 §5.1: algorithms of DPoP proofs, space-separated; undefined where no proof is judged. */
  readonly proofAlgorithms: string | undefined
  /** Whether a token without a DPoP proof can ever get in. */
  readonly takesBearer: boolean
  /** Whether tokens are taken at all: a route may take sessions alone. */
  readonly takesTokens: boolean
  /** Where people log in; undefined for a route that takes no sessions. */
  readonly login: { readonly path: string; readonly isForNavigations: boolean } | undefined
  /** RFC 9728 §5.1: the URL of the metadata of the protected resource; undefined for a route that is none. */
  readonly resourceMetadata: string | undefined
}

/**
 * A path of the traffic listener that the gateway answers itself. It wins over a route's `:name` and `/**`. Like a
 * route it is guarded against other spellings of its path (`route/readings.ts`).
 */
export interface Endpoint {
  readonly kind: 'endpoint'
  /** Label of its metrics and log lines, in parentheses to keep it apart from every route's. */
  readonly id: `(${string})`
  readonly path: string
  /** Undefined takes every method. GET stands for HEAD, too. */
  readonly methods: ReadonlySet<string> | undefined
  readonly respond: Responder
  /** What a refused caller is told; undefined: nothing of a route's. */
  readonly challenge?: RouteChallenge | undefined
  readonly metrics: RouteMetrics
}

interface Provider {
  readonly id: string
  readonly issuer: string
  health(): ProviderHealth
  /** The ids of the keys for encrypted tokens, the newest first; undefined where none are taken. */
  readonly decryptionKeys: readonly string[] | undefined
}

/** Limits judged per request; those of the socket are the server's. Sizes in bytes. */
interface RequestLimits {
  readonly maxHeaders: number
  readonly maxHeadBytes: number
  readonly bodyBytes: number
  readonly bodyIdleTimeoutMs: number
  /** Requests that may be under way at a time in this process. */
  readonly requests: number
}

/** What the upstream's header lines are made from. */
interface IncomingRequest {
  /** Flat names and values, as received. */
  readonly rawHeaders: readonly string[]
  /** As checked with the head. */
  readonly host: string
  readonly peer: Peer
  readonly requestId: string
  /** What the service is told of the trace; undefined: what the client has said about it, as it came. */
  readonly trace: TraceContext | undefined
  /** Empty for anonymous callers and public routes. */
  readonly identityLines: readonly string[]
}

/** Flat names and values for an upstream: exactly one `Host`, no `Connection`. */
export type RequestHeaders = (incoming: IncomingRequest) => string[]

export interface Policy {
  /** SHA-256 of the configuration as it was read, defaults filled in; first 12 hex digits. */
  readonly hash: string
  readonly routes: readonly Route[]
  readonly providers: readonly Provider[]
  readonly matcher: Matcher<Route | Endpoint>
  /** Whether there is a route that answers preflights. */
  readonly answersPreflights: boolean
  readonly identity: Identity
  /** Names that no client may send to the service, as far as they are known before any request. */
  readonly managedNames: readonly string[]
  /** Whether a name is one of these, in whatever spelling, or one that is reserved with a `*`. */
  readonly isManaged: (name: string) => boolean
  readonly credentialRules: CredentialRules
  /** Says which trace a request belongs to; undefined: the gateway makes none. */
  readonly traces: ((facts: RequestFacts) => RequestTrace) | undefined
  /** Undefined when `Authorization` is the only place of a token. */
  readonly tokenPlaces: TokenPlaces | undefined
  /**
   * Refuses a request in which a proxy that is believed names no certificate that can be told; undefined where
   * certificates come in no header.
   *
   * Throws a {@link Denial} with `request_malformed`.
   */
  readonly checkClientCertificate: ((facts: RequestFacts) => void) | undefined
  readonly limits: RequestLimits
  /** Finds the address of the client that the log names; undefined for a peer on a Unix socket that names none. */
  readonly clientAddress: (facts: Pick<RequestFacts, 'peer' | 'rawHeaders'>) => string | undefined
  /** Which requests the access log shows. */
  readonly accessLog: 'all' | 'denied' | 'off'
  /** Whether the token of a principal is revoked by now; undefined where the configuration asks for no revocation. */
  readonly isRevoked: ((principal: Principal) => boolean) | undefined
  /** Whether a value of `Set-Cookie` is about a cookie of ours; undefined where there are none. */
  readonly isOwnCookie: ((setCookie: string) => boolean) | undefined
}

/** What was found out about a request. For a request that was refused, it is what was known by then. */
export interface Findings {
  /** The checked `Host`; empty until the head is accepted. */
  readonly host: string
  /** Bytes of the body: 0 without one, undefined when only its end tells. */
  readonly bodyBytes: number | undefined
  /** At most one of `route` and `endpoint` is set, as soon as it is known. */
  readonly route: Route | undefined
  readonly endpoint: Endpoint | undefined
  /** Canonical path and query (with its `?`). They are forwarded exactly as they were judged. */
  readonly path: string
  readonly query: string
  /** True when nobody but the caller may keep the answer, as when the token came in the query (RFC 6750 §2.3). */
  readonly isPrivate: boolean
  readonly principal: Principal | undefined
  /** Flat names and values that tell the upstream who is calling. */
  readonly identityLines: readonly string[]
  /** Flat names and values that the answer carries besides, whatever it is. */
  readonly responseLines: readonly string[]
  /** Why the request would have been refused, if its route were not report-only. */
  readonly reported: Denial | undefined
  /** How its token was verified; undefined where it was not, or nobody measures it. */
  readonly verification: Verification | undefined
}

/** A request whose body says whether it may pass. */
export interface JudgedBody {
  /** A longer one is refused. The configuration may allow less. */
  readonly mostBytes: number
  /**
   * Call it once, when all of the body is there.
   *
   * @throws {Denial} the request is refused
   */
  judge(body: Buffer): ForwardDecision
}

export type ForwardDecision = Findings & { readonly kind: 'forward'; readonly route: Route }

/** What is to be done with a request that is not refused, and all that was found out about it. */
export type Decision =
  | ForwardDecision
  | (Findings & { readonly kind: 'respond'; readonly answer: Answer })
  /** The body has to be read, and is what the answer depends on. */
  | (Findings & { readonly kind: 'read'; readonly answer: WantedBody })
  /** The body has to be read, and is forwarded if it may pass. */
  | (Findings & { readonly kind: 'judge'; readonly route: Route; readonly answer: JudgedBody })

const NO_LINES: readonly string[] = Object.freeze([])

/** Findings while the decision is being made; only `decide` writes them. */
export class Undecided implements Findings, RequestNotes {
  kind: 'undecided' | Decision['kind'] = 'undecided'
  host = ''
  bodyBytes: number | undefined = 0
  route: Route | undefined
  endpoint: Endpoint | undefined
  path = ''
  query = ''
  isPrivate = false
  principal: Principal | undefined
  identityLines: readonly string[] = NO_LINES
  responseLines: readonly string[] = NO_LINES
  reported: Denial | undefined
  verification: Verification | undefined
  /** It is one field for all, because every request pays for each field. */
  answer: Answer | WantedBody | JudgedBody | undefined

  /** Lets go of what is copied from the head or made for the service. */
  forgetHead(): void {
    this.path = ''
    this.query = ''
    this.identityLines = NO_LINES
  }
}
