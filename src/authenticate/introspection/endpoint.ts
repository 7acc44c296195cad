/**
 * Knows where questions about tokens go: to the address of the configuration, or to the one in the server's metadata.
 *
 * RFC 8414 §2 (`introspection_endpoint`), RFC 8705 §5 (`mtls_endpoint_aliases`, for a client that shows a certificate).
 * Our credentials go there, so the address must be on the issuer's host, by https or on loopback. What was found is
 * looked up again after an hour, beside the questions, and stays in force when that fails. There is no timer here:
 * a search ends with the signal of whoever began it.
 */
import type { Egress } from '../../egress/egress.ts'
import { FetchFailure } from '../../keys/fetch/fetch-failure.ts'
import type { Clock } from '../../lib/clock.ts'
import { unlessAborted } from '../../lib/unless-aborted.ts'
import { addressProblem, type FoundMetadata, findMetadata, type Metadata } from '../../oauth/metadata.ts'

interface EndpointOptions {
  readonly issuer: string
  /** Undefined: it is discovered. */
  readonly endpoint: string | undefined
  /** Whether the client shows a certificate, for which servers may have an address of their own. */
  readonly client: 'certificate' | 'other'
  readonly clock: Clock
  readonly caFile?: string | undefined
  readonly egress?: Egress | undefined
  readonly allowInsecureHttp: boolean
}

interface Endpoint {
  readonly known: string | undefined
  /** @throws {FetchFailure} it cannot be found; or the reason of `signal` */
  find(signal: AbortSignal): Promise<string>
  /** Ends a search that is under way beside the questions. */
  close(): void
}

const FRESH_MS = 3_600_000
/** A search that failed, or never ended, is followed by the next after this time. */
const RETRY_MS = 300_000
const MOST_METADATA_BYTES = 1_048_576

interface Search {
  readonly signal: AbortSignal
  readonly done: Promise<string>
}

export function endpoint(options: EndpointOptions): Endpoint {
  const { issuer, clock, caFile, egress } = options
  let found: FoundMetadata<string> | undefined
  let nextMs = 0
  let first: Search | undefined
  let renewal: AbortController | undefined

  async function search(signal: AbortSignal): Promise<string> {
    const limits = { issuer, maxBytes: MOST_METADATA_BYTES, caFile, egress }
    found = await findMetadata(limits, metadata => addressIn(metadata, options), found, signal)
    nextMs = clock.monotonicMs() + FRESH_MS
    return found.content
  }

  function renewBeside(signal: AbortSignal): void {
    if (clock.monotonicMs() < nextMs) return
    nextMs = clock.monotonicMs() + RETRY_MS
    renewal?.abort()
    renewal = new AbortController()
    // The old address stays in force, and the next search tells again.
    search(AbortSignal.any([signal, renewal.signal])).catch(() => {})
  }

  /** Several may wait for one search. When whoever began it gives up, one of the others begins anew. */
  async function firstFound(signal: AbortSignal): Promise<string> {
    for (;;) {
      first ??= { signal, done: search(signal) }
      const current = first
      try {
        return await unlessAborted(current.done, signal)
      } catch (error) {
        if (first === current) first = undefined
        if (signal.aborted || !current.signal.aborted) throw error
      }
    }
  }

  return {
    get known() {
      return options.endpoint ?? found?.content
    },
    async find(signal) {
      if (options.endpoint !== undefined) return options.endpoint
      if (found === undefined) return await firstFound(signal)
      renewBeside(signal)
      return found.content
    },
    close: () => renewal?.abort(),
  }
}

function addressIn(metadata: Metadata, options: EndpointOptions): string {
  const { introspection_endpoint: general, mtls_endpoint_aliases: aliases } = metadata
  const alias =
    options.client === 'certificate' && typeof aliases === 'object' && aliases !== null
      ? (aliases as Metadata).introspection_endpoint
      : undefined
  const address = alias ?? general
  if (typeof address !== 'string')
    throw new FetchFailure('invalid', 'the discovery document has no introspection_endpoint; give `endpoint`')
  const problem = addressProblem(address, {
    issuer: options.issuer,
    hosts: [],
    allowInsecureHttp: options.allowInsecureHttp,
    elsewhere: 'is not on the issuer’s host; if it is right, give `endpoint`',
  })
  if (problem === undefined) return address
  throw new FetchFailure('invalid', `the introspection_endpoint of the discovery document ${problem}`)
}
