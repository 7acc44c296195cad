/**
 * Turns a YAML document into plain values, and notes where in the text each of them is.
 *
 * YAML 1.2.2 §10.3 (core schema) and, of YAML 1.1, merge keys: `<<: *base` adds the keys of a block that are not
 * written beside it. Duplicate keys and `__proto__`, which JavaScript drops in silence, are refused, because two
 * readers would see two configurations. Aliases are followed, but the values that they multiply are counted: a
 * "billion laughs" file is a few lines long.
 */
import { type Alias, type Document, isAlias, isMap, isNode, isScalar, isSeq, type Node, type Pair, Scalar } from 'yaml'
import type { Finding, Path } from '../check/findings.ts'
import { type Environment, substitute } from './environment.ts'

/** Says where in the text a key and its value begin, as offsets. */
interface Place {
  readonly key: number | undefined
  readonly value: number | undefined
}

/** Is another way to read a scalar that holds a value from the environment: a number as text, or a text as a number. */
export interface Rereading {
  readonly path: Path
  readonly value: string | number | boolean
}

interface YamlValues {
  readonly value: unknown
  readonly findings: readonly Finding[]
  /** The keys are made by {@link pathKey}. */
  readonly places: ReadonlyMap<string, Place>
  readonly rereadings: readonly Rereading[]
}

interface Reading {
  readonly text: string
  /** References to the environment stay as they are written where it is undefined. */
  readonly env: Environment | undefined
  /** How many values there may be, with what aliases repeat. */
  readonly maxValues: number
}

export function yamlValues(document: Document, reading: Reading): YamlValues {
  const walk: Walk = {
    ...reading,
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

interface Walk extends Reading {
  readonly findings: Finding[]
  readonly places: Map<string, Place>
  readonly rereadings: Rereading[]
  valueCount: number
  /** An anchor may be given anew, and then means the latest node. */
  readonly anchors: Map<string, Node>
  /** An alias goes on to mean the node that it meant when it was first met. */
  readonly targets: Map<Alias, Node>
}

interface Spot {
  readonly path: Path
  /** It is the offset of the key that the value belongs to. */
  readonly key: number | undefined
  /** The value is inside these nodes, of which the outermost comes first. */
  readonly around: readonly unknown[]
}

const MAX_DEPTH = 32
const MERGE_KEY = '<<'
const REFUSED_KEYS: ReadonlyMap<string, string> = new Map([['__proto__', 'cannot be a key']])

function readNode(walk: Walk, node: unknown, spot: Spot): unknown {
  const { path, key, around } = spot
  const start = isNode(node) ? node.range?.[0] : undefined
  // A value that was left empty is nowhere in the text, so its problems are shown at its key.
  const isEmpty = isScalar(node) && node.value === null && !node.source
  walk.places.set(pathKey(path), { key, value: isEmpty && key !== undefined ? undefined : start })
  const offset = start ?? key ?? 0
  if (!isWithinBounds(walk, 1, { path, offset, around })) return undefined
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
  const block: Block = { path, inside, names: new Set() }
  const merged: Alias[] = []
  const own = node.items.flatMap(pair => {
    if (!isScalar(pair.key) || pair.key.value !== MERGE_KEY) return readPair(walk, pair, block)
    merged.push(...mergedAliases(walk, pair, block))
    return []
  })
  // What is written in the block wins over what is merged, wherever in the block `<<` stands.
  return Object.fromEntries([...own, ...merged.flatMap(alias => readMerged(walk, alias, block))])
}

interface Measured {
  readonly path: Path
  readonly offset: number
  readonly around: readonly unknown[]
}

/** Counts values that are read. The first that are too many are reported. */
function isWithinBounds(walk: Walk, count: number, { path, offset, around }: Measured): boolean {
  const isFirstBeyond = walk.valueCount <= walk.maxValues
  walk.valueCount += count
  if (walk.valueCount <= walk.maxValues && around.length <= MAX_DEPTH) return true
  if (isFirstBeyond)
    walk.findings.push({ path, offset, message: 'is nested too deep, or repeated too often by aliases (`*name`)' })
  return false
}

/** Finds the node of an alias. `Alias.resolve` searches the whole document each time, which could take minutes. */
function targetOf({ anchors, targets }: Walk, alias: Alias): Node | undefined {
  const target = targets.get(alias) ?? anchors.get(alias.source)
  if (target !== undefined) targets.set(alias, target)
  return target
}

/** Returns the aliases of `<<: *base` or `<<: [*base, *other]`, which mean the anchors before them. */
function mergedAliases(walk: Walk, { key, value }: Pair, { path: parent, names }: Block): readonly Alias[] {
  const path = [...parent, MERGE_KEY]
  const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0
  const listed = isSeq(value) ? value.items : [value]
  const aliases = listed.filter(item => isAlias(item) && isMap(targetOf(walk, item))) as readonly Alias[]
  const message = names.has(MERGE_KEY)
    ? 'is in this block twice; write a list of aliases, `<<: [*one, *other]`'
    : 'is a merge key, which takes an alias of a block that is complete before it (`<<: *base`), or a list of them'
  const isRight = aliases.length === listed.length && !names.has(MERGE_KEY)
  names.add(MERGE_KEY)
  if (isRight) return aliases
  walk.findings.push({ path, offset, message, at: 'key' })
  return []
}

/** Reads the keys of a block that are not there yet. Of several blocks that are merged, the first wins. */
function readMerged(walk: Walk, alias: Alias, { path, inside, names }: Block): [string, unknown][] {
  const target = targetOf(walk, alias)
  if (!isMap(target)) return []
  const offset = alias.range?.[0] ?? 0
  const around = [...inside, alias]
  if (inside.includes(target)) {
    const message = 'is merged into itself; define the anchor before it is used'
    walk.findings.push({ path: [...path, MERGE_KEY], offset, message })
    return []
  }
  // Keys that are there already cost time, too, so all of them count.
  if (!isWithinBounds(walk, 1 + target.items.length, { path, offset, around })) return []
  const block: Block = { path, inside: [...around, target], names }
  const nested: Alias[] = []
  const own = target.items.flatMap(pair => {
    if (!isScalar(pair.key)) return []
    if (pair.key.value === MERGE_KEY) {
      nested.push(...(isSeq(pair.value) ? pair.value.items : [pair.value]).filter(isAlias))
      return []
    }
    const name = String(pair.key.value ?? '')
    // What is wrong with a key is told where its block stands.
    return names.has(name) || REFUSED_KEYS.has(name) ? [] : readPair(walk, pair, block)
  })
  return [...own, ...nested.flatMap(each => readMerged(walk, each, block))]
}

interface Block {
  readonly path: Path
  readonly inside: readonly unknown[]
  /** The keys of the block that have been met. */
  readonly names: Set<string>
}

function readPair(walk: Walk, pair: Pair, { path: parent, inside, names }: Block): [string, unknown][] {
  if (!isScalar(pair.key)) return []
  const name = String(pair.key.value ?? '')
  const key = pair.key.range?.[0]
  const path = [...parent, name]
  // The check of the library compares each key with each other, which would take minutes for a long block.
  const message = names.has(name) ? 'is in this block twice; keep one of them' : REFUSED_KEYS.get(name)
  names.add(name)
  if (message === undefined) return [[name, readNode(walk, pair.value, { path, key, around: inside })]]
  walk.findings.push({ path, offset: key ?? 0, message, at: 'key' })
  return []
}

/**
 * Reads a scalar. A plain one is read as if the value from the environment stood in its place, so `entries: ${N}` is a
 * number; a quoted one is text. The other reading is noted for the loader, which takes it where the key has no use for
 * the first: `issuer: ${ISSUER}` may happen to be all digits, and in `{ entries: "${N}" }` YAML demands the quotes.
 */
function readScalar(walk: Walk, node: Scalar, path: Path, offset: number): unknown {
  if (typeof node.value !== 'string' || walk.env === undefined) return node.value
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

/** Reads booleans and numbers in base ten (YAML 1.2.2 §10.3.2), but not null: an empty variable is empty text. */
function coreValue(text: string): string | number | boolean {
  if (/^(true|True|TRUE)$/.test(text)) return true
  if (/^(false|False|FALSE)$/.test(text)) return false
  return /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/.test(text) ? Number(text) : text
}
