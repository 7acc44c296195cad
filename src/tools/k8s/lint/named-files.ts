/** Rules about the files that the configuration names, and about secrets that stand where they should not. */
import { readSource } from '../../../config/read/source.ts'
import { localPaths, STANDARD_OUTPUT, withAbsolutePaths } from '../../../config/schema/local-paths.ts'
import { providerTraits } from '../../../config/schema/provider-traits.ts'
import { type Config, configSchema } from '../../../config/schema/schema.ts'
import { placed } from './configuration.ts'
import { insideEntry, mountOf, volumeOf } from './gateway-config.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { type Container, settingOf } from './pods.ts'
import { perPod, type Rules, type Verdict } from './rule.ts'
import { at, entries, isThere, items, type Position, textAt } from './spot.ts'

/** What images have of themselves, and what Kubernetes mounts unasked. */
const IN_IMAGE = /^\/(?:etc\/ssl|etc\/pki|usr|app|dev|proc)\//
const TOKEN_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

export const fileRules = {
  'file-not-mounted': perPod(pod => {
    const { gateway } = pod
    if (gateway === undefined || pod.found.text === undefined) return []
    return filesNamed(pod)
      .filter(({ file }) => !IN_IMAGE.test(file) && !isMounted(pod, gateway, file))
      .map(({ file, path }) => ({
        ...placed(pod, path),
        what: `\`${pathOf(path)}\` is not there: nothing is mounted where \`${file}\` should be`,
        wanted: 'a volume of the gateway’s container that holds it',
        seen: 'none',
      }))
  }),
  'file-not-writable': perPod(pod => {
    const { gateway, found } = pod
    if (gateway === undefined || found.config === undefined) return []
    return writtenFiles(found.config).flatMap(({ file, path }): readonly Verdict[] => {
      const why = unwritable(pod, gateway, file)
      return why === undefined
        ? []
        : [
            {
              ...placed(pod, path),
              what: `\`${pathOf(path)}\` cannot be written: ${why}`,
              wanted: `an \`emptyDir\` mounted at \`${file.slice(0, file.lastIndexOf('/'))}\``,
              seen: `\`${file}\``,
            },
          ]
    })
  }),
  'secret-in-clear': perPod(pod => [...secretsInMaps(pod), ...secretsInEnv(pod)]),
} satisfies Rules

interface NamedFile {
  readonly file: string
  readonly path: ReadonlyArray<string | number>
}

const FILES = localPaths(configSchema).filter(({ kind }) => kind === 'file')

/** The files that are read, each with its place in the configuration. */
function filesNamed({ found }: GatewayPod): readonly NamedFile[] {
  const { text, path: own, config } = found
  if (text === undefined || config === undefined) return []
  const { value } = readSource(text, {})
  const folder = own.slice(0, own.lastIndexOf('/')) || '/'
  const names: string[] = []
  const collecting = FILES.map(each => ({
    ...each,
    absolute: (name: string) => {
      names.push(name)
      return name
    },
  }))
  withAbsolutePaths(value, collecting, () => folder)
  const skipped = new Set(writtenFiles(config).map(({ file }) => file))
  return [...new Set(names)].flatMap(name => {
    const file = name.startsWith('/') ? name : `${folder}/${name}`
    const path = pathTo(value, name)
    return skipped.has(file) || path === undefined ? [] : [{ file, path }]
  })
}

function pathTo(value: unknown, text: string): ReadonlyArray<string | number> | undefined {
  if (value === text) return []
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, member] of Object.entries(value)) {
    const rest = pathTo(member, text)
    if (rest !== undefined) return [Array.isArray(value) ? Number(key) : key, ...rest]
  }
  return undefined
}

function writtenFiles({ providers, revocation, audit }: Config): readonly NamedFile[] {
  return [
    ...Object.entries(providers).flatMap(([id, provider]) => {
      const { cacheFile } = providerTraits(provider)
      return cacheFile === undefined ? [] : [{ file: cacheFile.path, path: ['providers', id, ...cacheFile.at] }]
    }),
    ...(revocation?.cacheFile === undefined ? [] : [{ file: revocation.cacheFile, path: ['revocation', 'cacheFile'] }]),
    ...(audit === undefined || audit.file === STANDARD_OUTPUT ? [] : [{ file: audit.file, path: ['audit', 'file'] }]),
  ]
}

function isMounted(pod: GatewayPod, gateway: Container, file: string): boolean {
  if (mountOf(gateway, file) !== undefined) return true
  return file.startsWith(`${TOKEN_FOLDER}/`) && at(pod.spec, 'automountServiceAccountToken').value !== false
}

/** Volumes that Kubernetes mounts so that they can only be read. */
const READ_ONLY_VOLUMES = ['configMap', 'secret', 'projected', 'downwardAPI', 'image'] as const

/** @returns undefined where the file can be written, or where nothing shows that it cannot */
function unwritable(pod: GatewayPod, gateway: Container, file: string): string | undefined {
  const mount = mountOf(gateway, file)
  if (mount === undefined)
    return settingOf(pod, gateway, 'readOnlyRootFilesystem') === 'true'
      ? 'no volume is mounted there, and the root is read-only'
      : undefined
  if (at(mount, 'readOnly').value === true) return `\`${textAt(mount, 'mountPath')}\` is mounted \`readOnly\``
  const volume = volumeOf(pod, mount)
  const kind = volume === undefined ? undefined : READ_ONLY_VOLUMES.find(each => isThere(at(volume, each)))
  return kind === undefined ? undefined : `\`${textAt(mount, 'mountPath')}\` is a \`${kind}\`, which can only be read`
}

const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----|"d"\s*:\s*"[\w-]{20,}"/
const SECRET_KEY =
  /(?:^|[._-])(?:secrets?|password|passwd|private[._-]?key|api[._-]?key|client[._-]?secret)(?:$|[._-])/i

/** ConfigMaps that the container of the gateway mounts. Nothing of what stands in them is told. */
function secretsInMaps({ found }: GatewayPod): readonly Verdict[] {
  const { map } = found
  if (map === undefined) return []
  return entries(at(map.root, 'data')).flatMap(([key, spot]): readonly Verdict[] => {
    const text = textAt(spot) ?? ''
    const inside = positionOf(text)
    const isOther = spot.path.join() !== found.entry?.path.join()
    if (inside === undefined && !(isOther && SECRET_KEY.test(key))) return []
    return [
      {
        at: spot,
        ...(inside === undefined ? { part: 'key' as const } : { inside: insideEntry(spot, inside) }),
        what: `the ConfigMap \`${map.name}\` holds a secret, and everybody who may read ConfigMaps has it`,
        wanted: 'a Secret, mounted into the gateway’s container alone',
        seen: inside === undefined ? `the key \`${key}\`` : `a private key in \`${key}\``,
      },
    ]
  })
}

function positionOf(text: string): Position | undefined {
  const index = text.search(PRIVATE_KEY)
  if (index === -1) return undefined
  const before = text.slice(0, index).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

const SECRET_VARIABLE = /(?:SECRET|PASSWORD|PASSWD|PASSPHRASE|PRIVATE_?KEY|API_?KEY|ACCESS_?TOKEN|CREDENTIALS?)$/i

function secretsInEnv({ gateway }: GatewayPod): readonly Verdict[] {
  if (gateway === undefined) return []
  return items(at(gateway.spot, 'env')).flatMap((each): readonly Verdict[] => {
    const name = textAt(each, 'name') ?? ''
    return SECRET_VARIABLE.test(name) && (textAt(each, 'value') ?? '') !== ''
      ? [
          {
            at: at(each, 'name'),
            what: `the secret \`${name}\` stands in the manifest, and in the environment of the process`,
            wanted: 'a file of a Secret, which the configuration names by a key like `secretFile`',
            seen: 'its value',
          },
        ]
      : []
  })
}

function pathOf(path: ReadonlyArray<string | number>): string {
  return path
    .map(step => (typeof step === 'number' ? `[${step}]` : step))
    .join('.')
    .replaceAll('.[', '[')
}
