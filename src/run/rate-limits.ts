/**
 * Keeps the limits of the configuration, and their connection to the store, while policies come and go.
 *
 * A policy leases them, so that a reload which changes nothing about a limit leaves every caller where he was.
 */
import { DEFAULT_SYNC_MS } from '../config/schema/rate-limit-schema.ts'
import type { Config, RateLimitConfig } from '../config/schema/schema.ts'
import { type Lease, leases } from '../lib/leases.ts'
import type { Ledger } from '../limit/ledger.ts'
import { type LimitDefinition, type RateLimit, rateLimit } from '../limit/rate-limit.ts'
import { storeLedger } from '../limit/store-ledger.ts'
import type { StoreDefinition } from '../store/store.ts'
import type { LimitSiblings } from './limit-siblings.ts'
import { storeDefinition } from './store-definition.ts'
import { type StoreServices, storeLeases } from './store-leases.ts'

interface LimitServices extends StoreServices {
  /** Undefined where no other process shares the listener. */
  readonly siblings: LimitSiblings | undefined
}

interface SharedLimit {
  readonly definition: LimitDefinition
  /** Undefined where the processes of one listener count together, and no others. */
  readonly store: StoreDefinition | undefined
}

export interface RateLimits {
  lease(config: Config): LeasedLimits
  close(): Promise<void>
}

interface LeasedLimits {
  /** By their ids. */
  readonly limits: ReadonlyMap<string, RateLimit>
  /** Begins to connect to the store, where one is needed. */
  open(): void
  release(): void
}

/** Requests that began under the policy before may still be counted. */
const LINGER_MS = 60_000

export function rateLimits(services: LimitServices): RateLimits {
  const { clock, scheduler, metrics, siblings } = services
  const ledgers = storeLeases(services, {
    make: storeLedger,
    connected: 'rate limits are shared by the store',
    lost: 'rate limits cannot be shared',
  })
  const ledgerOf = new WeakMap<RateLimit, Lease<Ledger>>()
  const held = leases({
    identityOf: (shared: SharedLimit) => JSON.stringify(shared),
    make({ definition, store: where }) {
      const stored = where && ledgers.acquire(where)
      const ledger = stored?.value ?? siblings?.ledgerOf(definition)
      const made = rateLimit(definition, {
        clock,
        observer: metrics.limits,
        shared: ledger && { ledger, scheduler },
      })
      if (stored !== undefined) ledgerOf.set(made, stored)
      return made
    },
    end: async (limit: RateLimit) => {
      await limit.close()
      metrics.limits.ended(limit.definition.id, limit)
      ledgerOf.get(limit)?.release()
    },
    lingerMs: LINGER_MS,
    scheduler,
  })
  return {
    lease(config) {
      const leased = Object.entries(config.rateLimits).map(
        ([id, limit]) => [id, held.acquire(sharedLimit(id, limit, config))] as const,
      )
      return {
        limits: new Map(leased.map(([id, { value }]) => [id, value])),
        open() {
          for (const [id, { value }] of leased) {
            value.ledger?.open()
            // One that was in force before, and is again, is shown again.
            metrics.limits.held(id, value, value.ledger === undefined ? 'alone' : 'shares')
          }
        },
        release() {
          for (const [, each] of leased) each.release()
        },
      }
    },
    async close() {
      await held.close()
      await ledgers.close()
    },
  }
}

function sharedLimit(id: string, limit: RateLimitConfig, { store: block }: Config): SharedLimit {
  return {
    definition: limitDefinition(id, limit),
    store: limit.store && block !== undefined ? storeDefinition(block) : undefined,
  }
}

export function limitDefinition(id: string, limit: RateLimitConfig): LimitDefinition {
  const { rate, burst, key, store: _, sync, exact, onFailure, entries, headers, ...unread } = limit
  unread satisfies Readonly<Record<string, never>>
  return {
    ...{ id, rate, burst, key, exact, entries, headers },
    onFailure: onFailure ?? 'local',
    syncMs: sync ?? DEFAULT_SYNC_MS,
  }
}
