/**
 * Connects the memory of DPoP proofs with the store, where all replicas share it.
 *
 * A policy leases it, so that a reload which changes nothing about the store keeps its connection. It is opened when
 * the configuration is in force. Nothing waits for it: while the store is down, each request is told so.
 */
import { probeCommand, type ReplayStore, replayStore } from '../authenticate/proof/replay-store.ts'
import type { Config } from '../config/schema/schema.ts'
import type { Leases } from '../lib/leases.ts'
import { storeError } from '../store/failure.ts'
import { type StoreDefinition, store } from '../store/store.ts'
import { storeDefinition } from './store-definition.ts'
import { type StoreServices, storeLeases } from './store-leases.ts'

export type SharedReplays = Leases<StoreDefinition, ReplayStore>

export function sharedReplays(services: StoreServices): SharedReplays {
  return storeLeases(services, {
    make: replayStore,
    connected: 'DPoP proofs are shared by the store',
    lost: 'DPoP proofs cannot be shared',
  })
}

/** @returns undefined where the configuration shares no proofs */
export function replayDefinition({ dpop, store: block }: Config): StoreDefinition | undefined {
  return dpop?.replay.store === true && block !== undefined ? storeDefinition(block) : undefined
}

/**
 * Finds out whether proofs can be remembered in the store. For a millisecond it remembers one that no client can send.
 *
 * @returns what is wrong, continuing "the store …"; undefined when nothing is
 */
export async function probeReplays(
  definition: StoreDefinition,
  { clock, scheduler }: Pick<StoreServices, 'clock' | 'scheduler'>,
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
