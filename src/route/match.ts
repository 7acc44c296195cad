/**
 * Request → the one route that governs it: call `resolve` for each request and forward exactly the path it returns.
 *
 * 1. The target is parsed; what is ambiguous whatever the route is refused.
 * 2. The most specific route is found on the bytes that will be forwarded, undecoded.
 * 3. Oddities the route does not allow (`pathAllow`) are refused. That they lie below its literal prefix needs no check:
 *    literals hold none, so a segment with one is matched by a parameter or by `/**`.
 * 4. The lax readers' rule: were another route in force for the path as a laxer server may read it (decoded again,
 *    `;…` cut, slashes collapsed, case ignored), the request is refused. With `/**` open and `/admin/**` closed,
 *    `/ADMIN` and `/%2561dmin` get nowhere, while `/orders/ABC` under `/orders/:id` is fine: every reader agrees.
 *
 * RFC 9110 §4.2.3 and RFC 3986 §6.2.2 (equivalence), RFC 9110 §9.3.2 (HEAD is GET).
 * It does not compare hosts: one gateway stands before one service.
 */
import { Denial } from '../errors.ts'
import { parsePattern } from './pattern.ts'
import { HABITS, HABITS_WITHOUT_LAST_SLASH, type Habit, laxReadings, laxSegment } from './readings.ts'
import { routeTree, type TreeEntry } from './route-tree.ts'
import { type PathAllowance, parseTarget, pathInvalid, type Target } from './target.ts'

/** What the matcher has to know of a route. */
export interface Matchable {
  /** `/orders/:id`, `/orders/**`. */
  readonly path: string
  /** `undefined` is every method. GET covers HEAD. */
  readonly methods: ReadonlySet<string> | undefined
  readonly pathAllow?: ReadonlySet<PathAllowance> | undefined
}

interface Resolution<R> {
  readonly route: R
  /** To be forwarded as it is. */
  readonly path: string
  /** With its leading `?`, or empty; to be forwarded as it is. */
  readonly query: string
}

export interface Matcher<R> {
  /**
   * The whole decision, for the request path.
   *
   * @param target the request target, undecoded
   * @param host the Host header, compared with an absolute-form target
   * @throws {Denial} `path_invalid` with the reason as evidence, `route_unknown`
   */
  resolve(method: string, target: string, host: string | undefined): Resolution<R>
  /** Values of the `:name` segments of a route in a path that it governs, percent-decoded. */
  params(route: R, path: string): ReadonlyMap<string, string>
  /** Step 2 alone: says nothing about whether the path is acceptable. */
  match(method: string, path: string): R | undefined
  /** For explaining a decision: every route whose path fits, whatever its methods; most specific first. */
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
    // Whoever relaxes a route vouches for how its server reads that oddity, so there a reading without a route passes:
    // `/packages/@a%2fb` needs no route for `/packages/@a/b`. Not when an encoded `?` or `#` may cut off what matched.
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

/** Paths without any of this have one reading, unless a route's literal has several. */
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
