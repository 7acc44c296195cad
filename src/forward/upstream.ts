/**
 * One upstream: a pool of connections to the service behind the gateway.
 *
 * Certificates of `https` upstreams are always verified; there is no switch to turn that off.
 * undici retries nothing here: a request is sent once.
 */
import { buildConnector, type Dispatcher, Pool } from 'undici'

export interface UpstreamOptions {
  /** Label in logs and status. */
  readonly id: string
  /** `http://host:port` or `https://host:port`; no path. */
  readonly origin: string
  /** A Unix socket to connect to instead of the origin's host. */
  readonly socketPath?: string | undefined
  readonly connectTimeoutMs: number
  /** From the end of the request to the head of the response. */
  readonly headersTimeoutMs: number
  /** Longest silence inside a response body. */
  readonly idleTimeoutMs: number
  /** PEM text that replaces the system's trust store. */
  readonly ca?: string | undefined
  /** PEM texts of our client certificate. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Name to ask for and to verify; the origin's host when left out. */
  readonly serverName?: string | undefined
}

export interface Upstream {
  readonly id: string
  readonly origin: string
  readonly headersTimeoutMs: number
  dispatch(options: Omit<Dispatcher.DispatchOptions, 'origin'>, handler: Dispatcher.DispatchHandler): void
  /** Destroys the connections; requests still running fail. */
  close(): Promise<void>
}

/** An upstream as its owner has it. */
export interface UpstreamPool extends Upstream {
  /** Takes no more requests; resolves when those running have ended and the connections are closed. */
  drain(): Promise<void>
}

/** Response heads past this are a fault of the upstream (502). */
const MAX_RESPONSE_HEAD_BYTES = 64 * 1024

export function upstreamPool(options: UpstreamOptions): UpstreamPool {
  const { origin, serverName } = options
  const connect = buildConnector(connectOptions(options))
  const pool = new Pool(origin, {
    pipelining: 1,
    headersTimeout: options.headersTimeoutMs,
    bodyTimeout: options.idleTimeoutMs,
    maxHeaderSize: MAX_RESPONSE_HEAD_BYTES,
    // undici asks for, and verifies, the name in the request's Host: whoever sends the request would choose which
    // certificate we accept. Ours comes from the configuration.
    connect: ({ servername: _fromHost, ...target }, callback) => connect(target, callback),
    allowH2: false,
  })
  // The same for all requests, or undici would close and open connections whenever Host changes.
  const fixed = { origin, servername: serverName ?? new URL(origin).hostname }
  return {
    id: options.id,
    origin: options.origin,
    headersTimeoutMs: options.headersTimeoutMs,
    dispatch: (request, handler) => {
      pool.dispatch({ ...request, ...fixed }, handler)
    },
    drain: () => pool.close(),
    close: () => pool.destroy(),
  }
}

function connectOptions({ connectTimeoutMs, socketPath, ca, cert, key, serverName }: UpstreamOptions) {
  return {
    timeout: connectTimeoutMs,
    allowH2: false,
    rejectUnauthorized: true,
    ...(socketPath !== undefined && { socketPath }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(serverName !== undefined && { servername: serverName }),
  }
}
