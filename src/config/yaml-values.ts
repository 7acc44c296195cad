/**
 * Turns a YAML document into plain values, and notes where in the text each of them is.
 *
 * YAML 1.2.2 §10.3 (core schema). Refused, because two readers would see two configurations: merge keys (`<<` is
 * YAML 1.1) and `__proto__`, which JavaScript drops in silence. Aliases are followed, but the values they multiply are
 * counted: a "billion laughs" file is a few lines long.
 */
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Pair, Scalar } from 'yaml'
import { type Environment, substitute } from './environment.ts'
import type { Finding, Path } from './findings.ts'

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
  const walk: Walk = { document, text, env, findings: [], places: new Map(), rereadings: [], valueCount: 0 }
  const value = readNode(walk, document.contents, { path: [], key: undefined, around: [] })
  return { value, findings: walk.findings, places: walk.places, rereadings: walk.rereadings }
}

export function pathKey(path: Path): string {
  return JSON.stringify(path)
}

interface Walk {
  readonly document: Document
  readonly text: string
  readonly env: Environment
  readonly findings: Finding[]
  readonly places: Map<string, Place>
  readonly rereadings: Rereading[]
  valueCount: number
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
  walk.valueCount += 1
  if (walk.valueCount > MAX_VALUES || around.length > MAX_DEPTH) {
    const isFirst = walk.valueCount <= MAX_VALUES + 1
    if (isFirst)
      walk.findings.push({ path, offset, message: 'is nested too deep, or repeated too often by aliases (`*name`)' })
    return undefined
  }
  if (isAlias(node)) {
    const target = node.resolve(walk.document)
    if (target !== undefined && !around.includes(target))
      return readNode(walk, target, { path, key: key ?? start, around: [...around, node] })
    walk.findings.push({
      path,
      offset,
      message: 'is an alias of nothing that is complete before it; define its anchor first',
    })
    return undefined
  }
  if (isScalar(node)) return readScalar(walk, node, path, offset)
  const inside = [...around, node]
  if (isSeq(node))
    return node.items.map((item, index) =>
      readNode(walk, item, { path: [...path, index], key: undefined, around: inside }),
    )
  if (isMap(node)) return Object.fromEntries(node.items.flatMap(pair => readPair(walk, pair, path, inside)))
  return undefined
}

function readPair(walk: Walk, pair: Pair, parent: Path, around: readonly unknown[]): [string, unknown][] {
  if (!isScalar(pair.key)) return []
  const name = String(pair.key.value ?? '')
  const key = pair.key.range?.[0]
  const path = [...parent, name]
  const message = REFUSED_KEYS.get(name)
  if (message === undefined) return [[name, readNode(walk, pair.value, { path, key, around })]]
  walk.findings.push({ path, offset: key ?? 0, message })
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
