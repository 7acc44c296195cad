/** Says what a span is when it has ended, and who takes it. Spans are made when they are about to be sent. */

/** OpenTelemetry's kinds of spans: a request that arrived, one that was sent, or work in between. */
type SpanKind = 'server' | 'client' | 'internal'

export type SpanAttributes = Record<string, string | number>

/** A span of somebody else that a span refers to (W3C Trace Context §3.2.2). */
export interface SpanReference {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  readonly flags: number
}

export interface FinishedSpan extends SpanReference {
  readonly name: string
  readonly kind: SpanKind
  /** As it came with the parent; undefined without one. */
  readonly tracestate: string | undefined
  readonly parentSpanId: string | undefined
  /** Whether the parent is a span of another process. */
  readonly parent: 'remote' | 'own' | undefined
  /** A trace that led here and is not continued. */
  readonly link: SpanReference | undefined
  /** Milliseconds since the epoch, with fractions. */
  readonly startMs: number
  readonly endMs: number
  readonly isError: boolean
  readonly attributes: Readonly<SpanAttributes>
}

/** What spans are made of when they are about to be sent. */
export interface SpanSource {
  /** How many they will be. */
  readonly spanCount: number
  addTo(spans: FinishedSpan[]): void
}

export interface SpanSink {
  /** Takes the spans of a source, or drops them when it has too many. It never waits and never throws. */
  add(source: SpanSource): void
}
