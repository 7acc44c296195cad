/**
 * Every way a request can be refused, in one table, and the two kinds of failure we expect.
 *
 * A stage throws {@link Denial} with a code from {@link DENIALS}; the gateway's error handler turns it into a response.
 * Nothing else in the codebase writes a status code or a `WWW-Authenticate` header.
 * Codes are stable: they are the metric label, the log field `code` and the body's `code`.
 *
 * RFC 6750 §3.1 (error codes of the challenge), RFC 9457 (problem details), RFC 9110 §15 (statuses).
 */

export interface DenialSpec {
  /** HTTP status of the response. */
  readonly status: number
  /** `error` of the Bearer challenge; absent where no credential was rejected (RFC 6750 §3.1). */
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope'
  /** Fixed, client-visible text. Evidence goes to the log, never here. */
  readonly title: string
}

export const DENIALS = {
  token_missing: { status: 401, title: 'Authentication required' },
  scheme_unsupported: { status: 401, title: 'The authentication scheme is not supported' },
  request_malformed: { status: 400, error: 'invalid_request', title: 'The request is malformed' },
  token_malformed: { status: 401, error: 'invalid_token', title: 'The access token is malformed' },
  issuer_unknown: { status: 401, error: 'invalid_token', title: 'The access token comes from an unknown issuer' },
  algorithm_not_allowed: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is signed in a way that is not accepted',
  },
  key_unknown: { status: 401, error: 'invalid_token', title: 'The access token is signed with an unknown key' },
  signature_invalid: { status: 401, error: 'invalid_token', title: 'The access token has an invalid signature' },
  token_expired: { status: 401, error: 'invalid_token', title: 'The access token expired' },
  token_not_yet_valid: { status: 401, error: 'invalid_token', title: 'The access token is not valid yet' },
  audience_mismatch: { status: 401, error: 'invalid_token', title: 'The access token is meant for another audience' },
  claim_invalid: { status: 401, error: 'invalid_token', title: 'The access token has a missing or malformed claim' },
  token_type_invalid: { status: 401, error: 'invalid_token', title: 'The token is not an access token' },
  token_lifetime_exceeded: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token lives longer than is accepted',
  },
  token_revoked: { status: 401, error: 'invalid_token', title: 'The access token was revoked' },
  token_inactive: { status: 401, error: 'invalid_token', title: 'The access token is not active' },
  proof_required: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is bound to a key and needs a proof',
  },
  scope_missing: { status: 403, error: 'insufficient_scope', title: 'The access token lacks a required scope' },
  claim_forbidden: { status: 403, title: 'The caller is not allowed to do this' },
  identity_too_large: { status: 403, title: 'The identity of the caller is too large to pass on' },
  path_invalid: { status: 400, title: 'The request target is not acceptable' },
  host_invalid: { status: 400, title: 'The host is missing or not acceptable' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  body_too_large: { status: 413, title: 'The request body is too large' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  route_unknown: { status: 404, title: 'No such route' },
  keys_unavailable: { status: 503, title: 'Authentication is temporarily unavailable' },
  introspection_unavailable: { status: 503, title: 'Authentication is temporarily unavailable' },
  revocation_unavailable: { status: 503, title: 'Authentication is temporarily unavailable' },
  overloaded: { status: 503, title: 'The gateway is overloaded' },
  draining: { status: 503, title: 'The gateway is shutting down' },
  upstream_unreachable: { status: 502, title: 'The service is unreachable' },
  upstream_timeout: { status: 504, title: 'The service did not answer in time' },
  internal: { status: 500, title: 'Internal error' },
} as const satisfies Record<string, DenialSpec>

export type DenialCode = keyof typeof DENIALS

/** All codes, in the order of the table. */
export const DENIAL_CODES = Object.keys(DENIALS) as readonly DenialCode[]

/** The upstream agreed to a WebSocket handshake (RFC 9110 §15.2.2): no response of ours, but the start of a tunnel. */
export const SWITCHING_PROTOCOLS = 101

/** RFC 9110 §15: no status is outside. */
export const LOWEST_STATUS = 100
export const HIGHEST_STATUS = 599

/** Of every gRPC response: whether the call went well stands in `grpc-status`. */
export const GRPC_HTTP_STATUS = 200

/** Statuses of the admin listener, which refuses nobody for a token. */
export const ADMIN_STATUS = { ok: 200, notReady: 503, notFound: 404, methodNotAllowed: 405 } as const

export interface DenialOptions {
  /** What was seen, for the operator's log only. Never a token, a secret or key material. */
  readonly evidence?: Readonly<Record<string, unknown>>
  /** Provider that was judging, when one was chosen. */
  readonly provider?: string
  /** Seconds for `Retry-After`; 503 refusals without one get 5. */
  readonly retryAfterSeconds?: number
  /** The technical failure behind a 5xx refusal, for the log. */
  readonly cause?: unknown
}

/** A refusal: an expected outcome, so it carries no stack. Thrown by every stage, handled in one place. */
export class Denial extends Error {
  override readonly name = 'Denial'
  readonly code: DenialCode
  readonly evidence: Readonly<Record<string, unknown>> | undefined
  readonly provider: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: DenialCode, options: DenialOptions = {}) {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(code, options.cause === undefined ? undefined : { cause: options.cause })
    Error.stackTraceLimit = limit
    this.code = code
    this.evidence = options.evidence
    this.provider = options.provider
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  get spec(): DenialSpec {
    return DENIALS[this.code]
  }
}

/** One problem of a configuration file. */
export interface ConfigProblem {
  /** Members and indexes from the document's root: `['routes', 0, 'path']`. */
  readonly path: ReadonlyArray<string | number>
  /** What is wrong and what to do about it, one sentence each. */
  readonly message: string
  /** 1-based; absent when the problem has no place in the text. */
  readonly line?: number
  readonly column?: number
}

/** The operator's configuration is wrong. Carries every problem at once and a text ready to print. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]

  /** @param report every problem as `file:line:column path: message` with its code frame */
  constructor(problems: readonly ConfigProblem[], report: string) {
    super(report)
    this.problems = problems
  }
}
