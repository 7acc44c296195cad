/**
 * Knows where questions about tokens go: to the address of the configuration, or to the one in the server's metadata.
 *
 * RFC 8414 §2 (`introspection_endpoint`). Our credentials go there, so the address must be on the issuer's host, by
 * https or on loopback.
 */
import type { Egress } from '../../egress/egress.ts'
import { FetchFailure } from '../../keys/fetch/fetch-failure.ts'
import type { TraceRequest } from '../../keys/fetch/request-trace.ts'
import type { Clock } from '../../lib/clock.ts'
import { keptMetadata } from '../../oauth/kept-metadata.ts'
import { addressIn, type Metadata, type ShownBy } from '../../oauth/metadata.ts'

interface EndpointOptions {
  readonly issuer: string
  /** Undefined: it is discovered. */
  readonly endpoint: string | undefined
  readonly client: ShownBy
  readonly clock: Clock
  readonly caFile?: string | undefined
  readonly egress?: Egress | undefined
  readonly trace?: TraceRequest | undefined
  readonly allowInsecureHttp: boolean
}

interface Endpoint {
  readonly known: string | undefined
  /** @throws {FetchFailure} it cannot be found; or the reason of `signal` */
  find(signal: AbortSignal): Promise<string>
  /** Ends a search that is under way beside the questions. */
  close(): void
}

export function endpoint(options: EndpointOptions): Endpoint {
  const kept = keptMetadata({ ...options, read: metadata => endpointIn(metadata, options) })
  return {
    get known() {
      return options.endpoint ?? kept.known
    },
    find: async signal => options.endpoint ?? (await kept.find(signal)),
    close: kept.close,
  }
}

function endpointIn(metadata: Metadata, { issuer, client, allowInsecureHttp }: EndpointOptions): string {
  const elsewhere = 'is not on the issuer’s host; if it is right, give `endpoint`'
  const rules = { issuer, hosts: [], allowInsecureHttp, elsewhere, client }
  const address = addressIn(metadata, 'introspection_endpoint', rules)
  if (address !== undefined) return address
  throw new FetchFailure('invalid', 'the discovery document has no introspection_endpoint; give `endpoint`')
}
