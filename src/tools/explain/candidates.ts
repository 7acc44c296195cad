/** Says which other routes a request could have taken, and why it did not take each of them. */
import type { Endpoint, Policy, Route } from '../../policy.ts'
import { takesMethod } from '../../route/methods.ts'
import type { PathAllowance } from '../../route/target.ts'
import type { RequestFacts } from '../../types.ts'
import { preflightIn } from '../engine/asked-preflight.ts'
import type { Trial } from '../engine/trial.ts'
import { meantBy } from './page-checks.ts'

export interface Candidate {
  readonly id: string
  readonly path: string
  readonly methods: readonly string[] | undefined
  /** The reason why the request does not take this route. */
  readonly why: string
}

export function shapeOf({ id, path, methods }: Route | Endpoint): Omit<Candidate, 'why'> {
  return { id, path, methods: methods === undefined ? undefined : [...methods] }
}

interface AskedMethod {
  readonly method: string
  /** Why a route that takes the method is not taken while no route is. */
  readonly without: string
}

/** Returns the method by which the route was looked for: that of the real request, for a preflight. */
export function askedMethod(request: RequestFacts, tried: Trial, { answersPreflights }: Policy): AskedMethod {
  const { route, endpoint } = tried.findings
  const isMeant = preflightIn(request, tried) !== undefined || (route ?? endpoint) === undefined
  const meant = answersPreflights && isMeant ? meantBy(request) : undefined
  if (meant !== undefined) return { method: meant.method, without: 'has no `cors`, and so answers no preflight' }
  return { method: request.method, without: 'the request is refused before a route is chosen' }
}

/** Lists those that fit the path as it is, and then those that fit it without an oddity. */
export function othersOf(
  { matcher }: Policy,
  path: string,
  route: Route | Endpoint | undefined,
  asked: AskedMethod,
): readonly Candidate[] {
  const lacking = new Map(matcher.lacking(path).map(({ route, lacks }) => [route, lacks]))
  const fitting = new Set([...matcher.candidates(path), ...lacking.keys()])
  return [...fitting]
    .filter(other => other !== route)
    .map(other => ({ ...shapeOf(other), why: whyNot(other, lacking.get(other), route, asked) }))
}

/** Browsers put some methods in upper case and leave others as the page writes them, such as `patch`. */
function spellingHint(method: string, { methods }: Route | Endpoint): string {
  const upper = method.toUpperCase()
  return upper !== method && takesMethod(methods, upper) ? `, but ${upper}: methods are told apart by letter case` : ''
}

function whyNot(
  other: Route | Endpoint,
  lacks: readonly PathAllowance[] | undefined,
  route: Route | Endpoint | undefined,
  { method, without }: AskedMethod,
): string {
  if (!takesMethod(other.methods, method)) return `does not take ${method}${spellingHint(method, other)}`
  if (lacks !== undefined) return `does not allow ${lacks.join(', ')} in its paths (pathAllow)`
  return route === undefined ? without : `is less specific than ${route.path}`
}
