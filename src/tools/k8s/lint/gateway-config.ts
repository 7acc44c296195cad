/**
 * Finds the configuration that a gateway is started with among the ConfigMaps of the input, and reads it as the gateway
 * would. Its mistakes are placed in the lines of the ConfigMap.
 *
 * Files that the configuration names exist only in the pod, so they are not read. A value of the environment that the
 * manifest does not show (`valueFrom`, `envFrom`) leaves the configuration unknown, and is no mistake.
 */
import { posix } from 'node:path'
import { pathText } from '../../../config/check/report.ts'
import { loadConfig } from '../../../config/read/load.ts'
import { readSource } from '../../../config/read/source.ts'
import type { Config } from '../../../config/schema/schema.ts'
import { ConfigError, type ConfigProblem } from '../../../errors.ts'
import type { Chunk, KubernetesObject } from './documents.ts'
import { askedConfigMap, type Container, isSameNamespace, type Workload, wordsOf } from './pods.ts'
import { at, isThere, items, type Position, type Spot, scalarAt, textAt } from './spot.ts'

export interface FoundConfig {
  /** The path that the gateway is started with, or would be as the image is, where none is named. */
  readonly path: string
  readonly isNamed: boolean
  /** The mount that the path is in; undefined where there is none. */
  readonly mount: Spot | undefined
  /** The name of the ConfigMap that is mounted there. */
  readonly mapName: string | undefined
  readonly map: KubernetesObject | undefined
  /** The entry of the ConfigMap; undefined where it does not have the file. */
  readonly entry: Spot | undefined
  /** Undefined where it is not known, or has mistakes. */
  readonly config: Config | undefined
  /** Each with its place in the ConfigMap. */
  readonly mistakes: ReadonlyArray<{ readonly message: string; readonly inside: Position | undefined }>
  /** The text of the configuration, where it is in the input. */
  readonly text: string | undefined
}

/** What the image is started with. */
const USUAL_PATH = '/etc/sallyport/sallyport.yaml'

/**
 * @param configMaps those of the input
 * @param given what the command line names; it holds for every gateway, whatever is mounted
 */
export function findConfig(
  workload: Workload,
  gateway: Container | undefined,
  configMaps: readonly KubernetesObject[],
  given: Config | undefined,
): FoundConfig {
  const named = gateway === undefined ? USUAL_PATH : configPath(gateway)
  const path = named ?? USUAL_PATH
  const mount = gateway === undefined ? undefined : mountOf(gateway, path)
  const source = gateway === undefined ? injected(workload) : sourceOf(workload, mount)
  const map = configMaps.find(
    ({ name, namespace }) => name === source?.name && isSameNamespace(namespace, workload.namespace),
  )
  const base = {
    path,
    isNamed: named !== undefined,
    mount,
    mapName: source?.name,
    map,
    entry: undefined,
    text: undefined,
  }
  const unknown = { ...base, config: given, mistakes: [] }
  if (map === undefined || source === undefined) return unknown
  const key = keyOf(source, path, mount)
  const entry = at(map.root, 'data', key)
  const text = textAt(entry)
  if (text === undefined) return unknown
  if (given !== undefined) return { ...unknown, entry, text }
  return { ...base, entry, text, ...loaded(text, path, gateway, entry) }
}

/** The path behind `-c`, else what the environment says, else what the image is started with. */
function configPath(gateway: Container): string | undefined {
  const words = wordsOf(gateway)
  const named = words.flatMap((word, index) => {
    if (word === '-c' || word === '--config') return words[index + 1] ?? []
    return /^(?:-c=?|--config=)(\/.*)$/.exec(word)?.[1] ?? []
  })
  const variable = items(at(gateway.spot, 'env')).find(each => textAt(each, 'name') === 'SALLYPORT_CONFIG')
  return named[0] ?? (variable === undefined ? undefined : textAt(variable, 'value')) ?? usual(gateway)
}

function usual({ spot }: Container): string | undefined {
  return isThere(at(spot, 'args')) || isThere(at(spot, 'command')) ? undefined : USUAL_PATH
}

/** The mount that holds a path: of several, the deepest. */
export function mountOf({ spot }: Container, path: string): Spot | undefined {
  return items(at(spot, 'volumeMounts'))
    .filter(each => isWithin(path, textAt(each, 'mountPath') ?? ''))
    .toSorted((a, b) => (textAt(b, 'mountPath') ?? '').length - (textAt(a, 'mountPath') ?? '').length)[0]
}

export function volumeOf({ spec }: Workload, mount: Spot): Spot | undefined {
  const name = textAt(mount, 'name')
  return items(at(spec, 'volumes')).find(each => textAt(each, 'name') === name)
}

/** Places something in the text of a ConfigMap's entry; undefined where its lines are not those of the manifest. */
export function insideEntry(entry: Spot, { line, column }: Position): Position | undefined {
  const { document } = entry
  const start = document.positionOf(entry.path, 'value')
  const lines = document.text.split(/\r?\n/)
  if (lines[start.line - document.firstLine]?.[start.column - 1] !== '|') return undefined
  const [wanted, raw] = [textAt(entry)?.split('\n')[line - 1], lines[start.line - document.firstLine + line]]
  // A block scalar begins on the line below its mark, and each of its lines is the content behind an indentation.
  if (wanted === undefined || raw === undefined || !raw.endsWith(wanted)) return undefined
  return { line: start.line + line, column: raw.length - wanted.length + column }
}

function isWithin(path: string, folder: string): boolean {
  const bare = posix.normalize(folder).replace(/\/$/, '')
  return path === bare || path.startsWith(`${bare}/`)
}

interface ConfigSource {
  readonly name: string
  /** What becomes of keys in the volume; all of them keep their name where there are none. */
  readonly items: readonly Spot[]
}

/** The policy of k8s/injection takes the ConfigMap that a label names. */
function injected(workload: Workload): ConfigSource {
  return { name: askedConfigMap(workload), items: [] }
}

function sourceOf(workload: Workload, mount: Spot | undefined): ConfigSource | undefined {
  const volume = mount === undefined ? undefined : volumeOf(workload, mount)
  if (volume === undefined) return undefined
  const projected = items(at(volume, 'projected', 'sources')).find(each => isThere(at(each, 'configMap')))
  const map = projected === undefined ? at(volume, 'configMap') : at(projected, 'configMap')
  const name = textAt(map, 'name')
  return name === undefined ? undefined : { name, items: items(at(map, 'items')) }
}

function keyOf(source: ConfigSource, path: string, mount: Spot | undefined): string {
  const folder = posix.normalize((mount && textAt(mount, 'mountPath')) ?? posix.dirname(path)).replace(/\/$/, '')
  const subPath = mount && textAt(mount, 'subPath')
  const file = subPath ?? path.slice(folder.length + 1)
  const item = source.items.find(each => textAt(each, 'path') === file)
  return (item === undefined ? undefined : textAt(item, 'key')) ?? file
}

function loaded(
  text: string,
  path: string,
  gateway: Container | undefined,
  entry: Spot,
): Pick<FoundConfig, 'config' | 'mistakes'> {
  const { env, isWhole } = environmentOf(gateway)
  try {
    return { config: loadConfig({ text, file: path, env, namedFiles: 'unread' }), mistakes: [] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const certain = error.problems.filter(problem => isWhole || !isAboutEnvironment(problem))
    const mistakes = certain.map(problem => ({
      message: problem.path.length === 0 ? problem.message : `${pathText(problem.path)} ${problem.message}`,
      inside: positionIn(entry, problem),
    }))
    return { config: undefined, mistakes }
  }
}

function positionIn(entry: Spot, { line, column }: ConfigProblem): Position | undefined {
  return line === undefined || column === undefined ? undefined : insideEntry(entry, { line, column })
}

function isAboutEnvironment({ message }: ConfigProblem): boolean {
  return /^needs the environment variable /.test(message)
}

/** What the manifest says of the environment. It is not whole where values come from elsewhere. */
function environmentOf(gateway: Container | undefined) {
  const env: Record<string, string> = Object.create(null)
  if (gateway === undefined) return { env, isWhole: false }
  let isWhole = items(at(gateway.spot, 'envFrom')).length === 0
  for (const each of items(at(gateway.spot, 'env'))) {
    const [name, value] = [textAt(each, 'name'), scalarAt(each, 'value')]
    if (name === undefined) continue
    if (value === undefined) isWhole = isWhole && !isThere(at(each, 'valueFrom'))
    else env[name] = value
  }
  return { env, isWhole }
}

/** Where in the entry a value of the configuration stands. */
export function placeInConfig(
  { entry, text }: FoundConfig,
  path: ReadonlyArray<string | number>,
): Position | undefined {
  if (entry === undefined || text === undefined) return undefined
  return insideEntry(entry, readSource(text, {}).position({ path, message: '' }))
}

/** Whether the text of a document can be the ConfigMap of this name. */
export function mayBeMap({ kind, text }: Chunk, names: ReadonlySet<string>): boolean {
  return (kind === 'ConfigMap' || kind === undefined) && [...names].some(name => text.includes(name))
}
