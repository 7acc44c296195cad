/**
 * Makes `curl` lines of somebody's own routes, to be pasted into a shell: what passes, what is refused, and what a
 * forged header comes to. Each asks the embedded issuer for its token, so that none goes stale.
 *
 * An interactive zsh takes comments for commands, so they hold no character that would make it fail.
 */
import { acceptedProviders, isLogin, sessionProvider } from '../../config/schema/accepted.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { tokenProviderOf } from './route-claims.ts'

export interface Example {
  /** `without a token`, and what to expect. */
  readonly title: string
  /** Lines of the shell, of which each but the last ends with a backslash. */
  readonly command: string
}

interface Addresses {
  readonly gateway: string
  readonly issuer: string
}

export function examples(config: Config, { gateway, issuer }: Addresses): readonly Example[] {
  const tried = config.routes.filter(route => isTried(config, route))
  const route = tried.find(({ require }) => require?.scopes !== undefined) ?? tried[0]
  const open = config.routes.find(({ access }) => access === 'public')
  const public_: readonly Example[] =
    open === undefined ? [] : [{ title: 'public: passes without a token', command: `curl -i ${target(gateway, open)}` }]
  if (route === undefined) return public_
  const call = `curl -i ${target(gateway, route)}`
  const withToken = (name: string): string => ` \\\n  ${credential(config, route, `${issuer}/demo/tokens/${name}`)}`
  const header = subjectHeader(config)
  const scopes = [...(route.require?.scopes ?? []), ...(route.require?.anyScope ?? [])]
  return [
    { title: `allowed: the token of route ${route.id} may do all that it asks`, command: call + withToken(route.id) },
    { title: 'no token: 401', command: call },
    ...(scopes.length === 0
      ? []
      : [{ title: `missing scope: 403, this token lacks ${scopes[0]}`, command: call + withToken('plain') }]),
    {
      title: `forged header: the service still sees the true ${header}`,
      command: `${call} \\\n  -H '${header}: root'${withToken(route.id)}`,
    },
  ]
}

/** Where a browser begins, when people sign in: a page of a route that sends them there. */
export function pageToOpen(config: Config): string | undefined {
  const pages = config.routes.filter(each => sessionProvider(config, each) !== undefined && isRead(each))
  const page = pages.find(({ anonymous }) => anonymous === 'login') ?? pages[0]
  const login = page && config.providers[sessionProvider(config, page) ?? '']
  return page === undefined || login?.type !== 'session' ? undefined : login.publicUrl + examplePath(page.path)
}

/** The header that tells the service who it is; where there is none, any that the gateway sets. */
function subjectHeader({ identity: { headers } }: Config): string {
  if (headers === undefined) return 'X-Auth-Subject'
  const named = Object.entries(headers).find(([, { claim }]) => claim === 'sub') ?? Object.entries(headers)[0]
  return named?.[0] ?? 'X-Auth-Subject'
}

/** Whether a token that can be made here opens the route. */
function isTried(config: Config, route: RouteConfig): boolean {
  if (route.access === 'public' || tokenProviderOf(config, route) === undefined) return false
  return (
    route.require?.proof === undefined && acceptedProviders(config, route).some(id => !isLogin(config.providers[id]))
  )
}

function isRead({ methods }: RouteConfig): boolean {
  return methods === undefined || methods.includes('GET')
}

function target(gateway: string, route: RouteConfig): string {
  const [method = 'GET'] = isRead(route) ? [] : (route.methods ?? [])
  return `${method === 'GET' ? '' : `-X ${method} `}${gateway}${examplePath(route.path)}`
}

/** A path that the pattern takes: `/orders/:id/**` becomes `/orders/1`. */
function examplePath(pattern: string): string {
  const path = pattern
    .replace(/\/\*\*$/, '')
    .split('/')
    .map(segment => segment.replace(/^:[A-Za-z_]\w*/, '1'))
    .join('/')
  return path === '' ? '/' : path
}

function credential(config: Config, route: RouteConfig, url: string): string {
  const [source = 'authorization'] = route.credentials ?? config.credentials ?? []
  const token = `$(curl -s ${url})`
  return typeof source === 'object' && 'header' in source
    ? `-H "${source.header}: ${token}"`
    : `-H "Authorization: Bearer ${token}"`
}
