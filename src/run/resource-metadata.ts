/**
 * Makes the endpoints that tell clients about protected resources: where to get a token, and for what.
 *
 * RFC 9728 §2 (metadata), §3.1 (the well-known path), §3.2 (the answer), Fetch Standard (CORS: any page may read it).
 */
import { authorizationServers, routesOf } from '../config/resources.ts'
import { certificateSource } from '../config/schema/certificate-source.ts'
import { BARE_METADATA_PATH, metadataPath } from '../config/schema/metadata-path.ts'
import type { Config, ResourceConfig } from '../config/schema/schema.ts'
import { Denial } from '../errors.ts'
import { fieldValue } from '../lib/field-lines.ts'
import type { Endpoint } from '../policy.ts'
import type { Answer, RequestFacts, RouteMetrics } from '../types.ts'

const ID = '(metadata)'

interface Served {
  readonly host: string
  readonly body: string
}

/** @param metricsOf gives the series that all of them share */
export function metadataEndpoints(config: Config, metricsOf: (id: typeof ID) => RouteMetrics): readonly Endpoint[] {
  const resources = Object.entries(config.resources)
  if (resources.length === 0) return []
  const metrics = metricsOf(ID)
  const served = resources.map(([id, resource]) => ({
    path: metadataPath(resource),
    host: new URL(resource.url).host,
    body: JSON.stringify(metadataOf(config, id, resource)),
  }))
  const byPath = Map.groupBy(served, ({ path }) => path)
  const [only] = served
  if (only !== undefined && served.length === 1) byPath.set(BARE_METADATA_PATH, [only])
  return [...byPath].map(([path, group]) =>
    Object.freeze({
      kind: 'endpoint' as const,
      id: ID,
      path,
      methods: undefined,
      respond: (facts: RequestFacts) => answer(facts, group),
      metrics,
    }),
  )
}

/** Members that say nothing are left out (RFC 9728 §3.2). */
function metadataOf(config: Config, id: string, { url, name, scopes, documentation }: ResourceConfig) {
  const { dpop, listen, clientCertificate } = config
  const routes = routesOf(config, id)
  const issuers = authorizationServers(config, id)
  const certificates = certificateSource(listen, clientCertificate)
  return {
    resource: url,
    ...(issuers.length > 0 && { authorization_servers: issuers }),
    ...(scopes !== undefined && { scopes_supported: scopes }),
    bearer_methods_supported: ['header'],
    ...(name !== undefined && { resource_name: name }),
    ...(documentation !== undefined && { resource_documentation: documentation }),
    ...(dpop !== undefined && { dpop_signing_alg_values_supported: dpop.algorithms }),
    ...(routes.length > 0 &&
      routes.every(({ require }) => require?.proof === 'dpop') && { dpop_bound_access_tokens_required: true }),
    ...(certificates !== undefined && { tls_client_certificate_bound_access_tokens: true }),
  }
}

/** Whose host is asked for matters only where two resources have the same path. */
function answer({ method, rawHeaders }: RequestFacts, group: readonly Served[]): Answer {
  if (method === 'OPTIONS') return { status: 204, headers: [...READABLE, ...PREFLIGHT], body: '' }
  if (method !== 'GET' && method !== 'HEAD')
    return { status: 405, headers: [...READABLE, 'Allow', 'GET, HEAD, OPTIONS'], body: '' }
  const host = fieldValue(rawHeaders, 'host')?.toLowerCase()
  const [only] = group
  const found = group.length === 1 ? only : group.find(each => each.host === host)
  if (found === undefined) throw new Denial('route_unknown', { evidence: { what: 'no resource has this host' } })
  return {
    status: 200,
    headers: [...READABLE, 'Content-Type', 'application/json', 'Cache-Control', 'max-age=300'],
    body: found.body,
  }
}

/** The metadata are for everybody, and clients that run in a page read them, too. */
const READABLE = ['Access-Control-Allow-Origin', '*']
const PREFLIGHT = [
  ...['Access-Control-Allow-Methods', 'GET, HEAD'],
  ...['Access-Control-Allow-Headers', '*'],
  ...['Access-Control-Max-Age', '86400'],
]
