/**
 * Writes a configuration with the routes of an OpenAPI document, and makes sure that it loads.
 *
 * A route that the loader refuses is left out and listed: its path may be one that no request can have, or one that a
 * server reads like that of another route.
 */
import { stringify } from 'yaml'
import { loadConfig } from '../../config/read/load.ts'
import { ConfigError } from '../../errors.ts'
import type { ImportedRoute, ImportedRoutes } from './openapi-routes.ts'

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
  let { routes } = imported
  const unmapped = [...imported.unmapped]
  // The loop ends, since each round either returns or leaves out at least one route.
  for (;;) {
    if (routes.length === 0) return { text: '', routes, unmapped }
    const text = configText(routes, unmapped, options)
    const problems = routeProblems(text)
    if (problems.size === 0) return { text, routes, unmapped }
    for (const [index, message] of problems)
      unmapped.push(`${routes[index]?.methods.join(', ')} ${routes[index]?.path}: left out: ${message}`)
    routes = routes.filter((_, index) => !problems.has(index))
  }
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
    admin: { listen: '127.0.0.1:9090' },
    providers: { main: { type: 'jwt', issuer, audiences: [audience] } },
    upstreams: { app: upstream },
  }
  const notes = unmapped.map(each => `#   ${oneLine(each)}\n`).join('')
  return `# yaml-language-server: $schema=./sallyport.schema.json
#
# Made from an OpenAPI document. What it could not say here is listed at the end.

${stringify(escaped(head))}
routes:
${routes.map(routeText).join('\n')}${notes === '' ? '' : `\n# Not mapped:\n${notes}`}`
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
