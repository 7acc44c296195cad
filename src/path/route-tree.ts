/**
 * Finds the most specific route of a path: a tree by segment, with one Map per node.
 *
 * Literal before parameter before `/**`, segment by segment, whatever the order of the routes; where the most specific
 * path does not list the method, the next one that does is taken.
 * A look-up visits a node at most once and goes no deeper than the longest pattern: a hostile path buys nothing, and
 * routes beside the path cost nothing. Segments are keys of Maps, so `__proto__` is a segment like any other.
 *
 * Not find-my-way: it decodes and normalises before it compares, and what must be shown here is that exactly the bytes
 * that are forwarded were matched.
 */
import type { Pattern } from './pattern.ts'

/** What is filed under a pattern. */
export interface TreeEntry {
  readonly pattern: Pattern
  /** `undefined` is every method. GET covers HEAD. */
  readonly methods: ReadonlySet<string> | undefined
}

export interface RouteTree<E extends TreeEntry> {
  /** @param segments of the path, without the leading slash: `/` has one, the empty one */
  find(method: string, segments: readonly string[]): E | undefined
  /** Every entry whose pattern fits, whatever its methods; most specific first. */
  findAll(segments: readonly string[]): readonly E[]
}

/**
 * @param spell how literals are compared: segments to look up must be spelt the same way
 * @throws {SyntaxError} two entries of the same shape share a method
 */
export function routeTree<E extends TreeEntry>(
  entries: readonly E[],
  spell: (literal: string) => string,
): RouteTree<E> {
  const root = newNode<E>()
  for (const entry of entries) file(leaf(root, entry.pattern, spell), entry)
  return {
    find: (method, segments) => search(root, segments, 0, byMethod => forMethod(byMethod, method)),
    findAll: segments => {
      const found = new Set<E>()
      search(root, segments, 0, byMethod => {
        for (const entry of byMethod.values()) found.add(entry)
        return undefined
      })
      return [...found]
    },
  }
}

/** Entries of one shape; one without methods is under {@link ANY_METHOD}. */
type ByMethod<E> = Map<string, E>

interface Node<E> {
  readonly literals: Map<string, Node<E>>
  parameter: Node<E> | undefined
  readonly exact: ByMethod<E>
  readonly subtree: ByMethod<E>
}

/** Not a method: methods are never empty (RFC 9110 §9.1). */
const ANY_METHOD = ''

function newNode<E>(): Node<E> {
  return { literals: new Map(), parameter: undefined, exact: new Map(), subtree: new Map() }
}

function leaf<E>(root: Node<E>, pattern: Pattern, spell: (literal: string) => string): ByMethod<E> {
  let node = root
  for (const segment of pattern.segments) {
    if (segment.kind === 'parameter') {
      node.parameter ??= newNode()
      node = node.parameter
    } else {
      const key = spell(segment.text)
      const next = node.literals.get(key) ?? newNode<E>()
      node.literals.set(key, next)
      node = next
    }
  }
  return node[pattern.extent]
}

function file<E extends TreeEntry>(byMethod: ByMethod<E>, entry: E): void {
  const methods = entry.methods ?? [ANY_METHOD]
  for (const method of methods) {
    const isTaken = byMethod.has(method) || byMethod.has(ANY_METHOD) || (method === ANY_METHOD && byMethod.size > 0)
    if (isTaken) throw new SyntaxError('two routes have the same path and share a method')
    byMethod.set(method, entry)
  }
}

function search<E>(
  node: Node<E>,
  segments: readonly string[],
  depth: number,
  pick: (byMethod: ByMethod<E>) => E | undefined,
): E | undefined {
  const segment = segments[depth]
  if (segment === undefined) return pick(node.exact) ?? pick(node.subtree)
  const literal = node.literals.get(segment)
  return (
    (literal && search(literal, segments, depth + 1, pick)) ??
    (node.parameter && segment !== '' ? search(node.parameter, segments, depth + 1, pick) : undefined) ??
    pick(node.subtree)
  )
}

function forMethod<E>(byMethod: ByMethod<E>, method: string): E | undefined {
  if (byMethod.size === 0) return undefined
  return byMethod.get(method) ?? (method === 'HEAD' ? byMethod.get('GET') : undefined) ?? byMethod.get(ANY_METHOD)
}
