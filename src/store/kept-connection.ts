/**
 * Keeps one connection to the store: opens it for the first command, and again whenever it was lost.
 *
 * Commands wait for a connection that is being opened, as long as a command may take. Once that has failed the store is
 * known to be down. Then every command fails at once, until an attempt in the background succeeds.
 */
import type { Reply, StoreConnection } from './connection.ts'
import { StoreError, storeError } from './failure.ts'
import { type ReconnectionOptions, reconnection } from './reconnection.ts'

interface KeptConnectionOptions extends ReconnectionOptions {
  /** How long a command waits for a connection. */
  readonly waitMs: number
}

interface KeptConnection {
  /** @throws {StoreError} */
  send(args: readonly string[]): Promise<Reply>
  /** What is under way fails, and so does everything from here on. */
  close(): void
}

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
  const { waitMs, scheduler } = options
  /** Why the store is known to be down. */
  let down: StoreError | undefined
  /** Resolves when the attempt that is under way has come to an end. */
  let attempt = Promise.withResolvers<void>()

  const isDown = (failure: StoreError): void => {
    down = failure
    attempt.resolve()
  }

  const kept = reconnection(options, {
    opened() {
      down = undefined
      attempt.resolve()
    },
    ended() {
      attempt = Promise.withResolvers()
    },
    failed: isDown,
    paused() {
      // The next attempt tells whether the store is lost. Until then nobody waits for it.
      if (down === undefined) isDown(new StoreError('has closed the connection'))
    },
  })

  const waited = async (): Promise<StoreConnection | undefined> => {
    const late = Promise.withResolvers<void>()
    const cancel = scheduler.after(waitMs, late.resolve)
    await Promise.race([attempt.promise, late.promise])
    cancel()
    return kept.connection()
  }

  return {
    async send(args) {
      kept.open()
      if (kept.isClosed()) throw new StoreError('is not used any more')
      if (down !== undefined) throw down
      const server = kept.connection() ?? (await waited())
      if (server === undefined) throw down ?? new StoreError('does not answer in time')
      try {
        return await server.send(args)
      } catch (error) {
        const failure = storeError(error)
        if (failure.code !== undefined && ELSEWHERE.has(failure.code)) kept.giveUp(server, failure)
        throw failure
      }
    },
    close() {
      isDown(new StoreError('is not used any more'))
      kept.close()
    },
  }
}
