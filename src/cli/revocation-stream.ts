/** Opens the stream of revocations for a command, and tells in our words why the store cannot be used. */
import type { Config } from '../config/schema/schema.ts'
import { systemClock } from '../lib/clock.ts'
import { systemScheduler } from '../lib/scheduler.ts'
import { type OpenedStream, openRevocationStream } from '../run/revocation-store.ts'
import { RuntimeError } from './command.ts'

/**
 * @param use is given undefined where the configuration has no stream; the stream is closed after it
 * @throws {RuntimeError} the store cannot be used
 */
export async function withRevocationStream<T>(
  config: Config,
  use: (stream: OpenedStream | undefined) => Promise<T>,
): Promise<T> {
  let stream: OpenedStream | undefined
  try {
    stream = await openRevocationStream(config, { clock: systemClock, scheduler: systemScheduler })
    return await use(stream)
  } catch (error) {
    // A store is not loaded where it is not asked for, so its error is told by its name.
    if (error instanceof Error && error.name === 'StoreError') throw new RuntimeError(`the store ${error.message}`)
    throw error
  } finally {
    stream?.close()
  }
}
