/**
 * Says of each request which trace it belongs to and whether it is recorded, before any span is made.
 *
 * W3C Trace Context §3.2 (traceparent), §3.3 (tracestate), §4.3 (a trace that restarts). The parent's decision counts
 * where the parent is believed. For anybody else a new trace begins, with a link to theirs: strangers neither fill the
 * collector nor choose the ids of our traces.
 */
import { redactText } from '../../lib/redact-path.ts'
import { traceparentIn } from '../../lib/traceparent.ts'
import type { RequestFacts, RequestTrace } from '../../types.ts'
import { newIds, newSpanId, sampler, TRACE_ID_DIGITS } from './sampling.ts'
import type { SpanReference, SpanSink } from './span.ts'

interface RequestTracesOptions {
  /** Share of the traces that begin here and are recorded, from 0 to 1. */
  readonly sample: number
  /** Is true when the trace of a peer at this address is continued. */
  readonly trustsParent: (address: string | undefined) => boolean
  /** Says who the client is, by the address of the peer and what it says, if that is believed. */
  readonly clientOf: (facts: RequestFacts) => string | undefined
  readonly sink: SpanSink
}

/** A trace that is recorded: all that is known of its spans at the beginning. */
export class RecordedTrace implements RequestTrace {
  readonly traceId: string
  readonly traceparent: string
  readonly tracestate: string | undefined
  readonly flags: number
  readonly parentSpanId: string | undefined
  readonly link: SpanReference | undefined
  readonly serverSpanId: string
  readonly clientSpanId: string
  readonly client: string | undefined
  readonly userAgent: string | undefined
  readonly sink: SpanSink

  constructor(
    trace: Pick<RecordedTrace, 'traceId' | 'flags' | 'tracestate' | 'parentSpanId' | 'link'>,
    facts: RequestFacts,
    { clientOf, sink }: RequestTracesOptions,
  ) {
    this.traceId = trace.traceId
    this.flags = trace.flags
    this.tracestate = trace.tracestate
    this.parentSpanId = trace.parentSpanId
    this.link = trace.link
    this.serverSpanId = newSpanId()
    this.clientSpanId = newSpanId()
    this.traceparent = written(this.traceId, this.clientSpanId, this.flags)
    // Of a request that is refused, the head is let go of before its end.
    this.client = clientOf(facts)
    this.userAgent = userAgentIn(facts.rawHeaders)
    this.sink = sink
  }
}

/** @returns finds the trace of a request; everything about one that is not recorded is decided by a few comparisons */
export function requestTraces(options: RequestTracesOptions): (facts: RequestFacts) => RequestTrace {
  const { trustsParent } = options
  const isSampled = sampler(options.sample)
  return facts => {
    if (trustsParent(facts.peer.address)) {
      const parent = parentIn(facts.rawHeaders)
      if (parent !== undefined) return continued(parent, facts, options)
    }
    const ids = newIds()
    const traceId = ids.slice(0, TRACE_ID_DIGITS)
    if (!isSampled(ids))
      return { traceId, traceparent: written(traceId, ids.slice(TRACE_ID_DIGITS), 0), tracestate: undefined }
    const begun = { traceId, flags: SAMPLED, tracestate: undefined, parentSpanId: undefined }
    return new RecordedTrace({ ...begun, link: parentIn(facts.rawHeaders) }, facts, options)
  }
}

function continued(parent: SpanReference, facts: RequestFacts, options: RequestTracesOptions): RequestTrace {
  const { traceId, spanId } = parent
  const flags = parent.flags & KNOWN_FLAGS
  const tracestate = statesOf(facts.rawHeaders)
  // Nothing of ours stands between the parent and the service, so the parent stays the service's parent.
  if ((flags & SAMPLED) === 0) return { traceId, traceparent: written(traceId, spanId, flags), tracestate }
  return new RecordedTrace({ traceId, flags, tracestate, parentSpanId: spanId, link: undefined }, facts, options)
}

/** §3.2.2.5: the parent is recorded. */
const SAMPLED = 1
/** With that, Trace Context Level 2 §3.2.2.5.2: the id of the trace is random. All other bits have no meaning yet. */
const KNOWN_FLAGS = 3
const TRACESTATE = 'tracestate'
const USER_AGENT = 'user-agent'
const LONGEST_USER_AGENT = 256

function parentIn(rawHeaders: readonly string[]): SpanReference | undefined {
  const found = traceparentIn(rawHeaders)
  if (found === undefined) return undefined
  return { traceId: found.slice(3, 35), spanId: found.slice(36, 52), flags: Number.parseInt(found.slice(53, 55), 16) }
}

/** §3.3.1.1: several lines are one list, in their order; empty ones say nothing. */
function statesOf(rawHeaders: readonly string[]): string | undefined {
  let states: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== TRACESTATE.length || name.toLowerCase() !== TRACESTATE) continue
    const value = rawHeaders[i + 1] as string
    if (value !== '') states = states === undefined ? value : `${states},${value}`
  }
  return states
}

function written(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${flags}`
}

function fieldOf(rawHeaders: readonly string[], field: string): string | undefined {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === field.length && name.toLowerCase() === field) return rawHeaders[i + 1]
  }
  return undefined
}

/** A part of a text keeps all of it in memory, so a part is copied. */
function userAgentIn(rawHeaders: readonly string[]): string | undefined {
  const value = fieldOf(rawHeaders, USER_AGENT)
  if (value === undefined) return undefined
  const text = redactText(value, value.length)
  if (text.length <= LONGEST_USER_AGENT) return text
  return Buffer.from(text.slice(0, LONGEST_USER_AGENT), 'latin1').toString('latin1')
}
