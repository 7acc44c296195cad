/** The shape of what `-/status` answers, of one process or of several: names, ages and counts, and no secret. */
import type { RevocationStatus } from '../revocation/revocations.ts'
import type { IntrospectionStatus, KeySetStatus, SessionStatus } from '../types.ts'

export interface Status {
  readonly ready: boolean
  /** The reasons why it is not ready, one line each; there are none when it is. */
  readonly reasons: readonly string[]
  readonly version: string
  /** When the gateway was started. */
  readonly started: string
  readonly config_hash: string
  readonly config: ShownConfig
  readonly routes: ReadonlyArray<{
    readonly id: string
    readonly path: string
    readonly methods: readonly string[] | 'all'
    readonly access: string
    readonly mode: string
    readonly upstream: string
    /** What is asked of a request: the keys of the route that say so, with their values. */
    readonly asks: Readonly<Record<string, unknown>>
  }>
  readonly providers: ReadonlyArray<{
    readonly id: string
    /** Undefined for a provider that takes no JWT. */
    readonly issuer: string | undefined
    readonly usable: boolean
    /** These two are undefined for a provider that verifies nothing by keys. */
    readonly keys: KeySetStatus['keys'] | undefined
    readonly skipped: KeySetStatus['skipped'] | undefined
    /** These two are undefined for a provider that neither fetches nor asks. */
    readonly last_success: string | undefined
    readonly age_seconds: number | undefined
    readonly last_error: string | undefined
    /** Undefined for a provider that asks nobody. */
    readonly introspection: ShownIntrospection | undefined
    /** Undefined for a provider that logs nobody in. */
    readonly sessions: ShownSessions | undefined
    /** Which keys open encrypted tokens; undefined where none are taken. */
    readonly decryption: { readonly kids: readonly string[] } | undefined
  }>
  /** Undefined when the configuration asks for no revocation. */
  readonly revocation:
    | {
        readonly state: RevocationStatus['state']
        /** In force, by what they revoke by. */
        readonly entries: RevocationStatus['entries']
        /** These three are undefined without a store. */
        readonly last_success: string | undefined
        readonly age_seconds: number | undefined
        readonly last_error: string | undefined
      }
    | undefined
  /** The memory of DPoP proofs; undefined when the configuration judges none. */
  readonly proofs:
    | {
        /** How many are remembered by this process, and how many can be. */
        readonly remembered: number
        readonly entries: number
        /** These two are undefined where the store does not share them. */
        readonly shared: boolean | undefined
        readonly last_error: string | undefined
      }
    | undefined
  /** Rate limits; undefined when the configuration has none. */
  readonly limits: readonly ShownLimit[] | undefined
  /** Where decisions are recorded; undefined when the configuration asks for no records. */
  readonly audit:
    | {
        readonly file: string
        readonly state: 'ok' | 'failing'
        /** Why records cannot be written; undefined when they can. */
        readonly last_error: string | undefined
        /** Records that wait to be written. */
        readonly queued: number
      }
    | undefined
  /** Which proxy asks, and from where it may; undefined when none does. */
  readonly decide: { readonly caller: string; readonly trusted_proxies: readonly string[] } | undefined
  /** The keys that sign our tokens for services; undefined when the configuration asks for none of these. */
  readonly signing: ShownSigningKeys | undefined
  /** Where tokens are issued for services; undefined when no upstream has `exchange`. */
  readonly exchange: readonly ShownExchange[] | undefined
  /**
   * Each process, where several share the listener. The details above then come from one that is not ready, if any, and
   * what each has of its own is shown where it is worst.
   */
  readonly workers?: readonly WorkerStatus[]
}

interface ShownConfig {
  readonly hash: string
  /** Files that the one that was started includes; undefined when it is the whole. */
  readonly includes?: readonly string[] | undefined
  /** When it was put in force. */
  readonly since: string
  /** The file that was not, since then: why, and what caused it to be loaded. */
  readonly last_rejected:
    | { readonly at: string; readonly trigger: string; readonly problems: readonly string[] }
    | undefined
}

interface ShownSigningKeys {
  /** The key that signs now. */
  readonly kid: string
  readonly algorithm: string
  /** Since when it has been published. */
  readonly since: string
  /** When another one takes over; undefined where none is there yet. */
  readonly next_rotation: string | undefined
  /** The ids of all keys that services find. */
  readonly published: readonly string[]
  /** Undefined for keys that are made in memory. */
  readonly folder: string | undefined
  /** Why not all keys can be read; those that are known go on. */
  readonly last_error: string | undefined
}

interface ShownExchange {
  readonly upstream: string
  /** Undefined until it is discovered. */
  readonly endpoint: string | undefined
  /** `open`: the server does not answer, and requests of callers without a token are refused at once. */
  readonly breaker: 'closed' | 'open' | 'probing'
  /** When the next exchange is tried; undefined while the breaker is closed. */
  readonly next_try: string | undefined
  /** These two are undefined before the first. */
  readonly last_success: string | undefined
  readonly last_failure: string | undefined
  /** Undefined once an exchange has succeeded. */
  readonly last_error: string | undefined
}

export interface ShownLimit {
  readonly id: string
  /** How many keys this process holds, and how many it can. */
  readonly keys: number
  readonly entries: number
  /**
   * What is in force now. `shared`: all gateways count together. `local`: each gateway counts for itself as it is asked
   * to, or each process does while the store is away. `refuse`: the store is away, and requests get 503.
   */
  readonly mode: 'shared' | 'local' | 'refuse'
  /** Why it is not shared though it should be, and what follows from that. */
  readonly last_error: string | undefined
}

export interface ShownIntrospection {
  /** Undefined until it is discovered. */
  readonly endpoint: string | undefined
  readonly breaker: IntrospectionStatus['breaker']
  /** When the next question is tried; undefined while the breaker is closed. */
  readonly next_try: string | undefined
  /** These two are undefined before the first failure. */
  readonly last_failure: string | undefined
  readonly failure_age_seconds: number | undefined
  /** Questions under way, and those that wait. */
  readonly in_flight: number
  readonly queued: number
  /** How many tokens are remembered. */
  readonly active_tokens: number
  readonly inactive_tokens: number
}

export interface ShownSessions {
  /** How many this process knows. */
  readonly held: number
  /** These three are undefined before the first failure. */
  readonly last_refresh_error: string | undefined
  readonly last_refresh_failure: string | undefined
  readonly refresh_failure_age_seconds: number | undefined
  /** These three are undefined before the first login that did not succeed. */
  readonly last_login_error: string | undefined
  readonly last_login_failure: string | undefined
  readonly login_failure_age_seconds: number | undefined
  /** These two are undefined where the store does not share them. */
  readonly store: NonNullable<SessionStatus['store']>['state'] | undefined
  readonly store_error: string | undefined
}

interface WorkerStatus {
  readonly pid: number
  readonly ready: boolean
  readonly config_hash: string
}
