/** Calls a service without a gateway between, and collects what the handler of the request is told. */
import type { Readable } from 'node:stream'
import type { UpstreamCall, UpstreamConnections } from '../../../src/upstream/connections.ts'
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
  /** What has come of the body until now. */
  text(): string
  abort(): void
}

export interface CallInit {
  readonly method?: string
  readonly headers?: string[]
  readonly body?: Readable
  readonly headersTimeoutMs?: number
  readonly isProbe?: true
}

/** @param url `h2c:` or `http:`; no timeout is short enough to end anything unless `change` says so */
export function http2Pool(url: string, change: Partial<UpstreamOptions> = {}): UpstreamConnections {
  return testPool(url.replace('h2c:', 'http:'), { isHttp2: true, ...change })
}

export function startCall(upstream: UpstreamConnections, path: string, init: CallInit = {}): StartedCall {
  const { method = 'GET', headers = ['Host', 'app.example'], body: source, headersTimeoutMs = 20_000, isProbe } = init
  const body = source === undefined ? null : unlimitedBody(source)
  const statuses: number[] = []
  let text = ''
  let running: UpstreamCall | undefined
  const ended = new Promise<UpstreamReply>(resolve => {
    upstream.dispatch(
      { path, method, headers, body, headersTimeoutMs, upgrade: null, ...(isProbe && { isProbe }) },
      {
        onQueued(queued) {
          running = queued
        },
        onStart(started) {
          running = started
        },
        onHead: status => void statuses.push(status),
        onData(chunk) {
          text += chunk.toString('latin1')
        },
        onEnd: () => resolve({ statuses, text, error: undefined }),
        onUpgrade: (_rawHeaders, socket) => void socket.destroy(),
        onError: error => resolve({ statuses, text, error }),
      },
    )
  })
  return { ended, text: () => text, abort: () => running?.abort(new Error('no longer wanted')) }
}

export function call(upstream: UpstreamConnections, path: string, init?: CallInit): Promise<UpstreamReply> {
  return startCall(upstream, path, init).ended
}
