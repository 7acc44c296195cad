/**
 * Connects the revocations of this process with the stream in the store: a reader, and a writer where somebody may
 * revoke here.
 *
 * A policy leases the pair, so that a reload which changes neither the store nor the stream keeps both. Nothing is read
 * before the configuration is in force, and nothing once it is replaced: a configuration that is given up must tell
 * nothing, and another store proves nothing. Beginning waits for nothing: a store that is down is told in one log line,
 * and shows in the state of the revocations.
 */
import type { Config } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { type Lease, leases } from '../lib/leases.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { RevocationChange } from '../revocation/revoker.ts'
import { changeIn } from '../revocation/stream-fields.ts'
import { idMs } from '../revocation/stream-id.ts'
import { streamPages } from '../revocation/stream-pages.ts'
import { type StreamReader, type StreamReaderOptions, streamReader } from '../revocation/stream-reader.ts'
import { appendCommand, type StreamWriter, streamWriter } from '../revocation/stream-writer.ts'
import { storeError } from '../store/failure.ts'
import { type StoreDefinition, store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import { storeDefinition } from './store-definition.ts'

interface StreamDefinition {
  readonly store: StoreDefinition
  readonly stream: string
  readonly keepSeconds: number
}

export interface RevocationStream {
  readonly writer: StreamWriter
  /** Begins to read. */
  follow(): void
  /** From here on nothing is told any more; what is still to be written may be. */
  leave(): void
  close(): Promise<void>
}

export interface RevocationStreams {
  acquire(definition: StreamDefinition): Lease<RevocationStream>
  /** Reads this stream from now on, and no other one; undefined: none. */
  follow(stream: RevocationStream | undefined): void
  close(): Promise<void>
}

/** @returns undefined where the configuration reads no stream */
export function streamDefinition({ revocation, store: block }: Config): StreamDefinition | undefined {
  if (revocation?.store === undefined || block === undefined) return undefined
  return { store: storeDefinition(block), stream: revocation.store.stream, keepSeconds: revocation.keep / 1000 }
}

const LINGER_MS = 60_000

interface StreamServices {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly metrics: Metrics
  readonly revocations: Revocations
}

export function revocationStreams(services: StreamServices): RevocationStreams {
  let followed: RevocationStream | undefined
  const leased = leases({
    identityOf: (definition: StreamDefinition) => JSON.stringify(definition),
    make: definition => revocationStream(definition, services),
    end: (stream: RevocationStream) => stream.close(),
    // Until then, what waits for a store that was replaced may still be written.
    lingerMs: LINGER_MS,
    scheduler: services.scheduler,
  })
  return {
    acquire: leased.acquire,
    follow(stream) {
      if (stream === followed) return
      followed?.leave()
      followed = stream
      if (stream === undefined) services.metrics.storeUp(services.revocations, undefined)
      else stream.follow()
    },
    close: leased.close,
  }
}

function revocationStream(
  { store: definition, stream, keepSeconds }: StreamDefinition,
  services: StreamServices,
): RevocationStream {
  const { clock, scheduler, log, metrics, revocations } = services
  const shared = store(definition, { scheduler, monotonicMs: clock.monotonicMs, onCommand: metrics.storeAnswered })
  const common = { store: shared, stream, keepSeconds, clock, scheduler }
  const members = { store: `${definition.url.host}:${definition.url.port}`, stream: shared.key(stream) }
  let reader: StreamReader | undefined
  const options: StreamReaderOptions = {
    ...common,
    revocations,
    random: Math.random,
    observer: {
      connected() {
        metrics.storeUp(revocations, true)
        log.info(members, 'the stream of revocations is read')
      },
      lost(reason) {
        metrics.storeUp(revocations, false)
        log.warn({ ...members, reason: `the store ${reason}` }, 'the stream of revocations cannot be read')
      },
      historyLost(reason) {
        metrics.revocationHistoryLost()
        log.error(
          { ...members, reason },
          'the store has lost revocations; what was known here stays in force, and other gateways may not know it',
        )
      },
      arrived: metrics.revocationArrived,
    },
  }
  const writer = streamWriter({
    ...common,
    observer: {
      failed(reason) {
        log.warn({ ...members, reason: `the store ${reason}` }, 'revocations wait for the store')
      },
      caughtUp(written) {
        log.info({ ...members, written }, 'revocations that waited for the store are written')
      },
      dropped(waiting) {
        log.error({ ...members, waiting }, 'revocations were never written to the store')
      },
    },
  })
  const leave = (): void => {
    reader?.close()
    reader = undefined
  }
  return {
    writer,
    follow() {
      reader = streamReader(options)
    },
    leave,
    close() {
      leave()
      return writer.close()
    },
  }
}

/** The stream for a command, which reads and writes it once. */
export interface OpenedStream {
  /** @returns the id of the entry @throws {StoreError} */
  write(change: RevocationChange): Promise<string>
  /** @returns how many replicas have what was written here @throws {StoreError} */
  wait(replicas: number, timeoutMs: number): Promise<number>
  /** Everything that is in the stream, the oldest first; what cannot be read has no change. @throws {StoreError} */
  all(): AsyncGenerator<{ readonly id: string; readonly change: RevocationChange | undefined }>
  close(): void
}

/** @returns undefined where the configuration has no stream @throws {StoreError} there is no connection */
export async function openRevocationStream(
  config: Config,
  { clock, scheduler }: Pick<StreamServices, 'clock' | 'scheduler'>,
): Promise<OpenedStream | undefined> {
  const definition = streamDefinition(config)
  if (definition === undefined) return undefined
  const { stream, keepSeconds } = definition
  const shared = store(definition.store, { scheduler, monotonicMs: clock.monotonicMs, onCommand() {} })
  const connection = await shared.connect()
  const key = shared.key(stream)
  return {
    write: async change => String(await connection.send(appendCommand(key, change, keepSeconds, clock.nowMs()))),
    wait: async (replicas, timeoutMs) =>
      Number(await connection.send(['WAIT', String(replicas), String(timeoutMs)], timeoutMs)),
    async *all() {
      for await (const page of streamPages(connection, key))
        for (const { id, fields } of page) yield { id, change: changeIn(fields, idMs(id), keepSeconds) }
    },
    close: () => connection.close(),
  }
}

/**
 * Tries what the configuration uses of its stream, and writes nothing.
 *
 * @returns what is wrong, in words that continue "the store …"; undefined when all is well
 */
export async function probeRevocationStream(
  config: Config,
  use: 'read' | 'readAndWrite',
  { clock, scheduler }: Pick<StreamServices, 'clock' | 'scheduler'>,
): Promise<string | undefined> {
  const definition = streamDefinition(config)
  if (definition === undefined) return undefined
  const shared = store(definition.store, { scheduler, monotonicMs: clock.monotonicMs, onCommand() {} })
  const key = shared.key(definition.stream)
  const refused: string[] = []
  try {
    const connection = await shared.connect()
    try {
      for (const args of [...READS(key), ...(use === 'read' ? [] : WRITES(key))]) {
        const error = await connection.send(args).then(() => undefined, storeError)
        if (error?.code === 'NOPERM') refused.push(`+${args[0]?.toLowerCase()}`)
        else if (error !== undefined && error.code !== 'NOKEY' && error.code !== 'ERR') return error.message
      }
    } finally {
      connection.close()
    }
  } catch (error) {
    return storeError(error).message
  }
  if (refused.length === 0) return undefined
  return `does not allow this user all that is needed; add to its access control list \`${refused.join(' ')} ~${key}\``
}

const READS = (key: string) => [
  ['XINFO', 'STREAM', key],
  ['XRANGE', key, '-', '+', 'COUNT', '1'],
  ['XREAD', 'COUNT', '1', 'STREAMS', key, '$'],
]
/** No stream takes an entry with this id, so nothing is written. */
const WRITES = (key: string) => [['XADD', key, 'NOMKSTREAM', '0-0', 'v', '1']]
