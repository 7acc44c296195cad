/**
 * Reads a text with Kubernetes manifests: every object in it, its pod template, and the line of each value.
 *
 * YAML 1.2.2 as kubectl takes it: several documents, anchors and merge keys, JSON. The items of a list are objects of
 * their own. What cannot be read is a problem with its line, all of them at once. Nothing is checked against a schema,
 * and nothing is filled in as the API server would.
 */
import { type Document, isAlias, isMap, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'

export type ManifestPath = ReadonlyArray<string | number>
export type Members = Readonly<Record<string, unknown>>

export interface Manifests {
  readonly file: string
  readonly text: string
  readonly documents: readonly Document.Parsed[]
  readonly objects: readonly KubernetesObject[]
  /** They are what could not be read. Where there are some, other objects may be missing. */
  readonly problems: readonly PlacedText[]
}

/** A message or a note with its place; it is printed as `file:line: message`. */
export interface PlacedText {
  readonly file: string
  /** It is counted from 1. */
  readonly line: number
  readonly message: string
}

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  /** It is empty where the object has none, as one with `generateName`. */
  readonly name: string
  /** It is undefined where the manifest leaves it to whoever applies it. */
  readonly namespace: string | undefined
  readonly value: Members
  /** It is undefined for a kind that makes no pods, and for one that is not known; see {@link foreignPods}. */
  readonly pod: PodTemplate | undefined
  readonly document: Document.Parsed
  /** It leads from the document to the object, and is empty unless the object is in a list. */
  readonly at: ManifestPath
  /** The line of what a path leads to from the object, or of the nearest thing around it that is in the text. */
  lineOf(path: ManifestPath): number
}

/** What pods are made of: the members `metadata` and `spec`. */
export interface PodTemplate {
  /** It leads from the object to the template. */
  readonly path: ManifestPath
  readonly labels: Members
  readonly annotations: Members
  readonly spec: Members
}

/** Where each kind of Kubernetes' own has its pod template. */
const TEMPLATES: Readonly<Record<string, ManifestPath>> = {
  'v1 Pod': [],
  'v1 PodTemplate': ['template'],
  'v1 ReplicationController': ['spec', 'template'],
  'apps/v1 DaemonSet': ['spec', 'template'],
  'apps/v1 Deployment': ['spec', 'template'],
  'apps/v1 ReplicaSet': ['spec', 'template'],
  'apps/v1 StatefulSet': ['spec', 'template'],
  'batch/v1 CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
  'batch/v1 Job': ['spec', 'template'],
}

/** It bounds what aliases of aliases may grow to. */
const MAX_ALIASES = 10_000

/** @param file how the places of problems name the text */
export function readManifests(text: string, file: string): Manifests {
  const lines = linesOf(text)
  const lineAt = (offset: number): number => Math.max(lines.linePos(Math.min(offset, text.length)).line, 1)
  const problems: PlacedText[] = []
  const documents = parsedDocuments(text)
  const objects = documents.flatMap((document): readonly KubernetesObject[] => {
    const [error] = document.errors
    if (error !== undefined) {
      problems.push({ file, line: lineAt(error.pos[0]), message: syntaxText(error.code, error.message, text) })
      return []
    }
    try {
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
      // What contains itself is no tree, and ends here.
      JSON.stringify(value)
      return value === null || value === undefined ? [] : objectsIn(value, [])
    } catch (thrown) {
      const [reason] = String(thrown instanceof Error ? thrown.message : thrown).split('\n')
      const message = `the aliases cannot be resolved (${reason}); write their values out`
      problems.push({ file, line: lineAt(document.range[0]), message })
      return []
    }

    function objectsIn(value: unknown, at: ManifestPath): readonly KubernetesObject[] {
      const lineOf = (path: ManifestPath): number => lineAt(offsetOf(document, [...at, ...path]))
      if (!isMembers(value) || typeof value.apiVersion !== 'string' || typeof value.kind !== 'string') {
        const message = 'this is no Kubernetes object; one has `apiVersion` and `kind`'
        problems.push({ file, line: lineOf([]), message })
        return []
      }
      const { apiVersion, kind, items } = value
      if (kind.endsWith('List') && Array.isArray(items) && value.spec === undefined)
        return items.flatMap((item: unknown, index) => objectsIn(item, [...at, 'items', index]))
      const metadata = membersOf(value.metadata)
      const name = typeof metadata.name === 'string' ? metadata.name : ''
      const namespace = typeof metadata.namespace === 'string' ? metadata.namespace : undefined
      return [{ apiVersion, kind, name, namespace, value, pod: templateOf(value), document, at, lineOf }]
    }
  })
  return { file, text, documents, objects, problems }
}

/** Where an object of a kind that is not known has what pods are made of: the path to the list `containers`. */
export function foreignPods({ value, pod }: KubernetesObject): ManifestPath | undefined {
  return pod === undefined ? containersBelow(value, []) : undefined
}

function containersBelow(value: unknown, path: ManifestPath): ManifestPath | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, member] of Object.entries(value)) {
    const here = [...path, Array.isArray(value) ? Number(name) : name]
    const found =
      (name === 'containers' && isContainers(member)) || (name === 'container' && isContainers([member]))
        ? here
        : containersBelow(member, here)
    if (found !== undefined) return found
  }
  return undefined
}

function isContainers(value: unknown): boolean {
  return Array.isArray(value) && value.some(each => isMembers(each) && typeof each.image === 'string')
}

function templateOf(value: Members): PodTemplate | undefined {
  const path = TEMPLATES[`${value.apiVersion} ${value.kind}`]
  if (path === undefined) return undefined
  const template = path.reduce<Members>((parent, name) => membersOf(parent[name]), value)
  const { labels, annotations } = membersOf(template.metadata)
  return { path, labels: membersOf(labels), annotations: membersOf(annotations), spec: membersOf(template.spec) }
}

function parsedDocuments(text: string): readonly Document.Parsed[] {
  const documents = parseAllDocuments(text, {
    ...{ version: '1.2', schema: 'core', merge: true, stringKeys: true },
    ...{ prettyErrors: false, logLevel: 'silent' },
  })
  return 'empty' in documents ? [] : documents
}

/** The parser counts lines, too, but leaves some out after an error. */
function linesOf(text: string): LineCounter {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (const { index } of text.matchAll(/\n/g)) lines.addNewLine(index + 1)
  return lines
}

function syntaxText(code: string, message: string, text: string): string {
  if (/\{\{[^}]*\}\}/.test(text) && code !== 'DUPLICATE_KEY')
    return 'this looks like a template of Helm (`{{ }}`), which is no YAML yet; render it with `helm template` first'
  if (code === 'DUPLICATE_KEY') return 'this key is there twice; keep one of them'
  if (code === 'TAB_AS_INDENT') return 'YAML is not indented with tabs; use blanks'
  return `this is not valid YAML: ${message}`
}

/** Follows aliases and stops where the text goes no further. */
function offsetOf(document: Document.Parsed, path: ManifestPath): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? document.range[0]
  for (const name of path) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => keyText(key) === name)
      offset = startOf(pair?.key) ?? offset
      node = pair?.value
    } else if (isSeq(node) && typeof name === 'number') {
      node = node.items[name]
      offset = startOf(node) ?? offset
    } else return offset
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  return (node as Node | undefined)?.range?.[0]
}

function keyText(key: unknown): string {
  return String((key as { value?: unknown } | null)?.value)
}

export function membersOf(value: unknown): Members {
  return isMembers(value) ? value : {}
}

/** The items of a list that have members, and none where there is no list. */
export function itemsOf(value: unknown): readonly Members[] {
  return Array.isArray(value) ? value.filter(isMembers) : []
}

export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
