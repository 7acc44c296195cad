/**
 * Every way a request can be refused, in one table, and the two kinds of failure that are expected.
 *
 * A stage throws a {@link Denial} with a code from {@link DENIALS}, and `refusal/` turns it into an answer. No other
 * file decides what status a refusal has, and only `refusal/` writes `WWW-Authenticate`. All that is known about a
 * refusal stands in its row, and code that treats refusals in different ways derives that from the row. Codes are
 * stable: they are the metric label, the log field `code` and the body's `code`.
 *
 * RFC 6750 §3.1, RFC 9449 §7.1 and §9, RFC 9470 §3 (error codes of the challenges), RFC 9457 (problem details),
 * RFC 9110 §15 (statuses).
 */

/**
 * The stages at which a request can be refused, in the order in which it passes them; `anywhere` is for bugs. The first
 * list is passed before anybody looks into a token, the second are the checks of a token, as `sallyport token verify`
 * shows them, and the third is passed by a caller who is known.
 */
export const STAGES = {
  before: ['anywhere', 'receive', 'head', 'route', 'credential', 'session'],
  ofToken: [
    'form',
    'decryption',
    'issuer',
    'introspection',
    'algorithm',
    'key',
    'signature',
    'type',
    'claims',
    'audience',
    'lifetime',
    'time',
    'revocation',
    'proof',
  ],
  after: ['identity', 'requirements', 'limits', 'forward'],
} as const
export type TokenStage = (typeof STAGES.ofToken)[number]
export type Stage = (typeof STAGES)[keyof typeof STAGES][number]

export interface DenialSpec {
  /** HTTP status of the response. */
  readonly status: number
  /** `error` of the challenge; absent where no credential was rejected (RFC 6750 §3.1, RFC 9449 §7.1, RFC 9470 §3). */
  readonly error?:
    | 'invalid_request'
    | 'invalid_token'
    | 'insufficient_scope'
    | 'invalid_dpop_proof'
    | 'use_dpop_nonce'
    | 'insufficient_user_authentication'
  /** Fixed, client-visible text. Evidence goes to the log, never here. */
  readonly title: string
  readonly stage: Stage
  /** Set when it can happen before a route is chosen: `only` then, or then `too`. */
  readonly beforeRoute?: 'only' | 'too'
  /**
   * True when a report-only route notes it and lets the request pass. Limits of size, bugs and faults of the protected
   * service are not.
   */
  readonly reportable?: true
  /** True when nothing was presented that counts, so that somebody with a browser helps himself by logging in. */
  readonly loginHelps?: true
  /** True when nobody can tell where the next request begins, so that the connection has to end. */
  readonly closes?: true
  /** Seconds for `Retry-After` unless the {@link Denial} has its own; absent where coming again does not help. */
  readonly retryAfterSeconds?: number
  /** What can be done about it, for commands and the console; never told to a client. */
  readonly remedy: string
}

export const DENIALS = {
  token_missing: {
    status: 401,
    title: 'Authentication required',
    stage: 'credential',
    reportable: true,
    loginHelps: true,
    remedy:
      'Have the client send an access token, as `Authorization: Bearer …`. If it does, see what in front takes it away.',
  },
  session_expired: {
    status: 401,
    title: 'The session is over',
    stage: 'session',
    reportable: true,
    loginHelps: true,
    remedy: 'Have the person log in again. If it is too early for that, see `lifetime` and `store` of the provider.',
  },
  session_reused: {
    status: 401,
    title: 'The session was ended, because its cookie was used twice',
    stage: 'session',
    reportable: true,
    loginHelps: true,
    remedy: 'Treat it as a theft until you know better: compare address and time with other requests of this caller.',
  },
  csrf_rejected: {
    status: 403,
    title: 'The request was not sent by a page of this site',
    stage: 'session',
    beforeRoute: 'too',
    reportable: true,
    remedy: 'Send the request from a page of `publicUrl`, or add the origin of the page to `allowOrigins`.',
  },
  login_failed: {
    status: 400,
    title: 'The login did not succeed',
    stage: 'session',
    beforeRoute: 'only',
    remedy: 'The reason says what is wrong; config/sessions.md has a table of what to do.',
  },
  scheme_unsupported: {
    status: 401,
    title: 'The authentication scheme is not supported',
    stage: 'credential',
    reportable: true,
    remedy: 'Have the client send `Authorization: Bearer …`; `DPoP` needs a `dpop` block.',
  },
  request_malformed: {
    status: 400,
    error: 'invalid_request',
    title: 'The request is malformed',
    stage: 'head',
    beforeRoute: 'too',
    reportable: true,
    closes: true,
    remedy: 'Copy the token again: it holds characters that no token has.',
  },
  token_too_large: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is too large',
    stage: 'form',
    reportable: true,
    remedy:
      'Have the issuer put less into its tokens, such as fewer groups; or raise `limits.tokenBytes`, and ' +
      '`limits.headerBytes` with it.',
  },
  token_malformed: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is malformed',
    stage: 'form',
    reportable: true,
    remedy:
      'Check that this is the whole access token. An opaque one needs a provider of type `introspection` that takes it, ' +
      'and an encrypted one a provider that has `decryption`.',
  },
  decryption_failed: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token cannot be decrypted',
    stage: 'decryption',
    reportable: true,
    remedy:
      'Have the issuer encrypt for a key of `decryption.keyFiles`: `sallyport keys public` prints the set that it needs. ' +
      'A key that was taken out belongs back until the tokens that were made with it have expired.',
  },
  issuer_unknown: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token comes from an unknown issuer',
    stage: 'issuer',
    reportable: true,
    remedy:
      'Compare `iss` with `providers.*.issuer`, byte for byte: a slash at the end counts. ' +
      '`sallyport check --online` looks for that slip. A further spelling belongs to `issuerAliases`, a tenant to `tenants`. ' +
      'A JWT-SVID needs a provider whose `trustDomain` its `sub` is of.',
  },
  token_inactive: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is not active',
    stage: 'introspection',
    reportable: true,
    remedy:
      'Get a new token: the server says that this one has expired, was revoked, or is none of its own. If it says so of ' +
      'every token, see that its client (`client.id`) may ask about tokens of others.',
  },
  algorithm_not_allowed: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is signed in a way that is not accepted',
    stage: 'algorithm',
    reportable: true,
    remedy:
      'Have the issuer sign with an algorithm of `providers.*.algorithms`, or add its algorithm there. ' +
      'A token that carries a key is refused unless `ignoredHeaders` names its parameter; `crit` and `none` never pass. ' +
      'For an encrypted token the lists are `decryption.algorithms` and `decryption.encryptions`.',
  },
  key_unknown: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is signed with an unknown key',
    stage: 'key',
    reportable: true,
    remedy:
      'See that the issuer publishes the key named by `kid`, and that `keys` points to its key set, ' +
      'not to that of another realm or stage.',
  },
  signature_invalid: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token has an invalid signature',
    stage: 'signature',
    reportable: true,
    remedy:
      'Get a new token: this one was changed on its way, or signed by somebody else. ' +
      'A token of Microsoft Graph is not meant for others.',
  },
  token_expired: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token expired',
    stage: 'time',
    reportable: true,
    remedy: 'Get a new token. If it is new, compare the clocks of the issuer and of this machine.',
  },
  token_not_yet_valid: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is not valid yet',
    stage: 'time',
    reportable: true,
    remedy: 'Wait until `nbf`. If the token is in use already, compare the clocks of the issuer and of this machine.',
  },
  audience_mismatch: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is meant for another audience',
    stage: 'audience',
    reportable: true,
    remedy:
      'Ask the issuer for a token for this API, or add its audience to `providers.*.audiences`. ' +
      'What is meant for the `url` of a resource counts only on the routes with that `resource`. ' +
      'Where its tokens have no `aud`, name another claim in `audienceClaim`.',
  },
  claim_invalid: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token has a missing or malformed claim',
    stage: 'claims',
    reportable: true,
    remedy:
      'Have the issuer send the claim as the reason says, or take it out of `requiredClaims`. ' +
      'A `sub` that is a number needs `numericSubject`.',
  },
  token_type_invalid: {
    status: 401,
    error: 'invalid_token',
    title: 'The token is not an access token',
    stage: 'type',
    reportable: true,
    remedy: 'Send an access token, not an ID token; or set `tokenType: compatible` if the issuer does not type them.',
  },
  token_lifetime_exceeded: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token lives longer than is accepted',
    stage: 'lifetime',
    reportable: true,
    remedy: 'Have the issuer make shorter tokens, or raise `maxLifetime`.',
  },
  token_revoked: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token was revoked',
    stage: 'revocation',
    reportable: true,
    remedy:
      'Log in again: a new token is not meant, unless its `jti` or all of its issuer is revoked. ' +
      '`sallyport revocations check @token` names the entry.',
  },
  proof_required: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token needs a proof of possession',
    stage: 'proof',
    reportable: true,
    remedy:
      'Configure what the reason names, so that proofs can be judged; or have the issuer bind its tokens to nothing. ' +
      'If it is configured, have the issuer write a SHA-256 in base64url into `cnf.jkt` or `cnf.x5t#S256`.',
  },
  proof_invalid: {
    status: 401,
    error: 'invalid_dpop_proof',
    title: 'The DPoP proof is not valid',
    stage: 'proof',
    reportable: true,
    remedy: 'The reason says what is wrong. If it is `htu`, add the URL that clients use to `dpop.baseUrls`.',
  },
  proof_nonce_required: {
    status: 401,
    error: 'use_dpop_nonce',
    title: 'The DPoP proof needs a nonce of this server',
    stage: 'proof',
    reportable: true,
    remedy: 'Send the request again, with the value of `DPoP-Nonce` as `nonce` in the proof.',
  },
  proof_mismatch: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token is not bound to the key that was shown',
    stage: 'proof',
    reportable: true,
    remedy: 'Sign the proof with the key, or show the certificate, that the token was issued for.',
  },
  proof_replayed: {
    status: 401,
    error: 'invalid_dpop_proof',
    title: 'The DPoP proof was used before',
    stage: 'proof',
    reportable: true,
    remedy: 'Make a new proof, with a `jti` of its own, for each request, also when it is sent again.',
  },
  step_up_required: {
    status: 401,
    error: 'insufficient_user_authentication',
    title: 'A stronger or more recent authentication is required',
    stage: 'requirements',
    reportable: true,
    remedy: 'Have the client ask for a new login, with the `acr_values` and the `max_age` of the challenge.',
  },
  step_up_failed: {
    status: 403,
    title: 'The login was not as strong or as recent as is required',
    stage: 'requirements',
    reportable: true,
    remedy: 'See that the provider heeds `acr_values` and `max_age`, and that the person can log in as `require` asks.',
  },
  token_too_old: {
    status: 401,
    error: 'invalid_token',
    title: 'The access token was issued too long ago',
    stage: 'requirements',
    reportable: true,
    remedy: 'Have the client refresh its token before it calls, or raise `require.tokenAge`.',
  },
  scope_missing: {
    status: 403,
    error: 'insufficient_scope',
    title: 'The access token lacks a required scope',
    stage: 'requirements',
    reportable: true,
    remedy: 'Have the client ask for a token with the missing scopes, or change `require` of the route.',
  },
  claim_forbidden: {
    status: 403,
    title: 'The caller is not allowed to do this',
    stage: 'requirements',
    reportable: true,
    remedy:
      'Give the caller what the route asks for at the identity provider, or change `require` or the `tools` of the route.',
  },
  cors_refused: {
    status: 403,
    title: 'Pages of this origin may not send this request',
    stage: 'route',
    beforeRoute: 'too',
    remedy:
      'If the origin is yours, add it to `cors.origins`, and see that a route takes the method; if not, nothing is wrong.',
  },
  origin_forbidden: {
    status: 403,
    title: 'Requests of this origin are not allowed',
    stage: 'route',
    reportable: true,
    remedy: 'If the origin is yours, add it to `cors.origins` of the route; if not, nothing is wrong.',
  },
  caller_untrusted: {
    status: 403,
    title: 'This peer may not ask for decisions',
    stage: 'receive',
    beforeRoute: 'only',
    closes: true,
    remedy:
      'If the peer is your proxy, add its address to `decide.trustedProxies`; if not, find out who asks, and why.',
  },
  route_undecidable: {
    status: 403,
    title: 'Only the gateway itself can serve this route',
    stage: 'route',
    remedy:
      'Have the proxy pass requests of this path on to `listen` of the gateway: what it asks for takes more than a yes or no.',
  },
  identity_too_large: {
    status: 403,
    title: 'The identity of the caller is too large to pass on',
    stage: 'identity',
    remedy:
      'Have the issuer put less into its tokens, pass on fewer claims in `identity.headers`, or raise `identity.maxBytes`.',
  },
  path_invalid: {
    status: 400,
    title: 'The request target is not acceptable',
    stage: 'route',
    beforeRoute: 'only',
    remedy: 'Have the client send the plain spelling of the path; where the service needs this one, see `pathAllow`.',
  },
  host_invalid: {
    status: 400,
    title: 'The host is missing or not acceptable',
    stage: 'head',
    beforeRoute: 'only',
    remedy: 'Have the client, or the proxy in front, send one `Host` that is a host name or an address.',
  },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    stage: 'receive',
    beforeRoute: 'too',
    closes: true,
    remedy: 'See why the client is that slow, or raise `limits.headersTimeout` or `limits.bodyIdleTimeout`.',
  },
  body_too_large: {
    status: 413,
    title: 'The request body is too large',
    stage: 'route',
    remedy: 'Have the client send less, or raise `limits.bodyBytes` (`mcp.maxBody` where the body is judged).',
  },
  headers_too_large: {
    status: 431,
    title: 'The request headers are too large',
    stage: 'head',
    // A service that speaks HTTP/2 may take less than we do.
    beforeRoute: 'too',
    remedy:
      'Have the client send fewer headers and smaller cookies, or raise `limits.headerBytes` or `limits.headers`.',
  },
  route_unknown: {
    status: 404,
    title: 'No such route',
    stage: 'route',
    beforeRoute: 'only',
    remedy: 'Have the client correct path or method, or add a route: the gateway forwards nothing else.',
  },
  keys_unavailable: {
    status: 503,
    title: 'Authentication is temporarily unavailable',
    stage: 'key',
    reportable: true,
    retryAfterSeconds: 5,
    remedy: 'See that the key server answers: `sallyport check --online` says what is wrong with it.',
  },
  introspection_unavailable: {
    status: 503,
    title: 'Authentication is temporarily unavailable',
    stage: 'introspection',
    reportable: true,
    retryAfterSeconds: 1,
    remedy:
      'The reason says what to mend. `sallyport check --online` asks the server as the gateway does, and ' +
      'config/introspection.md has a section on outages ("When the server does not answer").',
  },
  revocation_unavailable: {
    status: 503,
    title: 'Authentication is temporarily unavailable',
    stage: 'revocation',
    reportable: true,
    retryAfterSeconds: 5,
    remedy: 'See that the store answers: `sallyport check --online` says what is wrong with it.',
  },
  replay_store_unavailable: {
    status: 503,
    title: 'Authentication is temporarily unavailable',
    stage: 'proof',
    reportable: true,
    retryAfterSeconds: 5,
    remedy: 'See that the store answers: `sallyport check --online` says what is wrong with it.',
  },
  login_unavailable: {
    status: 503,
    title: 'The login is temporarily unavailable',
    stage: 'session',
    beforeRoute: 'too',
    reportable: true,
    retryAfterSeconds: 5,
    remedy: 'See that the provider is up and takes our credentials: `sallyport check --online` tries it.',
  },
  session_store_unavailable: {
    status: 503,
    title: 'Sessions are temporarily unavailable',
    stage: 'session',
    beforeRoute: 'too',
    reportable: true,
    retryAfterSeconds: 5,
    remedy: 'Bring the store back; nothing has to be restarted.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    stage: 'limits',
    reportable: true,
    remedy:
      'The evidence names the limits that were met. If they are too low for this caller, raise `rate` or `burst`.',
  },
  rate_limit_unavailable: {
    status: 503,
    title: 'Nobody can tell how much was used',
    stage: 'limits',
    reportable: true,
    retryAfterSeconds: 1,
    remedy: 'Bring the store back, or let each process count for itself meanwhile with `onFailure: local`.',
  },
  overloaded: {
    status: 503,
    title: 'The gateway is overloaded',
    stage: 'receive',
    // All connections to the service of a route may be in use, too.
    beforeRoute: 'too',
    // A report-only route notes that no further proof can be remembered, and lets the request pass.
    reportable: true,
    // Overload is over in moments, or another instance is free.
    retryAfterSeconds: 1,
    remedy: 'The reason says which limit was met: raise it, give the gateway more processor time, or add replicas.',
  },
  audit_unavailable: {
    status: 503,
    title: 'The gateway is temporarily unavailable',
    stage: 'forward',
    // Answers of our own are decisions, too. It is not reportable: nothing passes that is not on record.
    beforeRoute: 'too',
    retryAfterSeconds: 5,
    remedy: 'Make room on the disk, or mend owner and mode of the audit file: the log says why it cannot be written.',
  },
  draining: {
    status: 503,
    title: 'The gateway is shutting down',
    stage: 'forward',
    retryAfterSeconds: 5,
    remedy:
      'Nothing is wrong when the gateway is meant to stop. If it often happens, let the service stop after its requests.',
  },
  exchange_refused: {
    status: 403,
    title: 'No token was issued for the service',
    stage: 'forward',
    remedy:
      'The server refuses this caller or the audience: let the client of `exchange` have tokens for `audience` there, ' +
      'and let it exchange those of this caller.',
  },
  exchange_unavailable: {
    status: 503,
    title: 'No token can be had for the service at the moment',
    stage: 'forward',
    retryAfterSeconds: 1,
    remedy:
      'See that the token endpoint of `exchange` is up and takes our credentials: the reason says what came of it.',
  },
  upstream_unauthorized: {
    status: 502,
    title: 'The service refused the gateway',
    stage: 'forward',
    remedy: "Switch off the service's own check of tokens, or give it what it asks for: config/mcp.md says how.",
  },
  upstream_unreachable: {
    status: 502,
    title: 'The service is unreachable',
    stage: 'forward',
    remedy: 'Start the service, or correct `url` of the upstream: `sallyport doctor --online` tries it.',
  },
  upstream_timeout: {
    status: 504,
    title: 'The service did not answer in time',
    stage: 'forward',
    remedy: 'See why the service is slow, or raise `timeouts.headers` of the upstream.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    stage: 'anywhere',
    beforeRoute: 'too',
    remedy: 'This is a bug of the gateway: report it, with the stack of its line in the log.',
  },
} as const satisfies Record<string, DenialSpec>

export type DenialCode = keyof typeof DENIALS

/** The codes that belong to one stage. */
export type DenialCodeOf<S extends Stage> = {
  [Code in DenialCode]: (typeof DENIALS)[Code]['stage'] extends S ? Code : never
}[DenialCode]

/** Every code, in the order of the table. */
export const DENIAL_CODES = Object.keys(DENIALS) as readonly DenialCode[]

/** Returns the row of a code, in a type that has the members that the row leaves out, too. */
export function denialSpec(code: DenialCode): DenialSpec {
  return DENIALS[code]
}

/** Who is calling is not known (RFC 9110 §15.5.2), or may not do this (§15.5.4): what every proxy takes for a no. */
export const UNAUTHORIZED = 401
export const FORBIDDEN = 403

/** The status of an upstream that agrees to a WebSocket handshake (RFC 9110 §15.2.2), with which a tunnel begins. */
export const SWITCHING_PROTOCOLS = 101

/** The status of an answer that has no content, whatever the service sends with it (RFC 9110 §15.3.6). */
export const RESET_CONTENT = 205

/** RFC 9110 §15: every status is between these two. */
export const LOWEST_STATUS = 100
export const HIGHEST_STATUS = 599

/** The status of every gRPC response, since `grpc-status` says whether the call went well. */
export const GRPC_HTTP_STATUS = 200

/** Statuses of the admin listener, which refuses nobody for an access token. */
export const ADMIN_STATUS = {
  ok: 200,
  /** It is done here, and will be everywhere. */
  accepted: 202,
  malformed: 400,
  secretWrong: 401,
  forbidden: 403,
  notFound: 404,
  methodNotAllowed: 405,
  tooLarge: 413,
  typeUnsupported: 415,
  notReady: 503,
  busy: 503,
} as const

interface DenialOptions {
  /** What was seen, for the operator's log only. Never a token, a secret or key material. */
  readonly evidence?: Readonly<Record<string, unknown>>
  /** Provider that was judging, when one was chosen. */
  readonly provider?: string
  /** Seconds for `Retry-After`, in place of those of the table. */
  readonly retryAfterSeconds?: number
  /** The same, more exactly; `Retry-After` is at least a second then. */
  readonly retryAfterMs?: number
  /** Limits that were met, by their ids. */
  readonly violatedPolicies?: readonly string[]
  /** The technical failure behind a 5xx refusal, for the log. */
  readonly cause?: unknown
  /** Scopes that the challenge asks for in place of the route's, space-separated. */
  readonly scope?: string
  /** The call that is answered, where the client understands errors of JSON-RPC alone. */
  readonly rpc?: RpcError
  /** True when a login helps this caller, in place of what the table says. */
  readonly loginHelps?: true
}

/** An error of JSON-RPC 2.0 (§5.1) that a refusal's body carries besides. */
export interface RpcError {
  /** Of the call; undefined where it has none that can be told. */
  readonly id: string | number | undefined
  readonly code: number
}

/** A refusal, which any stage may throw. It is an expected outcome, so it carries no stack. */
export class Denial extends Error {
  override readonly name = 'Denial'
  readonly code: DenialCode
  readonly evidence: Readonly<Record<string, unknown>> | undefined
  readonly provider: string | undefined
  /** Seconds for `Retry-After`; undefined where coming again does not help. */
  readonly retryAfterSeconds: number | undefined
  /** The same in milliseconds, where it is known so exactly. */
  readonly retryAfterMs: number | undefined
  /** Limits that were met, by their ids. */
  readonly violatedPolicies: readonly string[] | undefined
  /** Scopes that the challenge asks for in place of the route's, space-separated. */
  readonly scope: string | undefined
  readonly rpc: RpcError | undefined
  readonly #loginHelps: true | undefined

  constructor(code: DenialCode, options: DenialOptions = {}) {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(code, options.cause === undefined ? undefined : { cause: options.cause })
    Error.stackTraceLimit = limit
    this.code = code
    this.evidence = options.evidence
    this.provider = options.provider
    this.retryAfterMs = options.retryAfterMs
    this.retryAfterSeconds =
      options.retryAfterMs === undefined
        ? (options.retryAfterSeconds ?? denialSpec(code).retryAfterSeconds)
        : Math.max(1, Math.ceil(options.retryAfterMs / 1_000))
    this.violatedPolicies = options.violatedPolicies
    this.scope = options.scope
    this.rpc = options.rpc
    this.#loginHelps = options.loginHelps
  }

  get spec(): DenialSpec {
    return denialSpec(this.code)
  }

  /** Whether whoever looks at a page is sent to log in. */
  get loginHelps(): boolean {
    return this.#loginHelps ?? this.spec.loginHelps === true
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
  /** The included file that the problem is in; absent when it is in the file that was asked for. */
  readonly file?: string
}

/** The operator's configuration is wrong. It carries every problem at once, and a text that is ready to print. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]

  /** @param report every problem as `file:line:column path: message` with its code frame */
  constructor(problems: readonly ConfigProblem[], report: string) {
    super(report)
    this.problems = problems
  }
}
