/**
 * Says how what the gateway fetches itself leaves the network: through which proxy, and what may go past it.
 *
 * It is for key sets and whatever else is fetched by us. Upstreams, the store and `decide` do not go this way.
 */

/** As in `egress` of the configuration; a fetch has none where that is left out. */
export interface Egress {
  /** `http://host:port` or `https://host:port`, without credentials. */
  readonly proxy: string
  /** Hosts, ends of hosts, addresses and networks that are reached without it; see `noProxyProblem`. */
  readonly noProxy: readonly string[]
  /** PEM certificates that replace the system's roots, for the certificate of the proxy. */
  readonly caFile?: string | undefined
  /** Holds `user:password`; read for each tunnel, because passwords rotate. */
  readonly credentialsFile?: string | undefined
}

/**
 * The proxy keeps us from what is fetched. The message is for the operator: it names the proxy and what to do, and
 * holds neither credentials nor text that the proxy sent.
 */
export class EgressFailure extends Error {
  override readonly name = 'EgressFailure'
  /** `file`: a file of ours is at fault, and nothing was sent. */
  readonly fault: 'file' | 'proxy'

  constructor(fault: EgressFailure['fault'], message: string) {
    super(message)
    this.fault = fault
  }
}
