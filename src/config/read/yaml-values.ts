/**
 * Turns a YAML document into plain values, and notes where in the text each of them is.
 *
 * YAML 1.2.2 §10.3 (core schema). Refused, because two readers would see two configurations: duplicate keys, merge keys
 * (`<<` is YAML 1.1), and `__proto__`, which JavaScript drops in silence. Aliases are followed, but the values they
 * multiply are counted: a "billion laughs" file is a few lines long.
 */
import { type Alias, type Document, isAlias, isMap, isNode, isScalar, isSeq, type Node, type Pair, Scalar } from 'yaml'
import type { Finding, Path } from '../check/findings.ts'
import { type Environment, substitute } from './environment.ts'

/** Where something is in the text, as offsets. */
export interface Place {
  readonly key: number | undefined
  readonly value: number | undefined
}

/** A scalar with a value from the environment that can be read in another type than it was. */
export interface Rereading {
  readonly path: Path
  readonly value: string | number | boolean
}

export interface YamlValues {
  readonly value: unknown
  readonly findings: readonly Finding[]
  /** By {@link pathKey}. */
  readonly places: ReadonlyMap<string, Place>
  readonly rereadings: readonly Rereading[]
}

export function yamlValues(document: Document, text: string, env: Environment): YamlValues {
  const walk: Walk = {
    text,
    env,
    findings: [],
    places: new Map(),
    rereadings: [],
    valueCount: 0,
    anchors: new Map(),
    targets: new Map(),
  }
  const value = readNode(walk, document.contents, { path: [], key: undefined, around: [] })
  return { value, findings: walk.findings, places: walk.places, rereadings: walk.rereadings }
}

export function pathKey(path: Path): string {
  return JSON.stringify(path)
}

interface Walk {
  readonly text: string
  readonly env: Environment
  readonly findings: Finding[]
  readonly places: Map<string, Place>
  readonly rereadings: Rereading[]
  valueCount: number
  /** The latest node of each anchor so far. */
  readonly anchors: Map<string, Node>
  /** What each alias meant when it was first met; anchors may be given anew. */
  readonly targets: Map<Alias, Node>
}

interface Spot {
  readonly path: Path
  /** Offset of the key that the value belongs to. */
  readonly key: number | undefined
  /** The nodes that the value is in, outermost first. */
  readonly around: readonly unknown[]
}

const MAX_VALUES = 100_000
const MAX_DEPTH = 32
const REFUSED_KEYS: ReadonlyMap<string, string> = new Map([
  ['<<', 'is a merge key, which YAML 1.2 does not have; write the keys out, or use an alias for a whole block'],
  ['__proto__', 'cannot be a key'],
])

function readNode(walk: Walk, node: unknown, spot: Spot): unknown {
  const { path, key, around } = spot
  const start = isNode(node) ? node.range?.[0] : undefined
  // A value left empty has no extent of its own: its key is what the reader sees.
  const isEmpty = isScalar(node) && node.value === null && !node.source
  walk.places.set(pathKey(path), { key, value: isEmpty && key !== undefined ? undefined : start })
  const offset = start ?? key ?? 0
  const isFirstBeyond = walk.valueCount <= MAX_VALUES
  walk.valueCount += 1
  if (walk.valueCount > MAX_VALUES || around.length > MAX_DEPTH) {
    if (isFirstBeyond)
      walk.findings.push({ path, offset, message: 'is nested too deep, or repeated too often by aliases (`*name`)' })
    return undefined
  }
  if (isAlias(node)) {
    const target = targetOf(walk, node)
    if (target !== undefined && !around.includes(target))
      return readNode(walk, target, { path, key: key ?? start, around: [...around, node] })
    walk.findings.push({
      path,
      offset,
      message: 'is an alias of nothing that is complete before it; define its anchor first',
    })
    return undefined
  }
  if (isNode(node) && node.anchor !== undefined && !around.some(isAlias)) walk.anchors.set(node.anchor, node)
  if (isScalar(node)) return readScalar(walk, node, path, offset)
  const inside = [...around, node]
  if (isSeq(node))
    return node.items.map((item, index) =>
      readNode(walk, item, { path: [...path, index], key: undefined, around: inside }),
    )
  if (!isMap(node)) return undefined
  const names = new Set<string>()
  return Object.fromEntries(node.items.flatMap(pair => readPair(walk, pair, { path, inside, names })))
}

/** Not `Alias.resolve`, which searches the whole document each time: a file of aliases would take minutes. */
function targetOf({ anchors, targets }: Walk, alias: Alias): Node | undefined {
  const target = targets.get(alias) ?? anchors.get(alias.source)
  if (target !== undefined) targets.set(alias, target)
  return target
}

interface Block {
  readonly path: Path
  readonly inside: readonly unknown[]
  /** Keys so far. */
  readonly names: Set<string>
}

function readPair(walk: Walk, pair: Pair, { path: parent, inside, names }: Block): [string, unknown][] {
  if (!isScalar(pair.key)) return []
  const name = String(pair.key.value ?? '')
  const key = pair.key.range?.[0]
  const path = [...parent, name]
  // Not the library's check, which compares each key with each: a long block would take minutes.
  const message = names.has(name) ? 'is in this block twice; keep one of them' : REFUSED_KEYS.get(name)
  names.add(name)
  if (message === undefined) return [[name, readNode(walk, pair.value, { path, key, around: inside })]]
  walk.findings.push({ path, offset: key ?? 0, message, at: 'key' })
  return []
}

/**
 * A plain scalar reads as if the value from the environment stood there (`entries: ${N}` is a number), a quoted one is
 * text. Where a key takes only the other, the loader takes the other: `issuer: ${ISSUER}` that happens to be digits, or
 * `{ entries: "${N}" }`, which YAML makes one quote.
 */
function readScalar(walk: Walk, node: Scalar, path: Path, offset: number): unknown {
  if (typeof node.value !== 'string') return node.value
  const { value, problems } = substitute(node.value, walk.env)
  for (const { reference, message } of problems) {
    const found = walk.text.indexOf(reference, offset)
    const isInside = found !== -1 && found < (node.range?.[1] ?? 0)
    walk.findings.push({ path, offset: isInside ? found : offset, message })
  }
  const typed = value === node.value ? value : coreValue(value)
  if (typed === value) return value
  const isPlain = node.type === Scalar.PLAIN
  walk.rereadings.push({ path, value: isPlain ? value : typed })
  return isPlain ? typed : value
}

/** YAML 1.2.2 §10.3.2, numbers in base ten and booleans. Never null: an empty variable is empty text. */
function coreValue(text: string): string | number | boolean {
  if (/^(true|True|TRUE)$/.test(text)) return true
  if (/^(false|False|FALSE)$/.test(text)) return false
  return /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/.test(text) ? Number(text) : text
}
