/**
 * Keeps sessions in Redis or Valkey, where all gateways with the same store and the same keys find them.
 *
 * Whatever must not happen by halves happens in one script of the server: a refresh is written only over the generation
 * that it began with. All that is secret is sealed under keys that the store does not have. A server that evicts keys
 * ends sessions early, so it has to have `maxmemory-policy noeviction`.
 */
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { StoreError } from '../store/failure.ts'
import { keptConnection } from '../store/kept-connection.ts'
import type { ConnectionObserver } from '../store/reconnection.ts'
import { run } from '../store/script.ts'
import { type StoreDefinition, store } from '../store/store.ts'
import type { SessionKeys, SessionRecord, SharedSessions, StoredSession } from './session.ts'
import { sessionLocks } from './session-lock.ts'
import {
  COMMIT,
  CREATE,
  FIELDS,
  LOCK_MS,
  lockName,
  NOTE,
  RESEAL,
  sessionName,
  useIn,
  useValues,
} from './session-scripts.ts'
import { openedRecord, sealedLabel, sealedRecord } from './stored-record.ts'

interface SharedSessionsOptions {
  readonly store: StoreDefinition
  /** The keys in force, which a reload may replace. */
  readonly keys: () => SessionKeys
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: () => number
  /** Called for each command that was answered, with seconds. */
  readonly onCommand: (command: string, seconds: number) => void
  readonly observer: ConnectionObserver
}

/**
 * After an outage, whoever has redeemed a refresh token in it writes what came of it, while nobody may redeem the token
 * again that the store still has. This is as long as another process may need to connect and write, and no shorter than
 * a lock lasts.
 */
const SETTLE_MS = LOCK_MS

export function sharedSessions(options: SharedSessionsOptions): SharedSessions {
  const { store: definition, keys, clock, scheduler, random, onCommand, observer } = options
  const server = store(definition, { scheduler, monotonicMs: clock.monotonicMs, onCommand })
  /** When the store was last found to be away, or to be back. */
  let unsettledMs = Number.NEGATIVE_INFINITY
  let wasConnected = false
  const unsettled = (): void => {
    unsettledMs = clock.monotonicMs()
  }
  const connection = keptConnection({
    store: {
      ...server,
      async connect(...args) {
        const opened = await server.connect(...args)
        if (wasConnected) unsettled()
        wasConnected = true
        return opened
      },
    },
    // No session has this name.
    probe: ['HMGET', server.key(sessionName('')), 'g'],
    waitMs: definition.timeoutMs,
    clock,
    scheduler,
    random,
    observer,
  })
  const send: typeof connection.send = async args => {
    try {
      return await connection.send(args)
    } catch (error) {
      // What the server refuses, it has read.
      if (!(error instanceof StoreError) || error.code === undefined) unsettled()
      throw error
    }
  }
  const locks = sessionLocks({ send, clock, scheduler })
  const keyOf = (id: string): string => server.key(sessionName(keys().handleOf(id)))
  const lockKeyOf = (id: string): string => server.key(lockName(keys().handleOf(id)))

  /** The secret that has sealed a record may go away. What does not work now is tried with the next look. */
  function reseal(id: string, record: SessionRecord): void {
    const args = [String(record.generation), sealedRecord(keys(), id, record), sealedLabel(keys(), record)]
    run(send, RESEAL, [keyOf(id)], args).catch(() => {})
  }

  return {
    async create(id, { record, use }, lifetimeMs) {
      const values = [String(record.generation), sealedRecord(keys(), id, record), ...useValues(use)]
      const pairs = FIELDS.flatMap((field, index) => [field, values[index] ?? ''])
      await run(send, CREATE, [keyOf(id)], [lifeOf(lifetimeMs), ...pairs, 'n', sealedLabel(keys(), record)])
    },
    async read(id) {
      const reply = await send(['HMGET', keyOf(id), ...FIELDS])
      const [generation, sealed, ...values] = Array.isArray(reply) ? reply : []
      if (typeof generation !== 'string' || typeof sealed !== 'string') return undefined
      const record = openedRecord(keys(), id, Number(generation), sealed)
      const use = useIn(values)
      if (record !== undefined && !keys().isRecordOfFirst(id, Buffer.from(sealed, 'base64url'))) reseal(id, record)
      return record === undefined || use === undefined ? undefined : ({ record, use } satisfies StoredSession)
    },
    async note(id, use, lifetimeMs) {
      await run(send, NOTE, [keyOf(id)], [lifeOf(lifetimeMs), ...useValues(use)])
    },
    async commit(id, { record, use }, lock, lifetimeMs) {
      const { generation } = record
      const outcome = await run(
        send,
        COMMIT,
        [keyOf(id), lockKeyOf(id)],
        [
          ...[lifeOf(lifetimeMs), ...useValues(use), locks.ownerOf(lock), String(generation - 1), String(generation)],
          ...[sealedRecord(keys(), id, record), sealedLabel(keys(), record)],
        ],
      )
      return outcome === 'written' || outcome === 'gone' ? outcome : 'moved'
    },
    async remove(id) {
      await send(['DEL', keyOf(id)])
    },
    async lock(id) {
      return clock.monotonicMs() - unsettledMs < SETTLE_MS ? undefined : await locks.take(lockKeyOf(id))
    },
    async claim(state, rememberedMs) {
      const key = lockKeyOf(state)
      const reply = await send(['SET', key, '1', 'NX', 'PX', lifeOf(rememberedMs)])
      if (reply !== 'OK') return undefined
      return { giveBack: () => send(['DEL', key]).then(nothing, nothing) }
    },
    close() {
      locks.close()
      connection.close()
    },
  }
}

/** The server takes whole milliseconds, and would delete at once what has none left. */
function lifeOf(lifetimeMs: number): string {
  return String(Math.max(1, Math.ceil(lifetimeMs)))
}

function nothing(): void {}
