/**
 * Holds what sends spans across reloads: a new share or another trust keeps the queue, and another endpoint gets a
 * queue of its own, while the old one sends what it has.
 */
import { createHash } from 'node:crypto'
import type { Environment } from '../config/read/environment.ts'
import type { TracesConfig } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { headerLines } from '../lib/header-lines.ts'
import { type Lease, leases } from '../lib/leases.ts'
import { randomHex } from '../lib/random-hex.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import { type ExportSettings, exportSettings } from '../telemetry/traces/export-settings.ts'
import { otlpSender } from '../telemetry/traces/otlp.ts'
import { type ProviderTraces, providerTraces } from '../telemetry/traces/provider-requests.ts'
import type { SpanSink } from '../telemetry/traces/span.ts'
import { type SpanQueue, spanQueue } from '../telemetry/traces/span-queue.ts'

interface TracesOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly metrics: Metrics
  readonly env: Environment
  readonly version: string
}

/** What one configuration asks for. */
interface LeasedTraces {
  readonly sink: SpanSink
  /** Makes traces of requests to providers in this way, from now on. It cannot fail. */
  follow(): void
  release(): void
}

export interface Traces {
  /** @throws {Error} a file was good when it was checked, and cannot be used any more */
  acquire(config: TracesConfig): LeasedTraces
  /** Makes no traces of requests to providers any more. */
  followNone(): void
  /** Gives what makes traces of the requests to a provider, which live longer than a policy. */
  readonly ofProvider: ProviderTraces['of']
  /** Sends what there is, for two seconds at most. */
  close(): Promise<void>
}

/** Requests that began under the policy before still end. */
const LINGER_MS = 60_000
/** The longest time that spans have to leave when the process ends. */
const FLUSH_MS = 2_000

export function traces({ clock, scheduler, log, metrics, env, version }: TracesOptions): Traces {
  const instance = randomHex(16)
  const told = new Set<string>()
  const settingsOf = ({ endpoint, headersFile }: TracesConfig): ExportSettings => {
    const headers = headersFile === undefined ? {} : headerLines(readTrustedFile(headersFile).toString('latin1'))
    return exportSettings({ endpoint, headers }, env, variable => {
      if (told.has(variable)) return
      told.add(variable)
      log.warn({ variable }, 'a variable of the environment cannot be used for traces, and is ignored')
    })
  }
  const queues = leases({
    // Headers are secrets, so only a digest of them is kept as a name.
    identityOf: (settings: ExportSettings) => createHash('sha256').update(JSON.stringify(settings)).digest('hex'),
    make(settings) {
      const { url, caFile, certFile, keyFile } = settings
      const endpoint = placeOf(url)
      const queue = spanQueue({
        scheduler,
        onResult: metrics.spansSent,
        sender: otlpSender({
          settings: {
            ...settings,
            resource: { 'service.version': version, 'service.instance.id': instance, ...settings.resource },
          },
          tls: { ca: contentOf(caFile), cert: contentOf(certFile), key: contentOf(keyFile) },
          scheduler,
          observer: {
            failing: reason => log.warn({ endpoint, reason }, 'traces cannot be sent'),
            recovered: () => log.info({ endpoint }, 'traces are sent again'),
          },
        }),
      })
      return queue
    },
    end: queue => queue.close(FLUSH_MS),
    lingerMs: LINGER_MS,
    scheduler,
  })
  const ofProviders = providerTraces(clock)
  let followed: Lease<SpanQueue> | undefined
  const follow = (next: Lease<SpanQueue> | undefined, sample: number): void => {
    ofProviders.follow(next && { sample, sink: next.value })
    followed?.release()
    followed = next
  }
  return {
    acquire(config) {
      const settings = settingsOf(config)
      const { value, release } = queues.acquire(settings)
      return { sink: value, follow: () => follow(queues.acquire(settings), config.sample), release }
    },
    followNone: () => follow(undefined, 0),
    ofProvider: ofProviders.of,
    close: queues.close,
  }
}

function contentOf(file: string | undefined): Buffer | undefined {
  return file === undefined ? undefined : readTrustedFile(file)
}

/** Leaves out what may be secret in an address from the environment. */
function placeOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}
