/**
 * Holds what sessions are built on across reloads: the sessions that this process knows, the connection to the store,
 * and what is known of their providers. A new configuration logs nobody out, unless it is about another provider.
 */
import type { Clock } from '../lib/clock.ts'
import { type Leases, leases } from '../lib/leases.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { type AuthorizationClientOptions, authorizationClient } from '../oauth/authorization-client.ts'
import type { SessionKeys, SharedSessions } from '../session/session.ts'
import { type SessionMemory, sessionMemory } from '../session/session-memory.ts'
import { sharedSessions } from '../session/shared-sessions.ts'
import type { StoreDefinition } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import type { ProviderTraces } from '../telemetry/traces/provider-requests.ts'
import type { SessionStatus } from '../types.ts'
import { type KnownProvider, knownProvider } from './known-provider.ts'

/** What sessions are built on, and what outlives a reload. */
export interface SessionRegistry {
  readonly memories: Leases<
    { readonly provider: string; readonly issuer: string; readonly client: string },
    SessionMemory
  >
  readonly stores: Leases<StoreUse, StoreOfSessions>
  readonly clients: Leases<ClientDefinition, KnownProvider>
}

interface StoreOfSessions {
  readonly shared: SharedSessions
  status(): StoreStatus
  /** Seals and opens by these from now on: a new configuration has other keys. */
  use(keys: SessionKeys): void
}

type StoreStatus = NonNullable<SessionStatus['store']>

interface StoreUse {
  readonly store: StoreDefinition
  readonly provider: string
  /** Those of the first who leases it. */
  readonly keys: SessionKeys
}

export type ClientDefinition = Omit<AuthorizationClientOptions, 'clock' | 'scheduler' | 'trace'> & {
  /** Its id in the configuration. */
  readonly provider: string
}

/** Requests that began under the policy before may still come to it. */
const LINGER_MS = 60_000
/** Whoever corrects a mistake finds everybody logged in. */
const MEMORY_LINGER_MS = 10 * 60_000
/** In memory, and as copies of what is in the store. */
const MOST_SESSIONS = 10_000

interface RegistryServices {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly metrics: Metrics
  readonly log: Log
  /** Gives what makes traces of the requests to a provider. */
  readonly traceOf: ProviderTraces['of']
}

export function sessionRegistry({ clock, scheduler, metrics, log, traceOf }: RegistryServices): SessionRegistry {
  return {
    memories: leases({
      identityOf: definition => JSON.stringify(definition),
      make: ({ provider }) =>
        sessionMemory({
          entries: MOST_SESSIONS,
          onSize: size => metrics.sessionsHeld(provider, size),
        }),
      end: async () => {},
      lingerMs: MEMORY_LINGER_MS,
      scheduler,
    }),
    stores: leases({
      identityOf: ({ store, provider }: StoreUse) => JSON.stringify([store, provider]),
      make: ({ store, keys: first }) => {
        let keys = first
        const members = { store: `${store.url.host}:${store.url.port}` }
        let status: StoreStatus = { state: 'unused', lastError: undefined }
        const shared: SharedSessions = sharedSessions({
          store,
          keys: () => keys,
          clock,
          scheduler,
          random: Math.random,
          onCommand: metrics.storeAnswered,
          observer: {
            connected() {
              status = { state: 'up', lastError: undefined }
              metrics.storeUp(shared, true)
              log.info(members, 'sessions are shared by the store')
            },
            lost(reason) {
              status = { state: 'down', lastError: `the store ${reason}` }
              metrics.storeUp(shared, false)
              log.warn({ ...members, reason: `the store ${reason}` }, 'sessions cannot be shared')
            },
          },
        })
        return {
          shared,
          status: () => status,
          use(newest) {
            keys = newest
          },
        }
      },
      end: async ({ shared }: StoreOfSessions) => {
        shared.close()
        metrics.storeUp(shared, undefined)
      },
      lingerMs: LINGER_MS,
      scheduler,
    }),
    clients: leases({
      identityOf: definition => JSON.stringify(definition),
      make: definition => {
        const trace = traceOf(definition.provider)
        return knownProvider(authorizationClient({ ...definition, clock, scheduler, trace }), scheduler)
      },
      end: async (provider: KnownProvider) => provider.close(),
      lingerMs: LINGER_MS,
      scheduler,
    }),
  }
}
