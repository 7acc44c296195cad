/**
 * Finds the most specific route of a path: a tree by segment, with one Map per node.
 *
 * A literal goes before `:name:verb`, that before `:name`, and that before `/**`, segment by segment, whatever the
 * order of the routes; where the most specific path does not list the method, the next one that does is taken. A
 * look-up visits a node at most once and goes no deeper than the longest pattern: a hostile path buys nothing, and
 * routes beside the path cost nothing. Segments are keys of Maps, so `__proto__` is a segment like any other.
 *
 * find-my-way would not do: it decodes and normalises before it compares, and what must be shown here is that exactly
 * the bytes that are forwarded were matched.
 */
import { coveredBy } from './methods.ts'
import { type Pattern, suffixesOf } from './pattern.ts'

/** A thing that is filed under a pattern. */
export interface TreeEntry {
  readonly pattern: Pattern
  /** Undefined stands for every method, and GET covers HEAD. */
  readonly methods: ReadonlySet<string> | undefined
}

interface RouteTree<E extends TreeEntry> {
  find(method: string, path: string): E | undefined
  /** @returns every entry whose pattern fits, whatever its methods, the most specific first */
  findAll(path: string): readonly E[]
}

/** Says how literals are compared: both the pattern's and the path's segments are spelt so first. */
type Spelling = (segment: string) => string

/**
 * @param spell spells the segments of paths
 * @param spellLiteral spells the literals of patterns, as `spell` does unless it is given
 * @throws {SyntaxError} two entries of the same shape share a method
 */
export function routeTree<E extends TreeEntry>(
  entries: readonly E[],
  spell: Spelling = asWritten,
  spellLiteral: Spelling = spell,
): RouteTree<E> {
  const root = newNode<E>()
  /** A path of literals alone is the most specific there is, so nothing else needs to be looked at. */
  const whole = new Map<string, ByMethod<E>>()
  for (const entry of entries) {
    const byMethod = leaf(root, entry.pattern, spellLiteral)
    file(byMethod, entry)
    const path = spellLiteral === asWritten ? literalPath(entry.pattern) : undefined
    if (path !== undefined) whole.set(path, byMethod)
  }
  // This many are enough to see whether a path goes on below the longest pattern.
  const segmentsRead = Math.max(0, ...entries.map(({ pattern }) => pattern.segments.length)) + 1

  function search(path: string, choose: Choose<E>): E | undefined {
    return descend(root, { segments: path.slice(1).split('/', segmentsRead), spell, choose }, 0)
  }

  return {
    find: (method, path) => {
      const literal = whole.get(path)
      return (literal && forMethod(literal, method)) ?? search(path, byMethod => forMethod(byMethod, method))
    },
    findAll: path => {
      const found = new Set<E>()
      search(path, byMethod => {
        for (const entry of entriesOf(byMethod)) found.add(entry)
        return undefined
      })
      return [...found]
    },
  }
}

/** The entries of one shape: one for every method, or some for some. */
interface ByMethod<E> {
  any: E | undefined
  some: Map<string, E> | undefined
}

interface Node<E> {
  /** Undefined while there are none, since most nodes are the end of a path. */
  literals: Map<string, Node<E>> | undefined
  /** Parameters that end in a word, by that. */
  suffixed: Map<string, Node<E>> | undefined
  parameter: Node<E> | undefined
  readonly exact: ByMethod<E>
  readonly subtree: ByMethod<E>
}

/** Takes an entry and ends the search, or lets it go on to what is less specific. */
type Choose<E> = (byMethod: ByMethod<E>) => E | undefined

interface Search<E> {
  /** The segments without the leading slash: `/` has one, the empty one. */
  readonly segments: readonly string[]
  readonly spell: Spelling
  readonly choose: Choose<E>
}

function newNode<E>(): Node<E> {
  return {
    literals: undefined,
    suffixed: undefined,
    parameter: undefined,
    exact: { any: undefined, some: undefined },
    subtree: { any: undefined, some: undefined },
  }
}

function leaf<E>(root: Node<E>, pattern: Pattern, spell: Spelling): ByMethod<E> {
  let node = root
  for (const segment of pattern.segments) {
    if (segment.kind === 'parameter' && segment.suffix !== undefined) {
      node.suffixed ??= new Map()
      node = childOf(node.suffixed, spell(segment.suffix))
    } else if (segment.kind === 'parameter') {
      node.parameter ??= newNode()
      node = node.parameter
    } else {
      node.literals ??= new Map()
      node = childOf(node.literals, spell(segment.text))
    }
  }
  return node[pattern.extent]
}

function childOf<E>(children: Map<string, Node<E>>, key: string): Node<E> {
  const child = children.get(key) ?? newNode<E>()
  children.set(key, child)
  return child
}

const asWritten: Spelling = segment => segment

function literalPath({ segments, extent }: Pattern): string | undefined {
  const literals = segments.flatMap(segment => (segment.kind === 'literal' ? [segment.text] : []))
  return extent === 'exact' && literals.length === segments.length ? `/${literals.join('/')}` : undefined
}

function file<E extends TreeEntry>(byMethod: ByMethod<E>, entry: E): void {
  const { methods } = entry
  const { any, some } = byMethod
  const isTaken = any !== undefined || (some !== undefined && (methods === undefined || !methods.isDisjointFrom(some)))
  if (isTaken) throw new SyntaxError('two routes have the same path and share a method')
  if (methods === undefined) byMethod.any = entry
  else {
    byMethod.some ??= new Map()
    for (const method of methods) byMethod.some.set(method, entry)
  }
}

function entriesOf<E>({ any, some }: ByMethod<E>): readonly E[] {
  return any === undefined ? [...(some?.values() ?? [])] : [any]
}

function descend<E>(node: Node<E>, search: Search<E>, depth: number): E | undefined {
  const { segments, spell, choose } = search
  const segment = segments[depth]
  if (segment === undefined) return choose(node.exact) ?? choose(node.subtree)
  const literal = node.literals?.get(spell(segment))
  return (
    (literal && descend(literal, search, depth + 1)) ??
    (node.suffixed && descendSuffixed(node.suffixed, segment, search, depth)) ??
    (node.parameter && segment !== '' ? descend(node.parameter, search, depth + 1) : undefined) ??
    choose(node.subtree)
  )
}

function descendSuffixed<E>(
  suffixed: ReadonlyMap<string, Node<E>>,
  segment: string,
  search: Search<E>,
  depth: number,
): E | undefined {
  for (const suffix of suffixesOf(search.spell(segment))) {
    const child = suffixed.get(suffix)
    const found = child && descend(child, search, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

function forMethod<E>(byMethod: ByMethod<E>, method: string): E | undefined {
  const { any, some } = byMethod
  if (some === undefined) return any
  const covering = coveredBy(method)
  return some.get(method) ?? (covering === undefined ? undefined : some.get(covering))
}
