/**
 * Judges the conditions of routes (`require.when`): each has to be an expression that is accepted, about parameters
 * that its route has, and together they have to stay within what a request may cost.
 */
import { type Condition, readCondition } from '../../condition/condition.ts'
import { MOST_COMPREHENSIONS, MOST_NODES } from '../../condition/fence.ts'
import type { Surroundings } from '../../condition/reads.ts'
import { DEFAULT_IDENTITY_HEADERS, matchesOf } from '../../identity/header-lines.ts'
import { parameterNames } from '../../route/pattern.ts'
import { certificateSource } from '../schema/certificate-source.ts'
import type { Draft } from '../schema/draft.ts'
import type { RouteConfig } from '../schema/schema.ts'
import type { Finding } from './findings.ts'

export function conditionFindings(draft: Draft): readonly Finding[] {
  const isRemoved = removedHeaders(draft)
  return [...draft.routes].flatMap(([index, route]) =>
    ofRoute(['routes', index, 'require', 'when'], route, { parameters: parameterNames(route.path), isRemoved }),
  )
}

/** The service gets none of them from a client, so what a condition would read there decides about nothing. */
function removedHeaders({ identity, credentials = [], clientCertificate, routes }: Draft): (name: string) => boolean {
  const { headers, token, reserved = [] } = identity ?? {}
  const sources = [...credentials, ...[...routes.values()].flatMap(route => route.credentials ?? [])]
  const certificate = certificateSource(undefined, clientCertificate)
  return matchesOf([
    ...(headers === undefined ? DEFAULT_IDENTITY_HEADERS.map(({ name }) => name) : Object.keys(headers)),
    ...(token === undefined ? [] : [token.header]),
    ...reserved,
    ...sources.flatMap(source => (typeof source === 'object' && 'header' in source ? [source.header] : [])),
    ...(certificate?.from === 'header' ? [certificate.header.name] : []),
  ])
}

function ofRoute(at: Finding['path'], { require }: RouteConfig, around: Surroundings): readonly Finding[] {
  const read = (require?.when ?? []).map(written => ({ written, found: readCondition(written.text, around) }))
  const problems = read.flatMap(({ written, found }): readonly Finding[] => {
    if (!('message' in found)) return []
    const within = { text: written.text, offset: found.start }
    return [{ path: [...at, ...written.at], message: found.message, within }]
  })
  if (problems.length > 0) return problems
  const conditions = read.map(({ found }) => found as Condition)
  const message = sizeProblem(conditions)
  return message === undefined ? [] : [{ path: at, message, at: 'key' }]
}

/** Every condition is within the limits by itself; they hold for all of a route together. */
function sizeProblem(conditions: readonly Condition[]): string | undefined {
  const nodes = conditions.reduce((sum, condition) => sum + condition.nodes, 0)
  const comprehensions = conditions.reduce((sum, condition) => sum + condition.comprehensions, 0)
  if (comprehensions > MOST_COMPREHENSIONS)
    return `visits ${comprehensions} lists, and a route may visit ${MOST_COMPREHENSIONS}; ask for a role or a scope, or split the route`
  return nodes > MOST_NODES
    ? `has ${nodes} parts in all, and a route may have ${MOST_NODES}; split what it asks into routes`
    : undefined
}
