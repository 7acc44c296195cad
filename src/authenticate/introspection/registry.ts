/**
 * Holds every introspector in use, so that a reload which does not change whom to ask keeps what was answered, and how
 * the server is doing.
 *
 * One is the same when all that defines it is the same; what is built on keys is built on the same ones. Files that
 * hold credentials are read with each question, so a new secret makes no new introspector.
 */
import type { Egress } from '../../egress/egress.ts'
import type { TraceRequest } from '../../keys/fetch/request-trace.ts'
import type { Clock } from '../../lib/clock.ts'
import { type Lease, leases } from '../../lib/leases.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import type { ClientCredentials } from '../../oauth/client-authentication.ts'
import type { IntrospectionResult, IntrospectionStatus, KeySet } from '../../types.ts'
import type { Introspector } from './answer.ts'
import { type HeardInactive, heardInactive } from './heard-inactive.ts'
import { introspector } from './introspector.ts'
import { introspectionServer } from './server.ts'

/** Whom to ask and how; as in the configuration, with units resolved. It is plain data. */
export interface IntrospectionDefinition {
  /** The provider's id in the configuration. */
  readonly provider: string
  readonly issuer: string
  /** Undefined: discovered. */
  readonly endpoint: string | undefined
  readonly client: ClientCredentials
  readonly response: 'json' | 'jwt'
  readonly clockToleranceSeconds: number
  readonly caFile: string | undefined
  readonly allowInsecureHttp: boolean
  readonly egress: Egress | undefined
  readonly timeoutMs: number
  readonly concurrency: number
  readonly queue: number
  readonly ttlMs: number
  readonly inactiveTtlMs: number
  readonly refreshAhead: boolean
  readonly maxStaleMs: number
  /** Most tokens that are remembered, of each kind. */
  readonly entries: number
}

interface AnswerDecryption {
  readonly decrypt: (jwe: string) => Promise<string>
  readonly identity: string
  /** Whether answers that are not encrypted are refused. */
  readonly required: boolean
}

/** What signed answers are judged with. */
interface SignedAnswers {
  readonly keySet: Pick<Lease<KeySet>, 'value' | 'serial'>
  /** Leases the same key set once more, for as long as the introspector asks. */
  holdKeySet(): { release(): void }
  /** Opens encrypted answers, and what tells it from another that does; undefined: they are refused. */
  readonly decryption: AnswerDecryption | undefined
}

interface Definition {
  readonly definition: IntrospectionDefinition
  readonly signed: SignedAnswers | undefined
}

/** The introspector goes on for a while after its release, for requests that have it. */
interface IntrospectorLease extends Lease<Introspector> {
  /** Resolves when it is known where questions go, or that was tried. */
  ready(): Promise<void>
}

export interface IntrospectorRegistry {
  acquire(definition: IntrospectionDefinition, signed: SignedAnswers | undefined): IntrospectorLease
  /** Ends every introspector, questions under way included. */
  close(): Promise<void>
}

export interface IntrospectionObserver {
  /** A question is over, or was not asked, which took no time. */
  asked(provider: string, result: IntrospectionResult, durationSeconds: number | undefined): void
  breakerChanged(event: {
    readonly provider: string
    /** `stranger`: questions about tokens that were active before go on. */
    readonly lane: 'known' | 'stranger'
    readonly from: IntrospectionStatus['breaker']
    readonly to: IntrospectionStatus['breaker']
    readonly reason: string | undefined
  }): void
}

interface IntrospectorRegistryOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly observer: IntrospectionObserver
  /** Gives what makes traces of the questions to a provider. */
  readonly traceOf?: ((provider: string) => TraceRequest) | undefined
}

/** Longer than a request waits for an answer. */
const LINGER_MS = 60_000

/** Most tokens of a provider that were called inactive within the last seconds. */
const HEARD_ENTRIES = 10_000

export function introspectorRegistry({
  clock,
  scheduler,
  observer,
  traceOf,
}: IntrospectorRegistryOptions): IntrospectorRegistry {
  const heardBy = new Map<string, HeardInactive>()
  const heardOf = (provider: string): HeardInactive => {
    const heard = heardBy.get(provider) ?? heardInactive(HEARD_ENTRIES)
    heardBy.set(provider, heard)
    return heard
  }
  const keySets = new Map<Introspector, { release(): void }>()
  const ended = (introspector: Introspector): void => {
    keySets.get(introspector)?.release()
    keySets.delete(introspector)
  }

  const introspectors = leases({
    identityOf,
    make({ definition, signed }: Definition) {
      const { provider, concurrency } = definition
      const server = introspectionServer({
        ...definition,
        keySet: signed?.keySet.value,
        decrypt: signed?.decryption?.decrypt,
        isEncryptionRequired: signed?.decryption?.required === true,
        connections: concurrency,
        trace: traceOf?.(provider),
        clock,
      })
      const made = introspector({
        ...definition,
        server,
        clock,
        scheduler,
        heard: heardOf(provider),
        onResult: (result, durationSeconds) => observer.asked(provider, result, durationSeconds),
        onBreaker: (lane, from, to, reason) => observer.breakerChanged({ provider, lane, from, to, reason }),
      })
      // Nobody sends requests to a gateway that does not know yet whom to ask, so it does not wait for one to find out.
      void made.ready()
      if (signed !== undefined) keySets.set(made, signed.holdKeySet())
      return made
    },
    // A stream that began before a reload goes on to be asked about as it was.
    end: each => each.retire().then(() => ended(each)),
    endNow: each => each.close().then(() => ended(each)),
    lingerMs: LINGER_MS,
    scheduler,
  })
  return {
    acquire(definition, signed) {
      const lease = introspectors.acquire({ definition, signed })
      return { ...lease, ready: () => lease.value.ready() }
    },
    close: introspectors.close,
  }
}

function identityOf({ definition, signed }: Definition): string {
  const { keySet, decryption } = signed ?? {}
  return JSON.stringify([definition, keySet?.serial, decryption?.identity])
}
