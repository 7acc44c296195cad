/** Asks the admin listener of a gateway that runs what it says of itself, and whether its probes are wired. */
import { APP_PROBE_PREFIX } from '../../admin/app-probes.ts'
import type { Address } from '../../config/schema/schema.ts'
import { callable } from '../admin/addresses.ts'
import { AdminCallError, askAdmin } from '../admin/ask.ts'
import { shown } from '../text/shown.ts'
import type { Check, Examined } from './examined.ts'
import { type Finding, fail, finding, ok, skipped, type Verdict, warn } from './finding.ts'
import { StepTooLong, step } from './steps.ts'

const PROBES = 'k8s/README.md#probes'
const LISTENER = 'k8s/README.md#admin-listener'
const MOST_BYTES = 16 * 1024 * 1024

/** What a gateway says of itself by `/-/status`. */
export interface Told {
  readonly version: string
  readonly configHash: string
  readonly ready: boolean
  readonly reasons: readonly string[]
}

/** @returns undefined when nobody answers there, or not as a gateway does */
export async function toldBy(address: Address, stepMs: number): Promise<Told | undefined> {
  const answer = await askedOfAdmin(address, '/-/status', stepMs)
  if (answer === undefined || answer.status !== 200) return undefined
  try {
    const { version, config_hash: configHash, ready, reasons } = JSON.parse(answer.text) as Record<string, unknown>
    if (typeof version !== 'string' || typeof configHash !== 'string' || !Array.isArray(reasons)) return undefined
    return {
      version: shown(version),
      configHash: shown(configHash),
      ready: ready === true,
      reasons: reasons.map(String),
    }
  } catch {
    return undefined
  }
}

/** @returns undefined when nobody answers there in time */
export async function askedOfAdmin(address: Address, path: string, stepMs: number) {
  try {
    const question = { address, path, mostBytes: MOST_BYTES }
    return await step(stepMs, signal => askAdmin({ ...question, signal }))
  } catch (error) {
    if (error instanceof AdminCallError || error instanceof StepTooLong) return undefined
    throw error
  }
}

export const adminCheck: Check = async examined => {
  const { admin, stepMs } = examined
  if (admin === undefined)
    return [
      finding(
        'admin',
        undefined,
        warn('the configuration has no `admin`, so nothing can be probed or measured', 'add `admin.listen`', LISTENER),
      ),
    ]
  const told = await toldBy(admin, stepMs)
  if (told === undefined)
    return [
      finding('admin', undefined, skipped('no gateway answers at the admin listener')),
      ...reachedByKubelet(examined),
    ]
  const { version, ready, reasons } = told
  const readiness = ready
    ? ok(`Sallyport ${version} answers, and is ready`)
    : fail(`Sallyport ${version} answers, and is not ready: ${shown(reasons.join('; '))}`, 'see the reasons', PROBES)
  const probes = await Promise.all([
    ...['/livez', '/readyz'].map(path => probeFinding(admin, path, stepMs, 'see the reasons in its answer')),
    ...(examined.config.admin?.appProbes.map(({ path }) =>
      probeFinding(admin, `${APP_PROBE_PREFIX}${path}`, stepMs, 'see that the service answers this path'),
    ) ?? []),
  ])
  return [finding('admin', undefined, readiness), ...probes, ...reachedByKubelet(examined)]
}

async function probeFinding(admin: Address, path: string, stepMs: number, remedy: string): Promise<Finding> {
  const answer = await askedOfAdmin(admin, path, stepMs)
  const verdict: Verdict =
    answer === undefined
      ? fail('no answer', 'see that the gateway is not stuck', PROBES)
      : answer.status >= 200 && answer.status < 400
        ? ok(`answers ${answer.status}`)
        : fail(`answers ${answer.status}`, remedy, PROBES)
  return finding('probe', path, verdict)
}

/** Says whether the probes of Kubernetes can arrive: a kubelet connects to the IP of the pod, and not to loopback. */
function reachedByKubelet({ config, env }: Examined): readonly Finding[] {
  const address = config.admin?.listen.address
  if (address === undefined || env.KUBERNETES_SERVICE_HOST === undefined) return []
  // What others reach is called at another address than it listens on.
  const isHidden = callable(address) === address
  const verdict = isHidden
    ? fail(
        '`admin.listen` cannot be reached by the kubelet',
        'listen on `0.0.0.0:9090`',
        'k8s/README.md#the-admin-port',
      )
    : ok('`admin.listen` can be reached by the kubelet')
  return [finding('probe', 'kubelet', verdict)]
}
