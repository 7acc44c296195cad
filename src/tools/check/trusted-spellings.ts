/**
 * Warns where the configuration trusts the service to read two spellings of a path as one, and a service that tells
 * them apart would read the path of a route that asks for more.
 *
 * `pathAllow: [encodedUnreserved]` and `paths.ignoreCase` are such promises. The lax readers' rule of the matcher
 * (`route/match.ts`) is about services that are laxer than the gateway; these two make the gateway lax, so a stricter
 * service is what remains. The other values of `pathAllow` need no warning, because that rule tries all that a service
 * may make of them.
 */
import type { Path } from '../../config/check/findings.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import type { Endpoint, Policy, Route } from '../../policy.ts'
import { compileMatcher, type Matcher } from '../../route/match.ts'
import { parsePattern } from '../../route/pattern.ts'
import { gapBetween } from '../diff/callers.ts'
import { resolved, witnessMethods, witnessPaths } from '../engine/reach.ts'

interface TrustedSpelling {
  readonly code: 'spelling-trusted'
  readonly path: Path
  readonly message: string
}

/** Gives another spelling of a literal. */
type Respelling = (literal: string) => string

/** Finds the route that a service reads which takes every spelling for a path of its own. */
type StrictReader = Matcher<Route | Endpoint>['match']

export function trustedSpellings(config: Config, policy: Policy): readonly TrustedSpelling[] {
  return [...encodedLiterals(config, policy), ...ignoredCase(config, policy)]
}

function encodedLiterals(config: Config, policy: Policy): readonly TrustedSpelling[] {
  return config.routes.flatMap((route, index) => {
    if (!route.pathAllow?.includes('encodedUnreserved')) return []
    const found = readElsewhere({ config, policy, respell: firstEncoded, read: policy.matcher.match }, route)
    if (found === undefined) return []
    const message = `trusts the service to decode paths before it routes: one that does not reads \`${found.path}\` as a path of route \`${found.other.id}\`, which asks for more`
    return [{ code: 'spelling-trusted' as const, path: ['routes', index, 'pathAllow'], message }]
  })
}

/** Tells of the first route alone: there is one key to turn off. */
function ignoredCase(config: Config, policy: Policy): readonly TrustedSpelling[] {
  if (!config.paths.ignoreCase) return []
  const read = compileMatcher<Route | Endpoint>(policy.routes).match
  for (const route of config.routes) {
    const found = readElsewhere({ config, policy, respell: caseSwapped, read }, route)
    if (found === undefined) continue
    const message = `trusts the service to ignore case: one that heeds it reads \`${found.path}\`, which route \`${route.id}\` takes, as a path of route \`${found.other.id}\`, which asks for more`
    return [{ code: 'spelling-trusted', path: ['paths', 'ignoreCase'], message }]
  }
  return []
}

interface Trust {
  readonly config: Config
  readonly policy: Policy
  readonly respell: Respelling
  readonly read: StrictReader
}

/** Finds a path that the route takes, and a stricter route to which the path belongs as it is written. */
function readElsewhere(
  { config, policy, respell, read }: Trust,
  route: RouteConfig,
): { readonly path: string; readonly other: RouteConfig } | undefined {
  const witnesses = witnessPaths(config.routes.map(({ path }) => path))(route.path)
  const methods = route.methods ?? witnessMethods(config.routes)
  for (const path of witnesses.flatMap(witness => respelt(witness, route.path, respell)))
    for (const method of methods) {
      const written = read(method, path)
      if (written === undefined || written.id === route.id) continue
      if (resolved(policy.matcher, method, path)?.id !== route.id) continue
      const other = config.routes.find(({ id }) => id === written.id)
      if (other !== undefined && gapBetween({ route, config }, { route: other, config }) !== undefined)
        return { path, other }
    }
  return undefined
}

/** Lists a path of the pattern with each of its literals spelt otherwise, and with all of them. */
function respelt(path: string, pattern: string, respell: Respelling): readonly string[] {
  const segments = path.split('/').slice(1)
  const literals = parsePattern(pattern).segments.map(segment =>
    segment.kind === 'literal' ? segment.text : (segment.suffix ?? ''),
  )
  const others = literals.map((literal, depth) => {
    const segment = segments[depth] ?? ''
    return segment.slice(0, segment.length - literal.length) + respell(literal)
  })
  const joined = (isRespelt: (depth: number) => boolean): string =>
    `/${segments.map((segment, depth) => (isRespelt(depth) ? (others[depth] ?? segment) : segment)).join('/')}`
  const each = others.map((_, depth) => joined(at => at === depth))
  return [...each, joined(() => true)].filter(other => other !== path)
}

function firstEncoded(literal: string): string {
  return literal.replace(/[\w.~-]/, character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

function caseSwapped(literal: string): string {
  return literal.replace(/[a-z]/gi, letter =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  )
}
