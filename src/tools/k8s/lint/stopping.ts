/** Rules about the order in which service and gateway start and stop. */
import { durationText } from '../../../config/schema/units.ts'
import { DEFAULT_DRAIN_SECONDS, gracePeriodSeconds, PRE_STOP_SLEEP_SECONDS } from '../sidecar-container.ts'
import type { GatewayPod } from './gateway-pod.ts'
import type { Container } from './pods.ts'
import { perPod, type Rules, type Verdict } from './rule.ts'
import { servicesOf } from './service-containers.ts'
import { at, isThere, numberAt, scalarAt, textAt, textsAt } from './spot.ts'

/** What Kubernetes takes where nothing is written. */
const USUAL_GRACE_SECONDS = 30
/** What the policy of k8s/injection sees to. */
const INJECTED_GRACE_SECONDS = gracePeriodSeconds(PRE_STOP_SLEEP_SECONDS, DEFAULT_DRAIN_SECONDS)

export const stoppingRules = {
  'app-no-pre-stop': perPod(pod =>
    pod.isJob
      ? []
      : servicesOf(pod)
          .filter(({ spot }) => !isThere(at(spot, 'lifecycle', 'preStop')))
          .map(container => ({
            at: at(container.spot, 'name'),
            what: `the container \`${container.name}\` stops while clients still come: it has no \`preStop\``,
            wanted: '`lifecycle: { preStop: { sleep: { seconds: 10 } } }`',
            seen: isThere(at(container.spot, 'lifecycle')) ? '`lifecycle` without `preStop`' : 'no `lifecycle`',
          })),
  ),
  'grace-too-short': perPod(pod => {
    const { spec, gateway, found, isJob } = pod
    if (isJob) return []
    const spot = at(spec, 'terminationGracePeriodSeconds')
    const written = numberAt(spot) ?? USUAL_GRACE_SECONDS
    const grace = gateway === undefined ? Math.max(written, INJECTED_GRACE_SECONDS) : written
    const sleepSeconds = Math.max(0, ...pod.apps.map(sleepOf))
    const drainMs = found.config?.drain.timeout ?? DEFAULT_DRAIN_SECONDS * 1000
    // An ordinary container gets its SIGTERM together with the service.
    const needed = gateway?.role === 'ordinary' ? drainMs / 1000 : sleepSeconds + drainMs / 1000
    if (grace > needed) return []
    const sum = `${sleepSeconds} s of \`preStop\`, the service’s own end, and ${durationText(drainMs)} of \`drain.timeout\``
    return [
      {
        at: isThere(spot) ? spot : spec,
        ...(!isThere(spot) && { part: 'key' as const }),
        what: `${pod.title} is killed before service and gateway have finished`,
        wanted: `more than ${Math.ceil(needed)} s, such as \`terminationGracePeriodSeconds: ${Math.ceil((needed + 15) / 10) * 10}\`: ${sum}`,
        seen: isThere(spot)
          ? `\`terminationGracePeriodSeconds: ${scalarAt(spot)}\``
          : `${USUAL_GRACE_SECONDS} s, which is what Kubernetes takes`,
      },
    ]
  }),
  'gateway-no-drain': perPod(({ gateway, isJob, apps }) =>
    gateway === undefined || isJob || apps.length === 0 || isThere(at(gateway.spot, 'lifecycle', 'preStop'))
      ? []
      : [
          {
            at: at(gateway.spot, 'name'),
            what: 'the gateway hears of the end only after the service has gone, so clients keep their connections until then',
            wanted: '`lifecycle.preStop` that posts to `/-/drain`',
            seen: 'no `preStop`',
          },
        ],
  ),
  'gateway-pre-stop-fails': perPod(({ gateway }) => {
    const hook = gateway === undefined ? undefined : at(gateway.spot, 'lifecycle', 'preStop')
    if (hook === undefined) return []
    if (isThere(at(hook, 'httpGet')))
      return [
        {
          at: at(hook, 'httpGet'),
          part: 'key',
          what: 'the hook can only GET, and the gateway drains by POST alone',
          wanted: '`exec` with Node, which can POST',
          seen: '`httpGet`',
        },
      ]
    const [program = ''] = textsAt(hook, 'exec', 'command')
    return /(?:^|\/)(?:curl|wget)$/.test(program)
      ? [
          {
            at: at(hook, 'exec', 'command', 0),
            what: `the image of the gateway has no \`${program}\``,
            wanted: '`node`, as in k8s/components/sidecar',
            seen: `\`${program}\``,
          },
        ]
      : []
  }),
  'sidecar-ordinary': perPod(({ gateway, apps, isJob }) =>
    gateway?.role === 'ordinary' && apps.length > 0 && !isJob
      ? [
          {
            at: at(gateway.spot, 'name'),
            what: 'the gateway starts and stops at the same time as the service, so requests fail at both ends',
            wanted: 'a native sidecar: under `initContainers`, with `restartPolicy: Always`',
            seen: 'a container under `containers`',
          },
        ]
      : [],
  ),
  'job-never-ends': perPod(({ gateway, apps, isJob, title }) =>
    gateway?.role === 'ordinary' && apps.length > 0 && isJob
      ? [
          {
            at: at(gateway.spot, 'name'),
            what: `${title} never completes, since the gateway goes on when the work is done`,
            wanted: 'a native sidecar: under `initContainers`, with `restartPolicy: Always`',
            seen: 'a container under `containers`',
          },
        ]
      : [],
  ),
  'init-never-ends': perPod(({ gateway }) =>
    gateway?.role === 'init'
      ? [
          {
            at: at(gateway.spot, 'name'),
            what: 'the pod never starts: it waits for this init container to end, and the gateway does not',
            wanted: '`restartPolicy: Always`',
            seen: restartSeen(gateway),
          },
        ]
      : [],
  ),
  'gateway-twice': perPod(({ gateways }): readonly Verdict[] => {
    const [first, second] = gateways
    if (first === undefined || second === undefined) return []
    return [
      {
        at: at(second.spot, 'name'),
        what: 'the pod has the gateway twice',
        wanted: 'one container with it',
        seen: `\`${first.name}\` and \`${second.name}\``,
      },
    ]
  }),
} satisfies Rules

function restartSeen({ spot }: Container): string {
  const policy = textAt(spot, 'restartPolicy')
  return policy === undefined ? 'no `restartPolicy`' : `\`restartPolicy: ${policy}\``
}

/** How long the hook of a container waits, as far as it shows. */
function sleepOf({ spot }: GatewayPod['apps'][number]): number {
  const hook = at(spot, 'lifecycle', 'preStop')
  const [, seconds] = /\bsleep (\d+)/.exec(textsAt(hook, 'exec', 'command').join(' ')) ?? []
  return numberAt(hook, 'sleep', 'seconds') ?? Number(seconds ?? 0)
}
