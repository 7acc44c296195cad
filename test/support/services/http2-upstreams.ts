/** Services of HTTP/2, and connections to them without a gateway between. Each ends with the test that starts it. */
import type { UpstreamConnections } from '../../../src/upstream/connections.ts'
import { atEnd } from '../at-end.ts'
import { http2Pool } from '../gateway/upstream-call.ts'
import {
  END_STREAM,
  type FrameConnection,
  type FrameService,
  type FrameServiceOptions,
  startFrameService,
} from './http2-frame-service.ts'
import { type Http2Service, type Http2ServiceOptions, type Respond, startHttp2Service } from './http2-service.ts'

export function to(...args: Parameters<typeof http2Pool>): UpstreamConnections {
  const pool = http2Pool(...args)
  atEnd(() => pool.close())
  return pool
}

export async function service(respond?: Respond, options?: Http2ServiceOptions): Promise<Http2Service> {
  const started = await startHttp2Service(respond, options)
  atEnd(() => started.close())
  return started
}

export async function frames(options: FrameServiceOptions): Promise<FrameService> {
  const started = await startFrameService(options)
  atEnd(() => started.close())
  return started
}

/** Answers with 200 and the number of the stream. */
export function ok(connection: FrameConnection, streamId: number): void {
  connection.head(streamId, [':status', '200', 'n', String(streamId)], END_STREAM)
}
