/**
 * Sends spans with OpenTelemetry's exporter: OTLP over HTTP, in JSON, with its retries, back-off and `Retry-After`.
 *
 * The SDK is imported with the first batch, since a gateway without traces does not need it. Connections are our own,
 * so that closing ends them: they lead to the collector directly, whatever proxy the configuration or the environment
 * has.
 */
import http from 'node:http'
import https from 'node:https'
import type { HrTime, SpanContext, TraceState } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { codeOf } from '../../lib/failure-text.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import type { ExportSettings } from './export-settings.ts'
import type { FinishedSpan } from './span.ts'
import type { SpanSender } from './span-queue.ts'

/** What the files of the settings hold. */
interface TlsMaterial {
  readonly ca: Buffer | undefined
  readonly cert: Buffer | undefined
  readonly key: Buffer | undefined
}

interface OtlpSenderOptions {
  readonly settings: ExportSettings
  readonly tls: TlsMaterial
  readonly scheduler: Scheduler
  /** Is told once when spans cannot be sent any more, and once when they can again. */
  readonly observer: {
    failing(reason: string): void
    recovered(): void
  }
}

export function otlpSender({ settings, tls, scheduler, observer }: OtlpSenderOptions): SpanSender {
  const { url, timeoutMs } = settings
  const agent = url.startsWith('https:')
    ? new https.Agent({ keepAlive: true, ...tls })
    : new http.Agent({ keepAlive: true })
  let exporting: Promise<Exporting> | undefined
  let isFailing = false
  let isClosed = false
  let giveUp: (() => void) | undefined

  async function send(spans: readonly FinishedSpan[]): Promise<Outcome> {
    exporting ??= loaded(settings, agent)
    try {
      return (await exporting).send(spans)
    } catch (error) {
      // Whoever repairs the installation has to restart.
      return { taken: 0, reason: `OpenTelemetry cannot be loaded: ${codeOf(error) ?? 'for an unknown reason'}` }
    }
  }

  function tell({ taken, reason }: Outcome): void {
    if (isClosed || (reason !== undefined) === isFailing) return
    isFailing = reason !== undefined
    if (reason === undefined) observer.recovered()
    else if (taken === 0) observer.failing(reason)
  }

  return {
    async send(spans) {
      const { promise: over, resolve } = Promise.withResolvers<Outcome>()
      giveUp = () => {
        // Sockets that are under way end, too.
        agent.destroy()
        resolve({ taken: 0, reason: 'there was no answer in time' })
      }
      if (isClosed) giveUp()
      // The exporter limits silence and not time, and the last of its attempts may begin when the others are over.
      const cancel = scheduler.after(2 * timeoutMs + ANSWER_MARGIN_MS, giveUp)
      send(spans).then(resolve)
      const outcome = await over
      cancel()
      giveUp = undefined
      tell(outcome)
      return outcome.taken
    },
    close() {
      isClosed = true
      giveUp?.()
      agent.destroy()
    },
  }
}

const ANSWER_MARGIN_MS = 1_000

interface Outcome {
  readonly taken: number
  /** Why not all were taken. */
  readonly reason: string | undefined
}

interface Exporting {
  send(spans: readonly FinishedSpan[]): Promise<Outcome>
}

/** How many spans the last good answer rejects: the exporter says so in its log alone, right before its callback. */
let rejectedSpans = 0

async function loaded(settings: ExportSettings, agent: http.Agent | https.Agent): Promise<Exporting> {
  const sdk = await import('./sdk.ts')
  const ignored = (): void => {}
  const warn = (_message: string, json?: unknown): void => {
    rejectedSpans = rejectedIn(json)
  }
  sdk.diag.setLogger({ error: ignored, warn, info: ignored, debug: ignored, verbose: ignored }, sdk.DiagLogLevel.WARN)
  const exporter = new sdk.OTLPTraceExporter({
    url: settings.url,
    headers: settings.headers,
    timeoutMillis: settings.timeoutMs,
    // Its type is an enumeration, of which the package exports no value.
    compression: settings.compression as never,
    httpAgentOptions: () => agent,
  })
  const readable = readableSpans(sdk, sdk.resourceFromAttributes(settings.resource))
  return {
    send(spans) {
      const { promise, resolve } = Promise.withResolvers<Outcome>()
      exporter.export(spans.map(readable), ({ code, error }) => {
        const rejected = Math.min(rejectedSpans, spans.length)
        rejectedSpans = 0
        if (code !== EXPORTED) resolve({ taken: 0, reason: reasonOf(error) })
        else if (rejected === 0) resolve({ taken: spans.length, reason: undefined })
        else resolve({ taken: spans.length - rejected, reason: 'the collector rejects spans' })
      })
      return promise
    },
  }
}

/** `ExportResultCode.SUCCESS` of `@opentelemetry/core` */
const EXPORTED = 0

function rejectedIn(json: unknown): number {
  try {
    const { rejectedSpans: rejected } = JSON.parse(String(json)) as { readonly rejectedSpans?: number | string }
    const spans = Number(rejected ?? 0)
    return spans > 0 ? spans : 0
  } catch {
    return 0
  }
}

/** Repeats nothing of what the collector says. */
function reasonOf(error: Error | undefined): string {
  const { code } = { code: undefined as unknown, ...error }
  if (typeof code === 'number') return `the collector answered ${code}`
  return codeOf(error) ?? 'the collector asks to come again later, or does not answer'
}

/** Without a name of its own a scope would have none in what others show. */
const SCOPE = { name: 'sallyport' }
const NO_EVENTS: ReadableSpan['events'] = []

function readableSpans(
  { SpanKind, SpanStatusCode, createTraceState }: typeof import('./sdk.ts'),
  resource: Resource,
): (span: FinishedSpan) => ReadableSpan {
  const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }
  const outcomes = { ok: { code: SpanStatusCode.UNSET }, error: { code: SpanStatusCode.ERROR } }
  return span =>
    new SentSpan(span, {
      resource,
      kind: kinds[span.kind],
      status: span.isError ? outcomes.error : outcomes.ok,
      traceState: span.tracestate === undefined ? undefined : createTraceState(span.tracestate),
    })
}

const NO_LINKS: ReadableSpan['links'] = []

/** A class, since V8 is slow with literals that are put together from others, and there are 512 of these in a batch. */
class SentSpan implements ReadableSpan {
  readonly name: string
  readonly kind: ReadableSpan['kind']
  readonly parentSpanContext?: SpanContext
  readonly startTime: HrTime
  readonly endTime: HrTime
  readonly duration: HrTime
  readonly status: ReadableSpan['status']
  readonly attributes: ReadableSpan['attributes']
  readonly links: ReadableSpan['links']
  readonly events = NO_EVENTS
  readonly ended = true
  readonly resource: Resource
  readonly instrumentationScope = SCOPE
  readonly droppedAttributesCount = 0
  readonly droppedEventsCount = 0
  readonly droppedLinksCount = 0
  readonly #context: SpanContext

  constructor(
    span: FinishedSpan,
    more: Pick<ReadableSpan, 'resource' | 'kind' | 'status'> & { readonly traceState: TraceState | undefined },
  ) {
    const { traceId, spanId, flags, parentSpanId, link } = span
    this.name = span.name
    this.kind = more.kind
    this.startTime = hrTime(span.startMs)
    this.endTime = hrTime(span.endMs)
    this.duration = hrTime(Math.max(0, span.endMs - span.startMs))
    this.status = more.status
    this.attributes = span.attributes
    this.links = link === undefined ? NO_LINKS : [{ context: contextOf(link.traceId, link.spanId, link.flags, true) }]
    this.resource = more.resource
    this.#context =
      more.traceState === undefined
        ? { traceId, spanId, traceFlags: flags }
        : { traceId, spanId, traceFlags: flags, traceState: more.traceState }
    if (parentSpanId !== undefined)
      this.parentSpanContext = contextOf(traceId, parentSpanId, flags, span.parent === 'remote')
  }

  spanContext(): SpanContext {
    return this.#context
  }
}

function contextOf(traceId: string, spanId: string, traceFlags: number, isRemote: boolean): SpanContext {
  return { traceId, spanId, traceFlags, isRemote }
}

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000)
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)]
}
