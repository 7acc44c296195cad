/**
 * Judges what the keys of `cors` mean together: what browsers would refuse, or never send, is refused here, where the
 * one who writes it sees it.
 *
 * Fetch Standard: "CORS protocol and credentials", "forbidden request-header", "forbidden response-header name".
 */
import { MCP_RESPONSE_HEADERS } from '../../mcp/page-headers.ts'
import { EXPOSED } from '../../route/cors.ts'
import type { Draft } from '../schema/draft.ts'
import type { Finding, Path } from './findings.ts'

export function corsFindings(draft: Draft): readonly Finding[] {
  const { cors, routes } = draft
  return [
    ...(cors === undefined ? [] : [...blockFindings(['cors'], cors), ...unusedFindings(draft)]),
    ...[...routes].flatMap(([index, { cors: own, mcp }]): readonly Finding[] => {
      const path = ['routes', index, 'cors']
      if (own === undefined) return []
      if (own !== 'off')
        return [
          ...blockFindings(path, own),
          ...(mcp === undefined ? [] : shownAlready(path, own, MCP_RESPONSE_HEADERS)),
        ]
      if (cors !== undefined) return []
      const message = 'has no effect without the section `cors`; leave it out'
      return [{ path, message, at: 'key', about: 'cors' }]
    }),
  ]
}

/** A route that is left out because of a problem of its own may have none. */
function unusedFindings({ routes, routeCount }: Draft): readonly Finding[] {
  if (routes.size < routeCount || [...routes.values()].some(({ cors }) => cors === undefined)) return []
  const message = 'has no effect: every route has its own, or `off`; leave it out'
  return [{ path: ['cors'], message, at: 'key', about: 'routes' }]
}

type CorsBlock = NonNullable<Draft['cors']>

function blockFindings(at: Path, block: CorsBlock): readonly Finding[] {
  const { origins, headers = [], exposeHeaders, ...others } = block
  return [
    ...(origins.includes('*') ? anyOriginFindings(at, { origins, ...others }) : []),
    ...repeated([...at, 'origins'], origins),
    ...repeated([...at, 'headers'], headers),
    ...repeated([...at, 'exposeHeaders'], exposeHeaders),
    ...named([...at, 'headers'], headers, requestHeaderProblem),
    ...named([...at, 'exposeHeaders'], exposeHeaders, responseHeaderProblem),
    ...shownAlready(at, block, [...SHOWN_BY_BROWSERS, ...EXPOSED]),
  ]
}

/** Fetch Standard, "CORS-safelisted response-header name". */
const SHOWN_BY_BROWSERS = [
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
] as const

function shownAlready(at: Path, { exposeHeaders }: CorsBlock, shown: readonly string[]): readonly Finding[] {
  const names = new Set(shown.map(name => name.toLowerCase()))
  return named([...at, 'exposeHeaders'], exposeHeaders, name =>
    names.has(name) ? 'can be read by pages without being listed; leave it out' : undefined,
  )
}

function anyOriginFindings(
  at: Path,
  { origins, credentials, enforceOrigin }: Pick<CorsBlock, 'origins' | 'credentials' | 'enforceOrigin'>,
): readonly Finding[] {
  const found: Finding[] = []
  if (origins.some(origin => origin !== '*')) {
    const message = 'is any origin, so that the others mean nothing; leave out `*`, or all the others'
    found.push({ path: [...at, 'origins', origins.indexOf('*')], message })
  }
  if (credentials) {
    const message =
      'cannot go with the origin `*`: any page could read what the user’s cookies open, and browsers refuse it; list the origins, or leave it out'
    found.push({ path: [...at, 'credentials'], message, at: 'key' })
  }
  if (enforceOrigin) {
    const message = 'refuses nobody while `origins` has `*`; list the origins, or leave it out'
    found.push({ path: [...at, 'enforceOrigin'], message, at: 'key' })
  }
  return found
}

/** Names of headers are the same in either letter case, and origins have no upper case. */
function repeated(at: Path, values: readonly string[]): readonly Finding[] {
  const folded = values.map(value => value.toLowerCase())
  return folded.flatMap((value, index) =>
    folded.indexOf(value) === index ? [] : [{ path: [...at, index], message: 'is listed already; leave it out' }],
  )
}

function named(
  at: Path,
  names: readonly string[],
  problemOf: (name: string) => string | undefined,
): readonly Finding[] {
  return names.flatMap((name, index) => {
    const message = problemOf(name.toLowerCase())
    return message === undefined ? [] : [{ path: [...at, index], message }]
  })
}

/** The names that scripts cannot set, whatever is allowed. */
const SET_BY_BROWSERS: ReadonlySet<string> = new Set([
  'accept-charset',
  'accept-encoding',
  'access-control-request-headers',
  'access-control-request-method',
  'connection',
  'content-length',
  'cookie',
  'cookie2',
  'date',
  'dnt',
  'expect',
  'host',
  'keep-alive',
  'origin',
  'referer',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
])
const BEGUN_BY_BROWSERS = /^(?:proxy-|sec-)/

function requestHeaderProblem(name: string): string | undefined {
  if (name === 'cookie')
    return 'is sent by browsers alone, and never by a page itself; leave it out, and write `credentials: true`'
  return SET_BY_BROWSERS.has(name) || BEGUN_BY_BROWSERS.test(name)
    ? 'is set by browsers alone, and never by a page; leave it out'
    : undefined
}

function responseHeaderProblem(name: string): string | undefined {
  return name === 'set-cookie' || name === 'set-cookie2'
    ? 'is shown to no page, whatever is listed; leave it out'
    : undefined
}
