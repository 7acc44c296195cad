/**
 * Splits a text into its Kubernetes objects, and reads of them only those that can have to do with the gateway.
 *
 * YAML 1.2.2 §9.2 (a line `---` begins a document), and JSON. A cluster's manifests are megabytes, and parsing them all
 * would take many seconds, so a document is first looked at as text: which kind it is, and whether it can hold the
 * gateway. Duplicate keys, tags, `__proto__` and aliases that multiply are refused as in our own configuration. Nothing
 * is checked against a schema.
 */
import { pathText } from '../../../config/check/report.ts'
import { readSource } from '../../../config/read/source.ts'
import { at, items, type Position, type Spot, textAt } from './spot.ts'

export interface InputFile {
  /** The name that is printed. */
  readonly name: string
  readonly text: string
}

/** Something in a file that cannot be read. */
export interface Unreadable extends Position {
  readonly file: string
  readonly message: string
}

/** A document of a file that has not been parsed yet. */
export interface Chunk {
  readonly file: string
  readonly text: string
  readonly firstLine: number
  /** Undefined where the text does not show it, as in JSON on one line or in a block that is written otherwise. */
  readonly kind: string | undefined
}

export interface KubernetesObject {
  readonly kind: string
  readonly name: string
  /** Undefined where the manifest leaves it to whoever applies it. */
  readonly namespace: string | undefined
  readonly root: Spot
}

interface Parsed {
  readonly objects: readonly KubernetesObject[]
  readonly problems: readonly Unreadable[]
}

/** A list with everything of a namespace is far longer than a configuration. */
const BOUNDS = {
  maxCharacters: 32 * 1024 * 1024,
  tooLong: 'the document is larger than 32 MiB; split it',
}

export function chunksOf({ name: file, text }: InputFile): readonly Chunk[] {
  const found: Chunk[] = []
  const plain = text.replace(/^\ufeff/, '')
  let start = 0
  let firstLine = 1
  const add = (end: number): void => {
    const part = plain.slice(start, end)
    if (/^[^\S\n]*[^\s#]/m.test(part)) found.push({ file, text: part, firstLine, kind: kindIn(part) })
    firstLine += part.split('\n').length - 1
  }
  for (const { index } of plain.matchAll(/^---(?=\s|$)/gm)) {
    add(index)
    // The marker is blanked rather than left out, so that lines and columns stay right.
    start = index
  }
  add(plain.length)
  return found.map(chunk => ({ ...chunk, text: chunk.text.replace(/^---/, '   ').replace(/^ {3}(?=\r?\n)/, '') }))
}

/** Whether the text may make pods: whatever its kind is, it has a list of containers. */
export function mayHavePods({ text, kind }: Chunk): boolean {
  return kind !== 'CustomResourceDefinition' && /\b(?:initC|c)ontainers["']?\s*:/.test(text)
}

/** Whether the text has the name of the gateway in it. An escape could spell it otherwise. */
export function mayNameGateway({ text }: Chunk): boolean {
  return /sallyport|\\[ux]/i.test(text)
}

export function parsed(chunk: Chunk): Parsed {
  const { file, text, firstLine } = chunk
  const source = readSource(text, undefined, { ...BOUNDS, maxValues: mostValues(text) })
  const placed = ({ line, column }: Position): Position => ({ line: line + firstLine - 1, column })
  if (source.findings.length > 0) {
    const problems = source.findings.map(finding => {
      const where = finding.path.length === 0 ? '' : `${pathText(finding.path)}: `
      return { file, message: `${where}${templateHint(text) ?? finding.message}`, ...placed(source.position(finding)) }
    })
    return { objects: [], problems: templateHint(text) === undefined ? problems : problems.slice(0, 1) }
  }
  const document = {
    ...{ file, text, firstLine, value: source.value },
    positionOf: (path: Spot['path'], part: 'key' | 'value') =>
      placed(source.position({ path, message: '', ...(part === 'key' && { at: 'key' }) })),
  }
  return { objects: objectsIn({ document, path: [], value: source.value }), problems: [] }
}

/** Each value takes a character at least, unless aliases repeat it. */
function mostValues(text: string): number {
  return Math.min(10_000 + text.length, 2_000_000)
}

function objectsIn(root: Spot): readonly KubernetesObject[] {
  const kind = textAt(root, 'kind')
  if (kind === undefined) return []
  if (kind.endsWith('List') && Array.isArray(at(root, 'items').value))
    return items(at(root, 'items')).flatMap(objectsIn)
  const name = textAt(root, 'metadata', 'name') ?? textAt(root, 'metadata', 'generateName') ?? ''
  return [{ kind, name, namespace: textAt(root, 'metadata', 'namespace'), root }]
}

function kindIn(text: string): string | undefined {
  return /^(?:kind|"kind"):[ \t]*["']?(\w+)/m.exec(text)?.[1]
}

const TEMPLATE =
  'this is a template of Helm (`{{ … }}`), which is no YAML yet; render it first: `helm template CHART | sallyport k8s lint -f -`'

/** A value in quotes may well hold `{{`, as alerts of Prometheus do. */
export function templateHint(text: string): string | undefined {
  return /^\s*(?:-\s+)?\{\{|^[^"'\n]*:[ \t]+\{\{/m.test(text) ? TEMPLATE : undefined
}
