/**
 * Finds the one route that governs a request: call `resolve` for each request and forward exactly
 * the path that it returns.
 *
 * 1. The target is parsed; what is ambiguous whatever the route is refused.
 * 2. The most specific route is found on the bytes that will be forwarded, undecoded.
 * 3. Oddities that the route does not allow (`pathAllow`) are refused. It needs no check that they lie below its
 *    literal prefix: literals hold none, so a segment with one is matched by a parameter or by `/**`.
 * 4. The lax readers' rule: were another route in force for the path as a laxer server may read it (decoded again,
 *    `;…` cut, slashes collapsed, case ignored), the request is refused. With `/**` open and `/admin/**` closed,
 *    `/ADMIN` and `/%2561dmin` get nowhere, while `/orders/ABC` under `/orders/:id` is fine: every reader agrees.
 *
 * RFC 9110 §4.2.3 and RFC 3986 §6.2.2 (equivalence), RFC 9110 §9.3.2 (HEAD is GET). It does not compare hosts: one
 * gateway stands before one service.
 */
import { Denial } from '../errors.ts'
import { parsePattern } from './pattern.ts'
import { HABITS, HABITS_WITHOUT_LAST_SLASH, type Habit, laxReadings, laxSegment } from './readings.ts'
import { routeTree, type TreeEntry } from './route-tree.ts'
import { type PathAllowance, parseTarget, pathInvalid, type Target } from './target.ts'

/** The part of a route that the matcher has to know. */
export interface Matchable {
  /** A pattern such as `/orders/:id` or `/orders/**`. */
  readonly path: string
  /** Undefined stands for every method, and GET covers HEAD. */
  readonly methods: ReadonlySet<string> | undefined
  readonly pathAllow?: ReadonlySet<PathAllowance> | undefined
}

interface Resolution<R> {
  readonly route: R
  /** The path, to be forwarded as it is. */
  readonly path: string
  /** The query with its leading `?`, or empty; it is to be forwarded as it is. */
  readonly query: string
}

export interface Matcher<R> {
  /**
   * Makes the whole decision, for the request path.
   *
   * @param target the request target, undecoded
   * @param host the Host header, which is compared with an absolute-form target
   * @throws {Denial} `path_invalid` with the reason as evidence, `route_unknown`
   */
  resolve(method: string, target: string, host: string | undefined): Resolution<R>
  /** @returns the values of the `:name` segments of a route in a path that it governs, percent-decoded */
  params(route: R, path: string): ReadonlyMap<string, string>
  /** Takes step 2 alone, which says nothing about whether the path is acceptable. */
  match(method: string, path: string): R | undefined
  /** Explains a decision. @returns every route whose path fits, whatever its methods, the most specific first */
  candidates(path: string): readonly R[]
}

/** @throws {SyntaxError} a route's path is wrong, or two routes cannot be told apart */
export function compileMatcher<R extends Matchable>(routes: readonly R[]): Matcher<R> {
  const entries = routes.map(route => entryOf(route))
  const exact = routeTree(entries)
  const lax = routeTree(entries, laxSegment)
  const readDifferently = entries.some(hasLaxLiteral) ? ANY_PATH : READ_DIFFERENTLY

  function refuseDisagreement(method: string, target: Target, entry: Entry<R>): void {
    const { path, relaxations } = target
    // Whoever relaxes a route vouches for how its server reads that oddity, so that a reading without
    // a route passes there: `/packages/@a%2fb` needs no route for `/packages/@a/b`. It does not pass
    // when an encoded `?` or `#` may cut off what matched.
    const passesUnrouted = relaxations.size > 0 && !/%(?:3f|23)/i.test(path)
    for (const reading of laxReadings(path, entry.habits)) {
      const other = lax.find(method, reading)
      if (other === entry || (other === undefined && passesUnrouted)) continue
      throw pathInvalid('ambiguous_route', { matched: entry.route.path, read_as: other?.route.path ?? 'no route' })
    }
  }

  return {
    resolve: (method, target, host) => {
      const parsed = parseTarget(target, host)
      const { path, query, relaxations } = parsed
      const entry = exact.find(method, path)
      for (const relaxation of relaxations) if (!entry?.route.pathAllow?.has(relaxation)) throw pathInvalid(relaxation)
      if (entry === undefined) throw new Denial('route_unknown')
      if (readDifferently.test(path)) refuseDisagreement(method, parsed, entry)
      return { route: entry.route, path, query }
    },
    params: (route, path) => {
      const entry = entries.find(each => each.route === route)
      return entry === undefined ? NO_PARAMS : paramsOf(entry, path)
    },
    match: (method, path) => exact.find(method, path)?.route,
    candidates: path => exact.findAll(path).map(entry => entry.route),
  }
}

interface Entry<R> extends TreeEntry {
  readonly route: R
  readonly parameters: ReadonlyArray<{ readonly name: string; readonly depth: number }>
  readonly habits: readonly Habit[]
}

const NO_PARAMS: ReadonlyMap<string, string> = new Map()

/** A path without any of this has one reading, unless a route's literal has several. */
const READ_DIFFERENTLY = /[A-Z%;]|\/\/|.\/$/
const ANY_PATH = /^\//

function entryOf<R extends Matchable>(route: R): Entry<R> {
  const pattern = parsePattern(route.path)
  const parameters = pattern.segments.flatMap((segment, depth) =>
    segment.kind === 'parameter' ? [{ name: segment.name, depth }] : [],
  )
  const habits = route.path.endsWith('/') ? HABITS : HABITS_WITHOUT_LAST_SLASH
  return { route, pattern, methods: route.methods, parameters, habits }
}

function hasLaxLiteral(entry: TreeEntry): boolean {
  return entry.pattern.segments.some(segment => segment.kind === 'literal' && laxSegment(segment.text) !== segment.text)
}

function paramsOf<R>(entry: Entry<R>, path: string): ReadonlyMap<string, string> {
  if (entry.parameters.length === 0) return NO_PARAMS
  const segments = path.slice(1).split('/')
  return new Map(entry.parameters.map(({ name, depth }) => [name, decodeURIComponent(segments[depth] ?? '')]))
}
