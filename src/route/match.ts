/**
 * Finds the one route that governs a request: call `resolve` for each request and forward exactly
 * the path that it returns.
 *
 * 1. The target is parsed; what is ambiguous whatever the route is refused.
 * 2. The most specific route is found on the bytes that will be forwarded. Where that one does not allow an oddity of
 *    the path, the path is tried without its `;…` and doubled slashes, which literals do not hold.
 * 3. Oddities that the route does not allow (`pathAllow`) are refused. `%7E` is found as `~`, since both mean the same
 *    (RFC 3986 §6.2.2.2), and a route that allows it has a server that knows this.
 * 4. The lax readers' rule: were another route in force for the path as a laxer server may read it (decoded again,
 *    `;…` cut, slashes collapsed, case ignored), the request is refused, unless both ask the same. With `/**` open and
 *    `/admin/**` closed, `/ADMIN` and `/%2561dmin` get nowhere, while `/orders/ABC` under `/orders/:id` is fine: every
 *    reader agrees.
 *
 * RFC 9110 §4.2.3 and RFC 3986 §6.2.2 (equivalence), RFC 9110 §9.3.2 (HEAD is GET). It does not compare hosts: one
 * gateway stands before one service.
 */
import { Denial } from '../errors.ts'
import { decodeFully, decodeOnce, decodeUnreserved } from './encoding.ts'
import { takesMethod } from './methods.ts'
import { parsePattern } from './pattern.ts'
import {
  HABITS,
  HABITS_WITHOUT_LAST_SLASH,
  type Habit,
  laxReadings,
  laxSegment,
  withoutEmptySegments,
  withoutParameters,
} from './readings.ts'
import { routeTree, type TreeEntry } from './route-tree.ts'
import { neededRelaxations, type PathAllowance, parseTarget, pathInvalid, refusalOf, type Target } from './target.ts'

/** The part of a route that the matcher has to know. */
export interface Matchable {
  /** A pattern such as `/orders/:id` or `/orders/**`. */
  readonly path: string
  /** Undefined stands for every method, and GET covers HEAD. */
  readonly methods: ReadonlySet<string> | undefined
  readonly pathAllow?: ReadonlySet<PathAllowance> | undefined
  /** Says what is asked of a request. Routes that say the same need not be told apart; undefined is like no other. */
  readonly asks?: string | undefined
}

interface MatcherOptions {
  /** `ignored`: upper and lower case of ASCII match each other, as the service sees them. Default `heeded`. */
  readonly letterCase?: 'heeded' | 'ignored'
}

export interface Resolution<R> {
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
  /** As {@link parameterReader}, for those who explain a decision. */
  params(route: R, path: string): ReadonlyMap<string, string>
  /** Takes step 2 alone, which says nothing about whether the path is acceptable. */
  match(method: string, path: string): R | undefined
  /** Explains a decision. @returns every route whose path fits, whatever its methods, the most specific first */
  candidates(path: string): readonly R[]
  /**
   * Explains a refusal. @returns every route with an oddity of the path that it would have to allow to take it, also
   * those that the path only fits when it is read as a route reads it that allows its oddities
   */
  lacking(path: string): ReadonlyArray<{ readonly route: R; readonly lacks: readonly PathAllowance[] }>
}

/** @throws {SyntaxError} a route's path is wrong, or two routes cannot be told apart */
export function compileMatcher<R extends Matchable>(
  routes: readonly R[],
  { letterCase = 'heeded' }: MatcherOptions = {},
): Matcher<R> {
  const entries = routes.map(route => entryOf(route))
  const exact = letterCase === 'heeded' ? routeTree(entries) : routeTree(entries, lowerCase)
  /** Compares a path that is decoded already, as the strictest server does. */
  const decoded =
    letterCase === 'heeded'
      ? routeTree(entries, asWritten, decodeFully)
      : routeTree(entries, lowerCase, segment => lowerCase(decodeFully(segment)))
  const lax = routeTree(entries, laxSegment)
  const encodedUnreserved = entries.some(({ route }) => route.pathAllow?.has('encodedUnreserved')) ? 'named' : 'refused'
  const readDifferently = entries.some(hasLaxLiteral) ? ANY_PATH : READ_DIFFERENTLY

  function refuseDisagreement(method: string, { path, relaxations }: Target, entry: Entry<R>): void {
    // Whoever relaxes a route vouches for how its server reads that oddity, so that a reading without
    // a route passes there: `/packages/@a%2fb` needs no route for `/packages/@a/b`. It does not pass
    // when an encoded `?` or `#` may cut off what matched.
    const passesUnrouted = relaxations.size > 0 && !/%(?:3f|23)/i.test(path)
    const undecoded = path.includes('%') ? laxReadings(path, entry.habits.filter(isNoDecoding)) : undefined
    for (const reading of laxReadings(path, entry.habits)) {
      const laxest = lax.find(method, reading)
      const strictest = (undecoded?.has(reading) === false ? decoded : exact).find(method, reading)
      // Where the route is the same for the laxest server and for the strictest, it is so for all between them.
      if (laxest === entry && strictest === entry) continue
      const other = laxest && between(method, reading, strictest).find(differs)
      const isUnrouted = laxest === undefined || strictest === undefined
      if (other === undefined && (!isUnrouted || passesUnrouted)) continue
      throw pathInvalid('ambiguous_route', { matched: entry.route.path, read_as: other?.route.path ?? 'no route' })
    }

    function differs({ route }: Entry<R>): boolean {
      return route !== entry.route && (route.asks === undefined || route.asks !== entry.route.asks)
    }
  }

  /** Lists the routes that a server may choose for a reading, from the laxest's down to the strictest's. */
  function between(method: string, reading: string, strictest: Entry<R> | undefined): readonly Entry<R>[] {
    const fitting = lax.findAll(reading).filter(({ methods }) => takesMethod(methods, method))
    const end = strictest === undefined ? -1 : fitting.indexOf(strictest)
    return end === -1 ? fitting : fitting.slice(0, end + 1)
  }

  /** Finds the route of the path as it is or, where that one does not allow its oddities, of the path without them. */
  function find(method: string, { path, relaxations }: Target): Entry<R> | undefined {
    const written = exact.find(method, path)
    if (relaxations.size > 0 && (written === undefined || !allows(written.route, relaxations))) {
      const shortened = exact.find(method, withoutOddities(path, relaxations))
      if (shortened !== undefined && allows(shortened.route, relaxations)) return shortened
    }
    return written
  }

  return {
    resolve: (method, target, host) => {
      const { path, query, relaxations } = parseTarget(target, host, encodedUnreserved)
      const read = { path: relaxations.has('encodedUnreserved') ? decodeUnreserved(path) : path, query, relaxations }
      const found = find(method, read)
      for (const relaxation of relaxations)
        if (!found?.route.pathAllow?.has(relaxation)) throw pathInvalid(refusalOf(relaxation))
      if (found === undefined) throw new Denial('route_unknown')
      if (readDifferently.test(path)) refuseDisagreement(method, read, found)
      return { route: found.route, path, query }
    },
    params: (route, path) => new Map(Object.entries(parameterReader(route, { letterCase })(path))),
    match: (method, path) => exact.find(method, path)?.route,
    candidates: path => exact.findAll(path).map(entry => entry.route),
    lacking: path => {
      const relaxations = relaxationsOf(path)
      const read = decodeUnreserved(path)
      const fitting = new Set([read, withoutOddities(read, relaxations)].flatMap(each => exact.findAll(each)))
      return [...fitting].flatMap(({ route }) => {
        const lacks = [...relaxations].filter(relaxation => !route.pathAllow?.has(relaxation))
        return lacks.length === 0 ? [] : [{ route, lacks }]
      })
    },
  }
}

/**
 * Reads the parameters of a route.
 *
 * @returns the values of its `:name` segments in a path that it governs, percent-decoded
 */
export function parameterReader(
  route: Matchable,
  { letterCase = 'heeded' }: MatcherOptions = {},
): (path: string) => Readonly<Record<string, string>> {
  const entry = entryOf(route)
  if (entry.parameters.length === 0) return () => NO_PARAMS
  const alone = letterCase === 'heeded' ? routeTree([entry]) : routeTree([entry], lowerCase)
  return path => {
    if (!ODD.test(path)) return paramsOf(entry, path)
    const read = decodeUnreserved(path)
    const isWritten = alone.findAll(read).length > 0
    return paramsOf(entry, isWritten ? read : withoutOddities(read, SHORTENED))
  }
}

/** What may be read in two ways by itself. Any other path is as its route has it. */
const ODD = /[%;]|\/\//

interface Entry<R> extends TreeEntry {
  readonly route: R
  readonly parameters: ReadonlyArray<{ readonly name: string; readonly depth: number; readonly suffix: string }>
  readonly habits: readonly Habit[]
}

const SHORTENED: ReadonlySet<PathAllowance> = new Set(['semicolon', 'emptySegment'])

/** Returns nothing for a path that no route can allow. */
function relaxationsOf(path: string): ReadonlySet<PathAllowance> {
  try {
    return neededRelaxations(path, 'named')
  } catch (error) {
    if (error instanceof Denial) return new Set()
    throw error
  }
}

function allows({ pathAllow }: Matchable, relaxations: ReadonlySet<PathAllowance>): boolean {
  return pathAllow !== undefined && relaxations.isSubsetOf(pathAllow)
}

function withoutOddities(path: string, relaxations: ReadonlySet<PathAllowance>): string {
  const cut = relaxations.has('semicolon') ? withoutParameters(path) : path
  return relaxations.has('emptySegment') ? withoutEmptySegments(cut) : cut
}

function isNoDecoding(habit: Habit): boolean {
  return habit !== decodeOnce
}

function asWritten(segment: string): string {
  return segment
}

function lowerCase(segment: string): string {
  return segment.toLowerCase()
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({})

/** A path without any of this has one reading, unless a route's literal has several. */
const READ_DIFFERENTLY = /[A-Z%;]|\/\/|.\/$/
const ANY_PATH = /^\//

function entryOf<R extends Matchable>(route: R): Entry<R> {
  const pattern = parsePattern(route.path)
  const parameters = pattern.segments.flatMap((segment, depth) =>
    segment.kind === 'parameter' ? [{ name: segment.name, depth, suffix: segment.suffix ?? '' }] : [],
  )
  const habits = route.path.endsWith('/') ? HABITS : HABITS_WITHOUT_LAST_SLASH
  return { route, pattern, methods: route.methods, parameters, habits }
}

function hasLaxLiteral(entry: TreeEntry): boolean {
  return entry.pattern.segments.some(segment => {
    const text = segment.kind === 'literal' ? segment.text : (segment.suffix ?? '')
    return laxSegment(text) !== text
  })
}

/** @returns an object without any other member, however the parameters are called */
function paramsOf<R>({ parameters }: Entry<R>, path: string): Readonly<Record<string, string>> {
  const params: Record<string, string> = Object.create(null)
  let [depth, start] = [0, 1]
  for (const { name, depth: wanted, suffix } of parameters) {
    for (; depth < wanted; depth++) start = path.indexOf('/', start) + 1
    const end = path.indexOf('/', start)
    const value = path.slice(start, (end === -1 ? path.length : end) - suffix.length)
    params[name] = value.includes('%') ? decodeURIComponent(value) : value
  }
  return params
}
