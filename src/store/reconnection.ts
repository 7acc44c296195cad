/** Opens a connection to the store in the background, and another one whenever it was lost. */
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { StoreConnection } from './connection.ts'
import { type StoreError, storeError } from './failure.ts'
import type { Store } from './store.ts'

export interface ReconnectionOptions {
  readonly store: Store
  /** A command as they will be sent. A connection on which it fails is none. */
  readonly probe: readonly string[]
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

/** What whoever waits for the connection hears; the observer hears less. */
interface Attempts {
  opened?(): void
  /** What was opened is over. */
  ended?(): void
  failed?(failure: StoreError): void
  /** The next attempt comes later: a connection that has lasted is replaced at once. */
  paused?(): void
}

interface Reconnection {
  connection(): StoreConnection | undefined
  /** Why there is none, continuing "the store …"; undefined while there is one, and before the first attempt. */
  lastError(): string | undefined
  /** Begins to connect, if it has not. */
  open(): void
  isClosed(): boolean
  /** The connection is of no use any more, for this reason. One that was replaced already is closed, and no more. */
  giveUp(connection: StoreConnection, error: unknown): void
  close(): void
}

/** How far apart attempts to connect begin, give or take a half. */
const RETRY_MS = 1_000

export function reconnection(options: ReconnectionOptions, attempts: Attempts = {}): Reconnection {
  const { store, probe, clock, scheduler, random, observer } = options
  let state: 'idle' | 'running' | 'closed' = 'idle'
  /** What `observer` was told last. */
  let told: 'nothing' | 'connected' | 'lost' = 'nothing'
  let connection: StoreConnection | undefined
  let lastError: string | undefined
  let wake: () => void = () => {}

  const isClosed = (): boolean => state === 'closed'

  const failed = (error: unknown): void => {
    const failure = storeError(error)
    lastError = failure.message
    attempts.failed?.(failure)
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

  /** Resolves when the connection has ended. @throws {StoreError} there was none that commands can be sent on */
  const connect = async (): Promise<void> => {
    const opened = await store.connect(probe)
    try {
      await opened.send(probe)
      if (isClosed()) return
      connection = opened
      lastError = undefined
      attempts.opened?.()
      if (told !== 'connected') observer.connected()
      told = 'connected'
      await opened.ended
    } finally {
      if (connection !== undefined) attempts.ended?.()
      connection = undefined
      opened.close()
    }
  }

  const run = async (): Promise<void> => {
    while (!isClosed()) {
      // Attack: a thousand replicas that come back at the same moment.
      const nextMs = clock.monotonicMs() + RETRY_MS * (0.5 + random())
      await connect().catch(failed)
      const pauseMs = nextMs - clock.monotonicMs()
      if (pauseMs <= 0 || isClosed()) continue
      attempts.paused?.()
      await pause(pauseMs)
    }
  }

  return {
    connection: () => connection,
    lastError: () => lastError,
    isClosed,
    open() {
      if (state !== 'idle') return
      state = 'running'
      void run()
    },
    giveUp(given, error) {
      if (given === connection) failed(error)
      given.close()
    },
    close() {
      state = 'closed'
      connection?.close()
      wake()
    },
  }
}
