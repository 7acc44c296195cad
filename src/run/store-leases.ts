/**
 * Leases what is kept in the store, by where the store is and how it is reached, and tells operators whether it can be.
 *
 * A reload that changes nothing about the store keeps the connection. It is closed a minute after nobody leases it any
 * more, since requests that began under the policy before may still need it.
 */
import type { Clock } from '../lib/clock.ts'
import { type Leases, leases } from '../lib/leases.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { ReconnectionOptions } from '../store/reconnection.ts'
import { type StoreDefinition, store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'

export interface StoreServices {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly metrics: Metrics
}

interface StoreUse<T> {
  readonly make: (options: Omit<ReconnectionOptions, 'probe'>) => T
  /** What the log says when the store can be used, and when it cannot be. */
  readonly connected: string
  readonly lost: string
}

const LINGER_MS = 60_000

export function storeLeases<T extends { close(): void }>(
  services: StoreServices,
  { make, connected, lost }: StoreUse<T>,
): Leases<StoreDefinition, T> {
  const { clock, scheduler, log, metrics } = services
  return leases({
    identityOf: (definition: StoreDefinition) => JSON.stringify(definition),
    make(definition) {
      const members = { store: `${definition.url.host}:${definition.url.port}` }
      const made = make({
        store: store(definition, { scheduler, monotonicMs: clock.monotonicMs, onCommand: metrics.storeAnswered }),
        clock,
        scheduler,
        random: Math.random,
        observer: {
          connected() {
            metrics.storeUp(made, true)
            log.info(members, connected)
          },
          lost(reason) {
            metrics.storeUp(made, false)
            log.warn({ ...members, reason: `the store ${reason}` }, lost)
          },
        },
      })
      return made
    },
    async end(made) {
      made.close()
      metrics.storeUp(made, undefined)
    },
    lingerMs: LINGER_MS,
    scheduler,
  })
}
