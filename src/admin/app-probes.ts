/**
 * Health probes of the service behind the gateway: `GET /-/app/healthz` asks it for `/healthz` and answers with its
 * status, so that a kubelet can probe a service that listens on loopback only.
 *
 * Whoever reaches the admin listener can ask for the listed paths and learn a status, no more: nothing of the request goes
 * to the service, neither headers nor query, and nothing of the answer but its status comes back.
 * Redirects are not followed: a probe names the path that answers.
 */
import type { Dispatcher } from 'undici'
import { DENIALS } from '../errors.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Upstream } from '../upstream/connections.ts'

export interface AppProbe {
  /** As the service knows it. */
  readonly path: string
  /** Id of the upstream that answers it. */
  readonly upstream: string
}

export interface AppProbes {
  /** True for the path of a listed probe, as the admin listener sees it. */
  has(adminPath: string): boolean
  /** The service's status, or 502 when it gave none in time. Never rejects. */
  status(adminPath: string): Promise<number>
}

/** What the paths of the service are put behind. */
export const APP_PROBE_PREFIX = '/-/app'

/** A kubelet gives up after one second unless told otherwise; an answer after this one helps nobody. */
const PROBE_TIMEOUT_MS = 10_000
/** More of a body than this costs the connection instead of being read. */
const MAX_BODY_BYTES = 64 * 1024

interface AppProbesDeps {
  readonly scheduler: Scheduler
  /** @returns the upstream of that id as it is now; undefined when it is gone */
  readonly upstream: (id: string) => Upstream | undefined
}

export function appProbes(probes: readonly AppProbe[], { scheduler, upstream }: AppProbesDeps): AppProbes {
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
    let controller: Dispatcher.DispatchController | undefined
    let bodyBytes = 0
    // One limit for all of it: a connection that does not come about, interim responses without end, a slow head.
    const cancelTimeout = scheduler.after(PROBE_TIMEOUT_MS, () => {
      resolve(undefined)
      controller?.abort(new Error('the probe took too long'))
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
      },
      {
        onRequestStart(started) {
          controller = started
        },
        onResponseStart(_controller, statusCode) {
          if (statusCode >= 200) settle(statusCode)
        },
        onResponseData(reading, chunk) {
          bodyBytes += chunk.length
          if (bodyBytes > MAX_BODY_BYTES) reading.abort(new Error('the answer to the probe is too long'))
        },
        // By then the status has been told.
        onResponseEnd: () => {},
        onResponseError: () => settle(undefined),
      },
    )
  })
}
