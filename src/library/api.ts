/**
 * The types that an application sees. They stand by themselves: of what is inside, nothing shows but the refusal codes.
 *
 * The `declare module` at the end gives Fastify's own types what the guard adds to them.
 */
import type { DenialCode } from '../errors.ts'

export type { DenialCode } from '../errors.ts'

/** A JSON value. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [member: string]: JsonValue }

/** The claims of a verified token (RFC 7519 §4). */
export interface Claims {
  readonly iss?: string
  readonly sub?: string
  readonly [name: string]: JsonValue | undefined
}

/** Who is calling, made from verified claims only. It is frozen: all requests with one token share it. */
export interface Principal {
  /** The id of the provider that verified the token. */
  readonly provider: string
  readonly claims: Claims
  readonly scopes: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
  /** `aud` as a list. */
  readonly audiences: readonly string[]
  /** `exp`, seconds since the epoch; infinite where nobody says when the token expires. */
  readonly expiresAtSeconds: number
}

/** A configuration as an object, with the keys of the file. */
export type ConfigObject = Readonly<Record<string, unknown>>

export type Environment = Readonly<Record<string, string | undefined>>

export interface SallyportOptions {
  /** The path of the configuration file, or what it would hold as an object. */
  readonly config: string | ConfigObject
  /** Where `${NAME}` is looked up; the environment of the process unless another is given. */
  readonly env?: Environment
  /** Whether a file that has changed is put in force. Default true. */
  readonly watch?: boolean
}

/** How the guard is doing: what `GET /-/status` of a gateway shows. */
export interface SallyportStatus {
  /** True when tokens of every provider can be judged. */
  readonly ready: boolean
  /** Why it is not ready, one line each. */
  readonly reasons: readonly string[]
  readonly config_hash: string
  readonly [detail: string]: unknown
}

/** What became of a reload: the configuration is in force, or the one before it stays for these reasons. */
export interface Reloaded {
  readonly isInForce: boolean
  readonly problems: readonly string[]
}

/** The guard, as `app.sallyport`. */
export interface Sallyport {
  status(): SallyportStatus
  /** Whether tokens of every provider can be judged, for a readiness probe of the application's own. */
  ready(): boolean
  /** Loads the configuration again, changed or not. It never rejects. */
  reload(): Promise<Reloaded>
  /** The metrics in the text format of Prometheus, for a route of the application's own. */
  metrics(): Promise<string>
}

/** A request, as far as a decision depends on it. */
export interface RequestFacts {
  /** Default `GET`. */
  readonly method?: string
  /** The request target as it is sent: path and query, undecoded. */
  readonly target: string
  /** A list is sent as several lines. `Host` is `localhost` unless it is given. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** Default `1.1`. */
  readonly httpVersion?: '1.0' | '1.1' | '2'
  /** Who is at the other end of the connection; by default `127.0.0.1`, without TLS. */
  readonly peer?: {
    readonly address?: string
    readonly protocol?: 'http' | 'https'
    /** SHA-256 of the client's certificate in base64url (RFC 8705 §3.1). */
    readonly certificateThumbprint?: string
  }
}

export type HeaderFields = Readonly<Record<string, string | readonly string[]>>

/** What was decided about a request. */
export type Decision = Allowed | Refused | Answered

export interface Allowed {
  readonly kind: 'allowed'
  /** The id of the route that governs the request. */
  readonly route: string
  /** Null on public routes, and for anonymous callers. */
  readonly principal: Principal | null
  /** What the application reads, names in lower case. */
  readonly headers: HeaderFields
  /** Why it would be refused, if its route were not report-only. */
  readonly reported: DenialCode | undefined
}

export interface Refused {
  readonly kind: 'refused'
  /** Undefined for a request that was refused before its route was known. */
  readonly route: string | undefined
  readonly code: DenialCode
  readonly status: number
  readonly headers: HeaderFields
  readonly body: string
}

/** The guard answers by itself, as it does a preflight. */
export interface Answered {
  readonly kind: 'answered'
  /** Undefined where that depends on the body of the request. */
  readonly status: number | undefined
  readonly headers: HeaderFields
  readonly body: string
}

export interface PolicyRoute {
  readonly id: string
  readonly path: string
  /** Undefined takes every method. */
  readonly methods: readonly string[] | undefined
  readonly access: 'required' | 'optional' | 'public'
  readonly mode: 'enforce' | 'report'
}

/** A configuration that can be asked, without an application and without a listener. */
export interface Policy {
  /** Says which configuration it is. */
  readonly hash: string
  readonly routes: readonly PolicyRoute[]
  /** Gives back what it holds, such as keys. */
  close(): Promise<void>
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is calling; null on public routes, and for anonymous callers. */
    principal: Principal | null
  }
  interface FastifyInstance {
    sallyport: Sallyport
  }
}
