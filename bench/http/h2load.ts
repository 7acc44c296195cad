/** Drives one target with h2load, over HTTP/2 without TLS. A single answer that is no success fails the benchmark. */
import type { LoadResult } from './load.ts'
import { run } from './processes.ts'

export interface Http2Load {
  readonly seconds: number
  readonly connections: number
  /** Requests under way at a time on each connection. */
  readonly streams: number
  readonly token: string
  readonly target: string
  /** The file with the body of each request, which is then a POST of gRPC. */
  readonly grpcFile?: string
}

const GRPC = ['content-type: application/grpc', 'te: trailers']

export async function http2Load(url: string, options: Http2Load): Promise<LoadResult> {
  const { seconds, connections, streams, token, target, grpcFile } = options
  const headers = [`authorization: Bearer ${token}`, ...(grpcFile === undefined ? [] : GRPC)]
  const args = [
    ...['-t', '1', '-c', String(connections), '-m', String(streams), '-D', String(seconds), '-p', 'h2c'],
    ...headers.flatMap(line => ['-H', line]),
    ...(grpcFile === undefined ? [] : ['-d', grpcFile]),
    url + target,
  ]
  const output = await run('h2load', args, { place: 'load' })
  const [, requestsText] = /requests: (\d+) total/.exec(output) ?? []
  const [, good] = /status codes: (\d+) 2xx/.exec(output) ?? []
  const requests = Number(good)
  const isWrong = /[1-9]\d* (?:failed|errored|timeout|[345]xx)/.test(output)
  if (isWrong || !(requests > 0)) throw new Error(`${url}: not all went well of ${requestsText} requests:\n${output}`)
  return { requests, durationUs: seconds * 1e6, p50Us: meanUs(output), p99Us: Number.NaN, bytes: 0 }
}

/** h2load gives no quantiles: `time for request:  min max mean sd`. */
function meanUs(output: string): number {
  const [, value = '', unit = ''] = /time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)\b/.exec(output) ?? []
  return Number(value) * ({ us: 1, ms: 1e3, s: 1e6 }[unit] ?? Number.NaN)
}
