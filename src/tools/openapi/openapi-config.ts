/**
 * Writes a configuration with the routes of an OpenAPI document, and makes sure that it loads.
 *
 * A route that the loader refuses is left out and listed: its path may be one that no request can have, or one that a
 * server reads like that of another route. Nothing that is left out may fall to a less specific route, which would ask
 * for something else than the document, so such a route is left out, too.
 */
import { stringify } from 'yaml'
import { loadConfig } from '../../config/read/load.ts'
import { ConfigError } from '../../errors.ts'
import { type ImportedRoute, type ImportedRoutes, type LeftOut, sharesMethod } from './openapi-routes.ts'

interface OpenapiConfigOptions {
  readonly issuer: string
  readonly audience: string
  readonly upstream: string
}

interface OpenapiConfig {
  readonly text: string
  readonly routes: readonly ImportedRoute[]
  readonly unmapped: readonly string[]
}

/** Writes the configuration. @throws {ConfigError} the issuer, the audience or the upstream is not acceptable */
export function openapiConfig(imported: ImportedRoutes, options: OpenapiConfigOptions): OpenapiConfig {
  let { routes, leftOut } = imported
  const unmapped = [...imported.unmapped]
  // The loop ends, since each round either returns or takes a method away from at least one route.
  for (;;) {
    if (routes.length === 0) return { text: '', routes, unmapped }
    const text = configText(routes, unmapped, options)
    const problems = routeProblems(text)
    const dropped = routes.flatMap((route, index): readonly Dropped[] => {
      const reason = problems.get(index)
      return reason === undefined ? takingOver(route, leftOut) : [{ route, methods: route.methods, reason }]
    })
    if (dropped.length === 0) return { text, routes, unmapped }
    for (const { route, methods, reason } of dropped)
      unmapped.push(`${methods.join(', ')} ${route.path}: left out: ${reason}`)
    leftOut = [...leftOut, ...dropped.map(({ route: { path }, methods }) => ({ path, methods }))]
    routes = routes.flatMap(route => {
      const gone = dropped.find(each => each.route === route)?.methods ?? []
      const methods = route.methods.filter(method => !gone.includes(method))
      return methods.length === 0 ? [] : [{ ...route, methods }]
    })
  }
}

interface Dropped {
  readonly route: ImportedRoute
  readonly methods: readonly string[]
  readonly reason: string
}

/** Finds methods by which the route would take requests of what is left out: `/orders/:id` takes `/orders/export`. */
function takingOver(route: ImportedRoute, leftOut: readonly LeftOut[]): readonly Dropped[] {
  const taken = leftOut.filter(({ path }) => fits(route.path, path))
  const methods = route.methods.filter(method => taken.some(each => sharesMethod([method], each.methods)))
  const first = taken.find(each => sharesMethod(methods, each.methods))
  if (first === undefined) return []
  const requests = `${first.methods.join(', ')} ${first.path}`
  return [{ route, methods, reason: `it would take requests of ${requests}, which is left out; write both by hand` }]
}

/** Is true when the pattern takes every path that the other one takes. */
function fits(pattern: string, other: string): boolean {
  const [segments, others] = [pattern.split('/'), other.split('/')]
  return (
    segments.length === others.length &&
    segments.every((segment, depth) => {
      const each = others[depth] ?? ''
      const [, suffix] = /^:\w+(.*)$/.exec(segment) ?? []
      if (suffix === undefined) return segment === each
      const [, otherSuffix] = /^:\w+(.*)$/.exec(each) ?? []
      if (suffix === '' || otherSuffix !== undefined)
        // A parameter takes no segment that is empty or made of dots, and no request can have one.
        return suffix === '' ? !/^\.{0,2}$/.test(each) : suffix === otherSuffix
      return each.length > suffix.length && each.endsWith(suffix)
    })
  )
}

function routeProblems(text: string): ReadonlyMap<number, string> {
  try {
    loadConfig({ text, file: 'sallyport.yaml', env: {} })
    return new Map()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const ofRoutes = error.problems.flatMap(({ path: [section, index], message }) =>
      section === 'routes' && typeof index === 'number' ? [[index, message] as const] : [],
    )
    if (ofRoutes.length === 0) throw error
    return new Map(ofRoutes)
  }
}

function configText(
  routes: readonly ImportedRoute[],
  unmapped: readonly string[],
  { issuer, audience, upstream }: OpenapiConfigOptions,
): string {
  const head = {
    listen: '0.0.0.0:8080',
    admin: { listen: '0.0.0.0:9090' },
    providers: { main: { type: 'jwt', issuer, audiences: [audience] } },
    upstreams: { app: upstream },
  }
  const notes = unmapped.map(each => `#   ${oneLine(each)}\n`).join('')
  return `# yaml-language-server: $schema=./sallyport.schema.json
#
# Made from an OpenAPI document. What to look at is listed at the end.

${stringify(escaped(head))}
routes:
${routes.map(routeText).join('\n')}${notes === '' ? '' : `\n# To look at:\n${notes}`}`
}

function routeText({ id, path, methods, security, comments }: ImportedRoute): string {
  const { access, scopes, anyScope } = security
  const require = { ...(scopes.length > 0 && { scopes }), ...(anyScope.length > 0 && { anyScope }) }
  const route = {
    id,
    path,
    methods,
    ...(access === 'required' ? {} : { access }),
    ...(Object.keys(require).length > 0 && { require }),
  }
  return `${comments.map(each => `  # ${oneLine(each)}\n`).join('')}  - ${JSON.stringify(escaped(route))}\n`
}

/** Doubles the dollar of every `${`, which the loader would read as a reference to the environment. */
function escaped<T>(value: T): T {
  return JSON.parse(JSON.stringify(value).replaceAll('${', () => '$${')) as T
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
}
