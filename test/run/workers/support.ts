/** A gateway of several processes, and what can be known of each. */
import { Agent, request } from 'undici'
import { atEnd } from '../../support/at-end.ts'
import {
  type GatewayOnFile,
  type GatewayOnFileOptions,
  startGatewayOnFile,
} from '../../support/gateway/gateway-process.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'

export const WORKERS = 2

export interface WorkerStatus {
  readonly pid: number
  readonly ready: boolean
  readonly config_hash: string
}

export const ROUTES = [{ id: 'all', path: '/**', access: 'public' }]

export interface Workers {
  readonly gateway: GatewayOnFile
  readonly upstream: TestUpstream
  /** What `-/status` says of each. */
  workers(): Promise<readonly WorkerStatus[]>
  pids(): Promise<readonly number[]>
}

/** @param respond the service; by default it echoes */
export async function startWorkers(
  config: Readonly<Record<string, unknown>> = {},
  respond?: Parameters<typeof startTestUpstream>[0],
  options?: GatewayOnFileOptions,
): Promise<Workers> {
  const upstream = await startTestUpstream(respond)
  atEnd(upstream.close)
  const gateway = await startGatewayOnFile({ ...configOf(upstream), ...config }, options)
  atEnd(gateway.stop)
  const workers = async () =>
    (JSON.parse((await gateway.admin('/-/status')).text) as { workers: readonly WorkerStatus[] }).workers
  return { gateway, upstream, workers, pids: async () => (await workers()).map(({ pid }) => pid) }
}

export function configOf({ url }: TestUpstream): Readonly<Record<string, unknown>> {
  return { workers: WORKERS, upstreams: { app: url }, routes: ROUTES }
}

/** Sends requests one after the other, each on a connection of its own. @returns their statuses */
export async function requests(url: string, count: number): Promise<readonly number[]> {
  const dispatcher = new Agent()
  const statuses: number[] = []
  for (let sent = 0; sent < count; sent++) {
    const { statusCode, body } = await request(url, { dispatcher, reset: true })
    await body.dump()
    statuses.push(statusCode)
  }
  await dispatcher.destroy()
  return statuses
}

/** Which workers have logged requests. */
export function serving(gateway: GatewayOnFile): ReadonlySet<unknown> {
  return new Set(gateway.lines().flatMap(line => ('request_id' in line ? [line.worker] : [])))
}

export const OK = 'sallyport_requests_total{route="all",method="GET",code="ok"}'

/** Resolves when a look finds what is waited for. The test's own time limit ends it otherwise. */
export async function until<T>(look: () => T | Promise<T>, isIt: (found: T) => boolean): Promise<T> {
  for (;;) {
    const found = await look()
    if (isIt(found)) return found
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
