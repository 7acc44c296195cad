/**
 * How fetching a document can fail, as one closed list, and the error that says so. Throw {@link FetchFailure} for
 * whatever a server or its answer gets wrong.
 *
 * Knows nothing of what the document is for; keys add results of their own to the list.
 */

/** Each is a value of the metric label `result`. */
export const FETCH_FAILURES = [
  'timeout',
  'connect_error',
  'redirect',
  'http_status',
  'too_large',
  'invalid',
  /** `caFile`, `bearerFile`, or a file of the proxy could not be read. */
  'local_file',
] as const

/**
 * The fetch failed. The message is ours, for the operator, and holds no text that the server sent. Nor is there a cause
 * for what was foreseen: Node's parser errors carry the bytes that were received.
 */
export class FetchFailure extends Error {
  override readonly name = 'FetchFailure'
  readonly result: (typeof FETCH_FAILURES)[number]

  constructor(result: FetchFailure['result'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.result = result
  }
}
