/**
 * Writes what `sallyport dev` prints: where to sign in, where things listen, the routes, a token, and `curl` lines to
 * paste as they are.
 *
 * Each `curl` line asks the embedded issuer for its token, so it stays short and never goes stale. An interactive zsh
 * takes comments for commands, so they hold no character that would make it fail.
 */
import type { ClaimRequirement, RouteConfig } from '../config/schema/schema.ts'
import type { DemoService } from '../demo/demo-service.ts'
import type { Issuer } from '../demo/issuer.ts'
import { columns } from '../tools/text/table.ts'

/** The table shows these keys of a route. */
type ListedRoute = Pick<RouteConfig, 'id' | 'path' | 'methods' | 'access' | 'mode' | 'require'>

interface DevReportOptions {
  readonly gateway: {
    readonly url: string
    readonly adminUrl: string | undefined
    readonly config: { readonly routes: readonly ListedRoute[] }
  }
  /** By which browsers find the gateway. */
  readonly browserUrl: string
  readonly issuer: Issuer
  readonly service: DemoService
  readonly configFile: string
  readonly token: string
}

export function devReport({ gateway, browserUrl, issuer, service, configFile, token }: DevReportOptions): string {
  return `
Sallyport demo. All of it runs in this process and listens on this machine only; Ctrl-C stops it.

Open ${browserUrl}/ in a browser and sign in under any name.

${table([
  ['gateway', `${gateway.url} (for programs; people open ${browserUrl})`],
  ['admin', gateway.adminUrl === undefined ? 'off' : `${gateway.adminUrl}/readyz, /metrics, /-/status`],
  ['console', gateway.adminUrl === undefined ? 'off' : `${gateway.adminUrl}/-/ (a page with what is refused, and why)`],
  ['issuer', `${issuer.issuer} (client ${issuer.clientId}, secret ${issuer.clientSecret})`],
  ['service', `${service.url} (what the gateway protects; it answers with the headers it received)`],
  ['configuration', configFile],
])}

${table([['ROUTE', 'METHODS', 'PATH', 'ACCESS', 'REQUIRE'], ...gateway.config.routes.map(routeRow)])}

A fresh token with the scope orders:read, good for an hour:

${token}

To try in another terminal:

${curlLines(gateway.url, issuer).join('\n\n')}

`
}

function routeRow({ id, path, methods, access, mode, require }: ListedRoute): readonly string[] {
  return [id, methods?.join(' ') ?? 'all', path, mode === 'report' ? `${access}, report only` : access, asked(require)]
}

function asked(require: ListedRoute['require']): string {
  const { scopes, anyScope, roles, anyRole, claims = {} } = require ?? {}
  const lines = [
    scopes && `scopes ${scopes.join(' and ')}`,
    anyScope && `scope ${anyScope.join(' or ')}`,
    roles && `roles ${roles.join(' and ')}`,
    anyRole && `role ${anyRole.join(' or ')}`,
    ...Object.entries(claims).map(([name, requirement]) => `${name} ${matched(requirement)}`),
  ]
  return lines.filter(line => line !== undefined).join('; ') || '-'
}

function matched(requirement: ClaimRequirement): string {
  if ('exists' in requirement) return 'exists'
  return 'all' in requirement ? `has ${requirement.all.join(' and ')}` : `= ${requirement.anyOf.join(' or ')}`
}

function table(rows: ReadonlyArray<readonly string[]>): string {
  return columns(rows)
    .map(row => `  ${row}`)
    .join('\n')
}

function curlLines(gateway: string, { issuer, clientId: subject }: Issuer): readonly string[] {
  const bearer = (kind: string) => `-H "Authorization: Bearer $(curl -s ${issuer}/demo/tokens/${kind})"`
  return [
    `# allowed: 200, and the service sees x-auth-subject: ${subject}
curl -i ${gateway}/orders/42 ${bearer('reader')}`,
    `# no token: 401 with a challenge
curl -i ${gateway}/orders/42`,
    `# missing scope: 403, this token may read but not write
curl -i -X DELETE ${gateway}/orders/42 ${bearer('reader')}`,
    `# the same with the scope orders:write: 200
curl -i -X DELETE ${gateway}/orders/42 ${bearer('writer')}`,
    `# forged identity header: 200, and the service still sees x-auth-subject: ${subject}, in one spelling
curl -i ${gateway}/orders/42 -H 'X-Auth-Subject: root' -H 'x_auth_subject: root' ${bearer('reader')}`,
    `# expired token: 401
curl -i ${gateway}/orders/42 ${bearer('expired')}`,
  ]
}
