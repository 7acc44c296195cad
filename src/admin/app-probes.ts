/**
 * Passes health probes on to the service behind the gateway: `GET /-/app/healthz` asks it for `/healthz` and answers
 * with its status, so that a kubelet can probe a service that listens on loopback only.
 *
 * Whoever reaches the admin listener can ask for the listed paths and learn a status, no more. The service gets nothing
 * of the request, neither headers nor query, and nothing of its answer comes back but the status. A redirect is not
 * followed: a probe names the path that answers.
 */
import { DENIALS } from '../errors.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Upstream, UpstreamCall } from '../upstream/connections.ts'

export interface AppProbe {
  /** The path under which the service answers. */
  readonly path: string
  /** The id of the upstream that answers it. */
  readonly upstream: string
}

export interface AppProbes {
  /** @returns whether a listed probe has this path on the admin listener */
  has(adminPath: string): boolean
  /** Never rejects. @returns the service's status, or 502 when it gave none in time */
  status(adminPath: string): Promise<number>
}

/** The prefix behind which the admin listener has the paths of the service. */
export const APP_PROBE_PREFIX = '/-/app'

/** A kubelet gives up after one second unless it is told otherwise; an answer after this one helps nobody. */
const PROBE_TIMEOUT_MS = 10_000
/** A body that is longer costs its connection instead of being read. */
const MAX_BODY_BYTES = 64 * 1024

interface AppProbesOptions {
  readonly scheduler: Scheduler
  /** @returns the upstream of that id as it is now; undefined when it is gone */
  readonly upstream: (id: string) => Upstream | undefined
}

export function appProbes(probes: readonly AppProbe[], { scheduler, upstream }: AppProbesOptions): AppProbes {
  const byAdminPath = new Map(probes.map(probe => [APP_PROBE_PREFIX + probe.path, probe]))
  return {
    has: adminPath => byAdminPath.has(adminPath),
    async status(adminPath) {
      const probe = byAdminPath.get(adminPath)
      const target = probe && upstream(probe.upstream)
      const status = probe && target && (await statusOf(target, probe.path, scheduler))
      return status ?? DENIALS.upstream_unreachable.status
    },
  }
}

/** @returns undefined when there was no answer */
function statusOf(upstream: Upstream, path: string, scheduler: Scheduler): Promise<number | undefined> {
  return new Promise(resolve => {
    let call: UpstreamCall | undefined
    let bodyBytes = 0
    // One limit covers all of it: a connection that does not come about, interim responses without end, a slow head.
    const cancelTimeout = scheduler.after(PROBE_TIMEOUT_MS, () => {
      resolve(undefined)
      call?.abort(new Error('the probe took too long'))
    })
    const settle = (status: number | undefined): void => {
      cancelTimeout()
      resolve(status)
    }
    upstream.dispatch(
      {
        path,
        method: 'GET',
        headers: ['User-Agent', 'sallyport-probe'],
        body: null,
        headersTimeoutMs: PROBE_TIMEOUT_MS,
        upgrade: null,
        isProbe: true,
      },
      {
        onQueued(queued) {
          call = queued
        },
        onStart(started) {
          call = started
        },
        onHead(statusCode) {
          if (statusCode >= 200) settle(statusCode)
        },
        onData(chunk) {
          bodyBytes += chunk.length
          if (bodyBytes > MAX_BODY_BYTES) call?.abort(new Error('the answer to the probe is too long'))
        },
        // The status has been told by then.
        onEnd: () => {},
        onUpgrade: (_rawHeaders, socket) => void socket.destroy(),
        onError: () => settle(undefined),
      },
    )
  })
}
