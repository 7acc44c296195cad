/**
 * Finds which requests reach which route, by trying paths on the real matcher.
 *
 * A witness is a path that stands for all others of its kind. Its parameters are filled with a word that is no literal
 * of any route, and there is one for every depth that the routes can tell apart, with and without a slash at the end. A
 * route that no witness of its own pattern reaches is reached by nothing, since any other path that fits the pattern
 * fits more of the other routes.
 */

import { Denial } from '../../errors.ts'
import type { Matchable, Matcher } from '../../route/match.ts'
import { METHODS } from '../../route/methods.ts'

/** Stands for every method that no route lists, as in the metrics. */
export const OTHER_METHODS = 'OTHER'

interface Witness {
  readonly method: string
  readonly path: string
}

/** Returns the paths to try for a pattern. */
type WitnessPaths = (pattern: string) => readonly string[]

/** @param patterns of all routes, of both policies when two are compared */
export function witnessPaths(patterns: readonly string[]): WitnessPaths {
  const depth = Math.max(...patterns.map(pattern => pattern.split('/').length))
  const literals = new Set(patterns.flatMap(pattern => pattern.split('/')))
  let word = 'x'
  while ([...literals].some(literal => literal.toLowerCase() === word)) word += 'x'
  return pattern => {
    const isSubtree = pattern.endsWith('/**')
    const prefix = (isSubtree ? pattern.slice(0, -'/**'.length) : pattern).replaceAll(/\/:\w+/g, `/${word}`)
    if (!isSubtree) return [prefix]
    const paths = [prefix || '/', `${prefix}/`]
    for (let below = prefix; below.split('/').length <= depth; ) {
      below += `/${word}`
      paths.push(below, `${below}/`)
    }
    return [...new Set(paths)]
  }
}

/** Lists the methods that routes can tell apart: the usual ones, those that are listed, and one for all others. */
export function witnessMethods(routes: ReadonlyArray<{ readonly methods?: readonly string[] | undefined }>) {
  return [...new Set([...METHODS, ...routes.flatMap(({ methods = [] }) => methods), OTHER_METHODS])]
}

/** Lists the witnesses of the route's own pattern that the route takes. */
export function reachedBy<R extends Matchable & { readonly id: string }>(
  matcher: Matcher<R>,
  route: { readonly id: string; readonly path: string; readonly methods?: readonly string[] | undefined },
  paths: WitnessPaths,
): readonly Witness[] {
  const methods = witnessMethods([route])
  return paths(route.path).flatMap(path =>
    methods.filter(method => resolved(matcher, method, path)?.id === route.id).map(method => ({ method, path })),
  )
}

/** Returns the route of a request; undefined when the request is refused for its path, or when no route takes it. */
export function resolved<R>(matcher: Matcher<R>, method: string, path: string): R | undefined {
  try {
    return matcher.resolve(method, path, undefined).route
  } catch (error) {
    if (error instanceof Denial) return undefined
    throw error
  }
}
