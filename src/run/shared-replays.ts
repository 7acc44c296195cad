/**
 * Connects the memory of DPoP proofs with the store, where all replicas share it.
 *
 * A policy leases it, so that a reload which changes nothing about the store keeps its connection. It is opened when
 * the configuration is in force. Nothing waits for it: while the store is down, each request is told so.
 */
import { probeCommand, type ReplayStore, replayStore } from '../authenticate/proof/replay-store.ts'
import type { Config } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { type Leases, leases } from '../lib/leases.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { storeError } from '../store/failure.ts'
import { type StoreDefinition, store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import { storeDefinition } from './store-definition.ts'

/** What a process needs to share its memory of proofs. */
interface ReplayServices {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly metrics: Metrics
}

export type SharedReplays = Leases<StoreDefinition, ReplayStore>

/** Requests that began under the policy before may still bring a proof. */
const LINGER_MS = 60_000

/**
 * Makes the leases of connections, by where the store is and how it is reached. A connection is closed a minute after
 * nobody leases it any more.
 */
export function sharedReplays(services: ReplayServices): SharedReplays {
  return leases({
    identityOf: (definition: StoreDefinition) => JSON.stringify(definition),
    make: definition => connected(definition, services),
    end: async (shared: ReplayStore) => {
      shared.close()
      services.metrics.storeUp(shared, undefined)
    },
    lingerMs: LINGER_MS,
    scheduler: services.scheduler,
  })
}

/** @returns undefined where the configuration shares no proofs */
export function replayDefinition({ dpop, store: block }: Config): StoreDefinition | undefined {
  return dpop?.replay.store === true && block !== undefined ? storeDefinition(block) : undefined
}

function connected(definition: StoreDefinition, { clock, scheduler, log, metrics }: ReplayServices): ReplayStore {
  const members = { store: `${definition.url.host}:${definition.url.port}` }
  const shared = replayStore({
    store: store(definition, { scheduler, monotonicMs: clock.monotonicMs, onCommand: metrics.storeAnswered }),
    clock,
    scheduler,
    random: Math.random,
    observer: {
      connected() {
        metrics.storeUp(shared, true)
        log.info(members, 'DPoP proofs are shared by the store')
      },
      lost(reason) {
        metrics.storeUp(shared, false)
        log.warn({ ...members, reason: `the store ${reason}` }, 'DPoP proofs cannot be shared')
      },
    },
  })
  return shared
}

/**
 * Finds out whether proofs can be remembered in the store. For a millisecond it remembers one that no client can send.
 *
 * @returns what is wrong, continuing "the store …"; undefined when nothing is
 */
export async function probeReplays(
  definition: StoreDefinition,
  { clock, scheduler }: Pick<ReplayServices, 'clock' | 'scheduler'>,
): Promise<string | undefined> {
  const server = store(definition, { scheduler, monotonicMs: clock.monotonicMs, onCommand() {} })
  const probe = probeCommand(server)
  try {
    const connection = await server.connect(probe)
    try {
      await connection.send(probe)
      return undefined
    } finally {
      connection.close()
    }
  } catch (error) {
    const { code, message } = storeError(error)
    if (code !== 'NOPERM') return message
    return `does not allow this user to remember proofs; add to its access control list \`+set ~${server.key('proof:*')}\``
  }
}
