/**
 * Makes routes from the paths of an OpenAPI document. Methods of one path that ask for the same become one route.
 *
 * OpenAPI 3.0 to 3.2, "Paths Object", path templating and "Server Object". Only the document itself is read: a path
 * item behind a `$ref` to another document is listed as left out. Of several servers with different paths the first is
 * taken, and the others are listed. Summaries become comments.
 */
import { METHODS } from '../../route/methods.ts'
import { isOutside, type Members, members, referencesOf } from './openapi-references.ts'
import { bothAsked, type RouteSecurity, routeSecurity, type SecuritySchemes } from './openapi-security.ts'

export interface ImportedRoute {
  readonly id: string
  readonly path: string
  readonly methods: readonly string[]
  readonly security: RouteSecurity
  /** Each of them is one line. */
  readonly comments: readonly string[]
}

/** Says which requests must reach no route, because no route can ask for what the document does. */
export interface LeftOut {
  readonly methods: readonly string[]
  readonly path: string
}

export interface ImportedRoutes {
  readonly routes: readonly ImportedRoute[]
  readonly leftOut: readonly LeftOut[]
  /** Each entry says in words what could not be mapped. */
  readonly unmapped: readonly string[]
}

/** Makes the routes. @throws {SyntaxError} the document is no OpenAPI 3 document, or is only a part of one */
export function openapiRoutes(document: unknown): ImportedRoutes {
  const { openapi, paths, components, security, servers } = members(document)
  if (typeof openapi !== 'string' || !openapi.startsWith('3.'))
    throw new SyntaxError('is no OpenAPI 3 document: `openapi: 3.…` is missing (convert a Swagger 2 document first)')
  const resolve = referencesOf(document)
  const schemes: SecuritySchemes = Object.fromEntries(
    Object.entries(members(resolve(members(resolve(components)).securitySchemes))).map(([name, scheme]) => [
      name,
      resolve(scheme),
    ]),
  )
  const ids = new Set<string>()
  const unmapped: string[] = []
  /** Maps each note of what could not be mapped to the operations that it is true of. */
  const notes = new Map<string, string[]>()
  const leftOut: LeftOut[] = []
  const routes = Object.entries(members(paths)).flatMap(([template, referenced]) => {
    const isUnknown = isOutside(referenced)
    const item = isUnknown ? {} : resolve(referenced)
    const { note } = patternOf(template)
    if (note !== undefined) unmapped.push(`${template}: ${note}`)
    /** What the nearest `servers` say is the first of these; requests under the others get no route. */
    const pathsOf = (nearest: unknown): readonly string[] =>
      basePathsOf(nearest).map(base => patternOf(base + template).path)
    if (isUnknown) {
      unmapped.push(`${template}: is behind a \`$ref\` to another document; left out (bundle the document first)`)
      leftOut.push(...pathsOf(servers).map(path => ({ methods: IMPORTED_METHODS, path })))
    }
    const operations = operationsOf(item, resolve)
    if (Object.hasOwn(members(item), 'trace')) unmapped.push(`TRACE ${template}: is never forwarded; left out`)
    const serversOf = ({ operation }: Operation): unknown => operation.servers ?? members(item).servers ?? servers
    const groups = Map.groupBy(operations, each =>
      JSON.stringify([routeSecurity(each.operation.security ?? security, schemes), basePathsOf(serversOf(each))]),
    )
    return [...groups.values()].flatMap((group): readonly ImportedRoute[] => {
      const [first] = group
      if (first === undefined) return []
      const asked = routeSecurity(first.operation.security ?? security, schemes)
      const methods = group.map(({ method }) => method)
      const [path = '', ...otherPaths] = pathsOf(serversOf(first))
      for (const other of otherPaths) leftOut.push({ methods, path: other })
      if (otherPaths.length > 0) {
        const severalBases = `its \`servers\` have several paths, of which the first is taken (${basePathsOf(serversOf(first)).join(', ')})`
        notes.set(severalBases, [...(notes.get(severalBases) ?? []), `${methods.join(', ')} ${template}`])
      }
      for (const each of asked.notes) notes.set(each, [...(notes.get(each) ?? []), `${methods.join(', ')} ${template}`])
      if (asked.access === 'closed') {
        leftOut.push({ methods, path })
        return []
      }
      const id = uniqueId(first.operation.operationId, `${methods[0]?.toLowerCase()}${path}`, ids)
      const comments = group.flatMap(({ method, operation }) => commentOf(method, operation))
      return [{ id, path, methods, security: asked, comments }]
    })
  })
  const merged = withoutTwins(routes)
  return {
    routes: merged.routes,
    leftOut,
    unmapped: [...[...notes].map(([note, operations]) => `${few(operations)}: ${note}`), ...unmapped, ...merged.notes],
  }
}

/** A path item has a member for each of them; QUERY since OpenAPI 3.2. */
const IMPORTED_METHODS: readonly string[] = [...METHODS, 'QUERY']

const MOST_LISTED = 5

function few(operations: readonly string[]): string {
  const rest = operations.length - MOST_LISTED
  const listed = operations.slice(0, MOST_LISTED).join('; ')
  return rest > 0 ? `${listed}; and ${rest} more` : listed
}

/**
 * Joins routes that take the same requests: `/a/{x}` and `/a/{x}-old` become one, since a segment is a parameter as a
 * whole or ends in `:verb` or `.json`, and so do GET and HEAD of one path. The joined route asks for what both ask; if
 * one of them were left out, its requests would be under the policy of the other, which may ask for less.
 */
function withoutTwins(routes: readonly ImportedRoute[]): {
  readonly routes: ImportedRoute[]
  readonly notes: string[]
} {
  const kept = new Map<string, ImportedRoute[]>()
  const notes: string[] = []
  for (const route of routes) {
    const shape = route.path.replaceAll(/\/:\w+/g, '/:')
    const alike = kept.get(shape) ?? []
    const isTwin = (other: ImportedRoute): boolean => sharesMethod(route.methods, other.methods)
    const twins = alike.filter(isTwin)
    const [first = route] = twins
    for (const { id } of twins)
      notes.push(`${route.id}: takes the same requests as ${id}; one route asks for what both ask`)
    const methods = [...new Set([...twins, route].flatMap(each => each.methods))]
    const security = twins.reduce((asked, twin) => bothAsked(asked, twin.security), route.security)
    const comments = [...twins, route].flatMap(each => each.comments)
    kept.set(shape, [...alike.filter(other => !isTwin(other)), { ...first, methods, security, comments }])
  }
  return { routes: [...kept.values()].flat(), notes }
}

/** Is true when both take a request of the same method; what takes GET takes HEAD, too. */
export function sharesMethod(methods: readonly string[], others: readonly string[]): boolean {
  const isHeadTaken = [methods, others].every(each => each.includes('GET') || each.includes('HEAD'))
  return isHeadTaken || methods.some(method => others.includes(method))
}

interface Operation {
  readonly method: string
  readonly operation: Members
}

/** OpenAPI 3.2 has a member for operations of any other method, whose names are written as they are sent. */
function operationsOf(item: unknown, resolve: (value: unknown) => unknown): readonly Operation[] {
  const { additionalOperations, ...named } = members(item)
  const own = Object.entries(named).map(([name, operation]) => [name.toUpperCase(), operation] as const)
  return [
    ...own.filter(([method]) => IMPORTED_METHODS.includes(method)),
    ...Object.entries(members(resolve(additionalOperations))),
  ].map(([method, operation]) => ({ method, operation: members(resolve(operation)) }))
}

/** Turns `/orders/{id}` into `/orders/:id`. A segment that is a parameter in part becomes one as a whole. */
function patternOf(template: string): { readonly path: string; readonly note: string | undefined } {
  const [withoutQuery = '', ...rest] = template.split(/[?#]/)
  const names = new Set<string>()
  let isWidened = false
  const segments = withoutQuery.split('/').map(segment => {
    const [, name] = /\{([^{}]*)\}/.exec(segment) ?? []
    if (name === undefined) return literal(segment)
    // `{name}:verb` and `{name}.json` are parameters that end in a word.
    const [, suffix] = /^\{[^{}]*\}([:.][\w-]+)?$/.exec(segment) ?? [segment, undefined]
    if (segment !== `{${name}}${suffix ?? ''}`) isWidened = true
    return `:${uniqueName(name.replaceAll(/\W/g, '_').replace(/^(?=\d)|^$/, '_'), names)}${suffix ?? ''}`
  })
  const notes = [
    ...(isWidened ? ['a segment is a parameter only in part; the route takes any text there'] : []),
    ...(rest.length > 0 ? ['what follows `?` or `#` is no part of a path; left out'] : []),
  ]
  return { path: segments.join('/'), note: notes.length === 0 ? undefined : notes.join('; ') }
}

/** Writes a segment as it arrives on the wire. */
function literal(segment: string): string {
  return (
    segment
      .toWellFormed()
      .replaceAll(/[^\x21-\x7e]+/g, encodeURIComponent)
      .replace(/^:/, '%3A')
      // Unencoded, a route would read these as an expression, and `/**` as everything below.
      .replaceAll(/[*[\]<>|^\\{}]|\$$/g, encoded)
      .replaceAll(/(?<=[^\w:]):(?=[A-Za-z_])|(?<=[.)])\+|(?<=\()\?/g, encoded)
  )
}

/** Encodes characters that `encodeURIComponent` leaves alone, too. */
function encoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

/** Lists the different paths of all servers, the first server's default first. Without a server it is the root. */
function basePathsOf(servers: unknown): readonly string[] {
  const paths = Array.isArray(servers) ? servers.flatMap(serverPaths) : []
  return paths.length === 0 ? [''] : [...new Set(paths)]
}

/** Tries every value of a variable while the others have their defaults. */
function serverPaths(server: unknown): readonly string[] {
  const { url, variables } = members(server)
  if (typeof url !== 'string') return ['']
  const filled = (name?: string, value?: unknown): string =>
    url.replaceAll(/\{([^{}]*)\}/g, (_, each: string) =>
      String(each === name ? value : (members(members(variables)[each]).default ?? '')),
    )
  const choices = Object.entries(members(variables)).flatMap(([name, variable]) => {
    const values = members(variable).enum
    return Array.isArray(values) ? values.map(value => filled(name, value)) : []
  })
  return [filled(), ...choices].map(each => (URL.parse(each, 'http://localhost')?.pathname ?? '').replace(/\/+$/, ''))
}

function commentOf(method: string, { summary, operationId }: Members): readonly string[] {
  const text = typeof summary === 'string' ? summary : operationId
  if (typeof text !== 'string' || text.trim() === '') return []
  return [
    `${method}: ${text
      .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
      .trim()
      .slice(0, 100)}`,
  ]
}

function uniqueId(operationId: unknown, fallback: string, taken: Set<string>): string {
  const text = typeof operationId === 'string' ? operationId : fallback
  const plain = text.replaceAll(/[^A-Za-z0-9]+/g, '-').replaceAll(/^-|-$/g, '')
  return uniqueName(plain.slice(0, 58) || 'route', taken, '-')
}

function uniqueName(name: string, taken: Set<string>, separator = '_'): string {
  let unique = name
  for (let number = 2; taken.has(unique); number++) unique = `${name}${separator}${number}`
  taken.add(unique)
  return unique
}
