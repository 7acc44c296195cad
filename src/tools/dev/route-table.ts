/** Shows the routes of a policy as a table that fits a terminal: what each takes, and what it asks of a caller. */
import type { ClaimRequirement, RouteConfig } from '../../config/schema/schema.ts'
import { fittedTable } from '../text/fitted-table.ts'

/** The table shows these keys of a route. */
type ListedRoute = Pick<RouteConfig, 'id' | 'path' | 'methods' | 'access' | 'mode' | 'require'>

const HEAD = ['ROUTE', 'METHODS', 'PATH', 'ACCESS', 'REQUIRE']

/** @returns lines without their ends, indented by two */
export function routeTable(routes: readonly ListedRoute[], columns: number): readonly string[] {
  return fittedTable([HEAD, ...routes.map(routeRow)], columns - 2).map(line => `  ${line}`)
}

function routeRow({ id, path, methods, access, mode, require }: ListedRoute): readonly string[] {
  const shown = access === 'required' ? 'report only' : `${access}, report only`
  return [id, methods?.join(' ') ?? 'all', path, mode === 'report' ? shown : access, asked(require)]
}

function asked(require: ListedRoute['require']): string {
  const { scopes, anyScope, roles, anyRole, claims = {}, proof, acr } = require ?? {}
  const lines = [
    scopes && `scopes ${scopes.join(' and ')}`,
    anyScope && `scope ${anyScope.join(' or ')}`,
    roles && `roles ${roles.join(' and ')}`,
    anyRole && `role ${anyRole.join(' or ')}`,
    ...Object.entries(claims).map(([name, requirement]) => `${name} ${matched(requirement)}`),
    proof && `proof ${proof}`,
    acr && `acr ${acr.join(' or ')}`,
  ]
  return lines.filter(line => line !== undefined).join('; ') || '-'
}

function matched(requirement: ClaimRequirement): string {
  if ('exists' in requirement) return 'exists'
  return 'all' in requirement ? `has ${requirement.all.join(' and ')}` : `= ${requirement.anyOf.join(' or ')}`
}
