/** Calls a service of HTTP/2 without a gateway between, and collects what the handler of the request is told. */
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { UpstreamConnections } from '../../../src/upstream/connections.ts'
import type { UpstreamOptions } from '../../../src/upstream/pool.ts'
import { testPool, unlimitedBody } from './upstream-pool.ts'

export interface UpstreamReply {
  /** The status of every head, interim ones included. */
  readonly statuses: readonly number[]
  readonly text: string
  /** Undefined when the answer was whole. */
  readonly error: (Error & { readonly code?: string }) | undefined
}

export interface StartedCall {
  readonly ended: Promise<UpstreamReply>
  abort(): void
}

export interface CallInit {
  readonly method?: Dispatcher.HttpMethod
  readonly headers?: string[]
  readonly body?: Readable
  readonly headersTimeoutMs?: number
}

/** @param url `h2c:` or `http:`; no timeout is short enough to end anything unless `change` says so */
export function http2Pool(url: string, change: Partial<UpstreamOptions> = {}): UpstreamConnections {
  return testPool(url.replace('h2c:', 'http:'), { isHttp2: true, ...change })
}

export function startCall(upstream: UpstreamConnections, path: string, init: CallInit = {}): StartedCall {
  const { method = 'GET', headers = ['Host', 'app.example'], body: source, headersTimeoutMs = 20_000 } = init
  const body = source === undefined ? null : unlimitedBody(source)
  const statuses: number[] = []
  let text = ''
  let controller: Dispatcher.DispatchController | undefined
  const ended = new Promise<UpstreamReply>(resolve => {
    upstream.dispatch(
      { path, method, headers, body, headersTimeoutMs, upgrade: null },
      {
        onRequestStart(started) {
          controller = started
        },
        onResponseStart: (_controller, status) => void statuses.push(status),
        onResponseData(_controller, chunk) {
          text += chunk.toString('latin1')
        },
        onResponseEnd: () => resolve({ statuses, text, error: undefined }),
        onResponseError: (_controller, error) => resolve({ statuses, text, error }),
      },
    )
  })
  return { ended, abort: () => controller?.abort(new Error('no longer wanted')) }
}

export function call(upstream: UpstreamConnections, path: string, init?: CallInit): Promise<UpstreamReply> {
  return startCall(upstream, path, init).ended
}
