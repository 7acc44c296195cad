/**
 * Keeps one connection to the store: opens it for the first command, and again whenever it was lost.
 *
 * Commands wait for a connection that is being opened, as long as a command may take. Once that has failed the store is
 * known to be down. Then every command fails at once, until an attempt in the background succeeds.
 */
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Reply, StoreConnection } from './connection.ts'
import { StoreError, storeError } from './failure.ts'
import type { Store } from './store.ts'

interface KeptConnectionOptions {
  readonly store: Store
  /** A command that reads one of the keys in question. A connection on which it fails is none. */
  readonly probe: readonly string[]
  /** How long a command waits for a connection. */
  readonly waitMs: number
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: () => number
  readonly observer: ConnectionObserver
}

export interface ConnectionObserver {
  /** The store can be used from here on: for the first time, or after it could not be. */
  connected(): void
  /** It cannot be used from here on. @param reason continues "the store …" */
  lost(reason: string): void
}

interface KeptConnection {
  /** @throws {StoreError} */
  send(args: readonly string[]): Promise<Reply>
  /** What is under way fails, and so does everything from here on. */
  close(): void
}

/** How far apart attempts to connect begin, give or take a half. */
const RETRY_MS = 1_000

/** Refusals after which another connection may do, because it leads to another server or has another password. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'READONLY',
  'MASTERDOWN',
  'UNBLOCKED',
  'MOVED',
  'CLUSTERDOWN',
  'NOAUTH',
  'WRONGPASS',
  // Redis 6.2 says so when a script fails by any of these.
  'ERR',
])

export function keptConnection(options: KeptConnectionOptions): KeptConnection {
  const { store, probe, waitMs, clock, scheduler, random, observer } = options
  let state: 'idle' | 'running' | 'closed' = 'idle'
  /** What `observer` was told last. */
  let told: 'nothing' | 'connected' | 'lost' = 'nothing'
  let connection: StoreConnection | undefined
  /** Why the store is known to be down. */
  let down: StoreError | undefined
  /** Resolves when the attempt that is under way has come to an end. */
  let attempt = Promise.withResolvers<void>()
  let wake: () => void = () => {}

  const isClosed = (): boolean => state === 'closed'

  const isDown = (failure: StoreError): void => {
    down = failure
    attempt.resolve()
  }

  const failed = (error: unknown): void => {
    const failure = storeError(error)
    isDown(failure)
    if (isClosed() || told === 'lost') return
    told = 'lost'
    observer.lost(failure.message)
  }

  const pause = (delayMs: number): Promise<void> =>
    new Promise(resolve => {
      const cancel = scheduler.after(delayMs, resolve)
      wake = () => {
        cancel()
        resolve()
      }
    })

  /** Resolves when the connection has ended. @throws {StoreError} there was none */
  const connect = async (): Promise<void> => {
    const opened = await store.connect(probe)
    try {
      await opened.send(probe)
      if (isClosed()) return
      connection = opened
      down = undefined
      attempt.resolve()
      if (told !== 'connected') observer.connected()
      told = 'connected'
      await opened.ended
    } finally {
      if (connection !== undefined) attempt = Promise.withResolvers()
      connection = undefined
      opened.close()
    }
  }

  const run = async (): Promise<void> => {
    while (!isClosed()) {
      // Attack: a thousand replicas that come back at the same moment.
      const nextMs = clock.monotonicMs() + RETRY_MS * (0.5 + random())
      await connect().catch(failed)
      // A connection that has lasted is replaced at once.
      const pauseMs = nextMs - clock.monotonicMs()
      if (pauseMs <= 0 || isClosed()) continue
      // The next attempt tells whether the store is lost. Until then nobody waits for it.
      if (down === undefined) isDown(new StoreError('has closed the connection'))
      await pause(pauseMs)
    }
  }

  const waited = async (): Promise<StoreConnection | undefined> => {
    const late = Promise.withResolvers<void>()
    const cancel = scheduler.after(waitMs, late.resolve)
    await Promise.race([attempt.promise, late.promise])
    cancel()
    return connection
  }

  return {
    async send(args) {
      if (state === 'idle') {
        state = 'running'
        void run()
      }
      if (isClosed()) throw new StoreError('is not used any more')
      if (down !== undefined) throw down
      const server = connection ?? (await waited())
      if (server === undefined) throw down ?? new StoreError('does not answer in time')
      try {
        return await server.send(args)
      } catch (error) {
        const failure = storeError(error)
        if (server === connection && failure.code !== undefined && ELSEWHERE.has(failure.code)) {
          failed(failure)
          server.close()
        }
        throw failure
      }
    },
    close() {
      state = 'closed'
      isDown(new StoreError('is not used any more'))
      connection?.close()
      wake()
    },
  }
}
