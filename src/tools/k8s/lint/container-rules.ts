/** Rules about the container of the gateway: its image, its resources, and what it may do. */
import type { Config } from '../../../config/schema/schema.ts'
import { SIDECAR_LABEL, SIDECAR_NAME } from '../sidecar-container.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { isSameNamespace, settingOf } from './pods.ts'
import { bytesIn, MIB, mebibytes } from './quantity.ts'
import { perPod, type Rules, type Verdict } from './rule.ts'
import { isInjected } from './scene.ts'
import { at, isThere, scalarAt, textAt, textsAt } from './spot.ts'

export const containerRules = {
  'image-floating': perPod(pod => {
    const image = imageOf(pod)
    return image === undefined || image.digest !== undefined || !image.isFloating
      ? []
      : [
          {
            at: image.spot,
            what: `which version runs is decided anew for each pod: the image has ${image.tag === undefined ? 'no tag' : `the tag \`${image.tag}\``}`,
            wanted: 'a version and a digest',
            seen: `\`${image.text}\``,
          },
        ]
  }),
  'image-no-digest': perPod(pod => {
    const image = imageOf(pod)
    return image === undefined || image.digest !== undefined || image.isFloating
      ? []
      : [
          {
            at: image.spot,
            what: `the tag \`${image.tag}\` can be moved to another image`,
            wanted: `\`${image.text}@sha256:…\``,
            seen: `\`${image.text}\``,
          },
        ]
  }),
  'cpu-limit': perPod(({ gateway }) => {
    const limit = gateway === undefined ? undefined : at(gateway.spot, 'resources', 'limits', 'cpu')
    return limit === undefined || !isThere(limit)
      ? []
      : [
          {
            at: limit,
            what: 'the gateway is throttled at its CPU limit, and every request waits',
            wanted: '`requests.cpu` alone',
            seen: `\`limits.cpu: ${scalarAt(limit)}\``,
          },
        ]
  }),
  'memory-limit': perPod(({ gateway, found }) => {
    if (gateway === undefined) return []
    const spot = at(gateway.spot, 'resources', 'limits', 'memory')
    const limit = bytesIn(scalarAt(spot))
    const needed = neededBytes(found.config)
    const why = found.config === undefined ? '' : `, for ${reasons(found.config)}`
    if (!isThere(spot))
      return [
        {
          at: isThere(at(gateway.spot, 'resources')) ? at(gateway.spot, 'resources') : at(gateway.spot, 'name'),
          what: 'the gateway has no memory limit, so V8 sizes its heap by the memory of the node',
          wanted: `\`limits: { memory: ${mebibytes(Math.max(needed, 192 * MIB))} }\`${why}`,
          seen: 'none',
        },
      ]
    if (limit === undefined || limit >= needed) return []
    return [
      {
        at: spot,
        what: 'the gateway is ended by the kernel once its caches are full: its memory limit is too low',
        wanted: `\`limits.memory: ${mebibytes(needed)}\`${why}`,
        seen: `\`limits.memory: ${scalarAt(spot)}\``,
      },
    ]
  }),
  'security-context': perPod(pod => {
    const { gateway } = pod
    if (gateway === undefined) return []
    const context = at(gateway.spot, 'securityContext')
    const missing = [
      ...(settingOf(pod, gateway, 'runAsNonRoot') === 'true' ? [] : ['`runAsNonRoot: true`']),
      ...(scalarAt(context, 'readOnlyRootFilesystem') === 'true' ? [] : ['`readOnlyRootFilesystem: true`']),
      ...(scalarAt(context, 'allowPrivilegeEscalation') === 'false' ? [] : ['`allowPrivilegeEscalation: false`']),
      ...(textsAt(context, 'capabilities', 'drop').some(each => each.toUpperCase() === 'ALL')
        ? []
        : ['`capabilities: { drop: [ALL] }`']),
      ...(scalarAt(context, 'privileged') === 'true' ? ['no `privileged`'] : []),
    ]
    return missing.length === 0
      ? []
      : [
          {
            at: isThere(context) ? context : at(gateway.spot, 'name'),
            ...(isThere(context) && { part: 'key' as const }),
            what: 'the gateway may do more than it needs',
            wanted: missing.join(', '),
            seen: isThere(context) ? 'a `securityContext` without' : 'no `securityContext`',
          },
        ]
  }),
  'token-automounted': perPod((pod, { ofKind }) => {
    const { spec, gateway, namespace } = pod
    const own = at(spec, 'automountServiceAccountToken').value
    const account = textAt(spec, 'serviceAccountName') ?? 'default'
    const ofAccount = ofKind('ServiceAccount').find(
      each => each.name === account && isSameNamespace(each.namespace, namespace),
    )
    const setting =
      own ?? (ofAccount === undefined ? undefined : at(ofAccount.root, 'automountServiceAccountToken').value)
    if (gateway === undefined || setting === false) return []
    return [
      {
        at: own === undefined ? spec : at(spec, 'automountServiceAccountToken'),
        ...(own === undefined && { part: 'key' as const }),
        what: `every container of ${pod.title} gets a token of the ServiceAccount \`${account}\``,
        wanted: '`automountServiceAccountToken: false`',
        seen: setting === undefined ? 'nothing, which means `true`' : `\`automountServiceAccountToken: ${setting}\``,
      },
    ]
  }),
  'label-missing': perPod(({ gateway, labels, template, apps, title }) => {
    const { name, value } = SIDECAR_LABEL
    if (gateway === undefined || apps.length === 0 || labels.get(name) === value) return []
    const metadata = at(template, 'metadata')
    return [
      {
        at: isThere(at(metadata, 'labels')) ? at(metadata, 'labels') : metadata,
        part: 'key',
        what: `the pods of ${title} lack the label by which the network policy and the monitoring of k8s/ find them`,
        wanted: `\`${name}: ${value}\` among the labels of the pod template`,
        seen: labels.size === 0 ? 'no labels' : [...labels.keys()].map(each => `\`${each}\``).join(', '),
      },
    ]
  }),
  'never-injected': perPod((pod, scene): readonly Verdict[] =>
    pod.gateway !== undefined || isInjected(pod, scene)
      ? []
      : [
          {
            at: at(pod.object.root, 'metadata', 'name'),
            what: `${pod.title} asks for the gateway by the label \`sallyport: sidecar\`, and nothing in the input puts it there`,
            wanted: `a container \`${SIDECAR_NAME}\`, or its namespace with \`sallyport-injection: enabled\``,
            seen: pod.containers.map(({ name }) => `\`${name}\``).join(', '),
          },
        ],
  ),
} satisfies Rules

interface Image {
  readonly spot: GatewayPod['spec']
  readonly text: string
  readonly tag: string | undefined
  readonly digest: string | undefined
  readonly isFloating: boolean
}

const MOVED_TAGS: ReadonlySet<string> = new Set(['latest', 'stable', 'main', 'master', 'edge', 'nightly', 'dev'])

function imageOf({ gateway }: GatewayPod): Image | undefined {
  const spot = gateway === undefined ? undefined : at(gateway.spot, 'image')
  const text = spot === undefined ? undefined : textAt(spot)
  if (spot === undefined || text === undefined) return undefined
  const [name = '', digest] = text.split('@')
  const [, tag] = /:([^/:]+)$/.exec(name) ?? []
  return { spot, text, tag, digest, isFloating: tag === undefined || MOVED_TAGS.has(tag) }
}

/** Less is not enough for any gateway: see Sizing in k8s/README.md. */
const LEAST_BYTES = 128 * MIB
/** What the process takes by itself, with few tokens and streams. */
const BASE_BYTES = 100 * MIB
const WORKER_BYTES = 50 * MIB
/** A token takes up to 2 KiB of heap, and the heap gets half of the limit. */
const TOKEN_BYTES = 4 * 1024

function neededBytes(config: Config | undefined): number {
  if (config === undefined) return LEAST_BYTES
  const workers = config.workers > 1 ? config.workers * WORKER_BYTES : 0
  return Math.max(LEAST_BYTES, BASE_BYTES + workers + config.tokenCache.entries * TOKEN_BYTES * config.workers)
}

function reasons({ tokenCache, workers }: Config): string {
  return `\`tokenCache.entries: ${tokenCache.entries}\`${workers > 1 ? ` in each of ${workers} workers` : ''}`
}
