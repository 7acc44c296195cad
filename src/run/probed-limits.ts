/** Finds out whether the store allows what limits need of it, and writes nothing. */
import type { Config } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { LEDGER_COMMANDS, probeCommand } from '../limit/store-ledger.ts'
import { storeError } from '../store/failure.ts'
import { type StoreDefinition, store } from '../store/store.ts'
import { storeDefinition } from './store-definition.ts'

/** @returns undefined where the configuration shares no limits */
export function limitStoreDefinition({ rateLimits, store: block }: Config): StoreDefinition | undefined {
  const isShared = Object.values(rateLimits).some(limit => limit.store)
  return isShared && block !== undefined ? storeDefinition(block) : undefined
}

/** Each is answered, or refused after the right to it was looked at. No caller has the key that they are about. */
const PROBES: Readonly<Record<(typeof LEDGER_COMMANDS)[number], (key: string) => readonly string[]>> = {
  EVAL: key => ['EVAL', 'return 1', '1', key],
  EVALSHA: key => ['EVALSHA', '0'.repeat(40), '1', key],
  GET: key => ['GET', key],
  SET: key => ['SET', key, '1', 'XX', 'PX', '1'],
  DEL: key => ['DEL', key],
  TIME: () => ['TIME'],
}

/**
 * Tries each command by itself, since a script may only do what its user may.
 *
 * @returns what is wrong, continuing "the store …"; undefined when nothing is
 */
export async function probeLimits(
  definition: StoreDefinition,
  { clock, scheduler }: { readonly clock: Clock; readonly scheduler: Scheduler },
): Promise<string | undefined> {
  const server = store(definition, { scheduler, monotonicMs: clock.monotonicMs, onCommand() {} })
  const key = server.key('limit:')
  const refused: string[] = []
  try {
    const connection = await server.connect(PROBES.GET(key))
    try {
      for (const command of LEDGER_COMMANDS) {
        const error = await connection.send(PROBES[command](key)).then(() => undefined, storeError)
        if (error?.code === 'NOPERM') refused.push(`+${command.toLowerCase()}`)
        else if (error !== undefined && error.code !== 'NOSCRIPT') return error.message
      }
      if (refused.length === 0) await connection.send(probeCommand(server))
    } finally {
      connection.close()
    }
  } catch (error) {
    return storeError(error).message
  }
  if (refused.length === 0) return undefined
  const rights = [...refused, `~${server.key('limit:*')}`].join(' ')
  return `does not allow this user all that limits need; add to its access control list \`${rights}\``
}
