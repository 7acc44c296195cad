/** Says what may be told of a request of ours to whoever makes spans of it. */

/** Begins a trace for a request; undefined: nobody makes traces. */
export type TraceRequest = (method: string, url: URL) => TracedRequest | undefined

interface TracedRequest {
  /** W3C Trace Context §3.2; it is sent along, also where nothing is recorded. */
  readonly traceparent: string
  /** Call it once. @param outcome the status of the answer, or in a word why there is none */
  ended(outcome: number | string): void
}
