/**
 * Judges the rules of a configuration that span keys, on every entry that is right by itself.
 *
 * One run can therefore report a slip in one route, an unknown upstream in another, and two providers with one issuer.
 */
import { foldedFieldName } from '../../lib/field-name.ts'
import { isSameAddress } from '../schema/address.ts'
import type { Draft } from '../schema/draft.ts'
import { certificateFindings } from './check-certificates.ts'
import { conditionFindings } from './check-conditions.ts'
import { corsFindings } from './check-cors.ts'
import { decideFindings } from './check-decide.ts'
import { internalTokenFindings } from './check-internal-token.ts'
import { mcpFindings } from './check-mcp.ts'
import { proofFindings } from './check-proof.ts'
import { providerFindings } from './check-providers.ts'
import { rateLimitFindings } from './check-rate-limits.ts'
import { resourceFindings } from './check-resources.ts'
import { revocationFindings } from './check-revocation.ts'
import { routeFindings, upstreamProblem } from './check-routes.ts'
import { sessionPeerFindings } from './check-session-peers.ts'
import { sessionRouteFindings } from './check-session-routes.ts'
import { tokenExchangeFindings } from './check-token-exchange.ts'
import type { Finding } from './findings.ts'
import { modeFindings } from './listener-mode.ts'

export function crossCheck(draft: Draft): readonly Finding[] {
  return [
    ...listenFindings(draft),
    ...decideFindings(draft),
    ...appProbeFindings(draft),
    ...identityFindings(draft),
    ...internalTokenFindings(draft),
    ...limitFindings(draft),
    ...upstreamFindings(draft),
    ...tokenExchangeFindings(draft),
    ...egressFindings(draft),
    ...providerFindings(draft),
    ...routeFindings(draft),
    ...conditionFindings(draft),
    ...rateLimitFindings(draft),
    ...revocationFindings(draft),
    ...proofFindings(draft),
    ...certificateFindings(draft),
    ...corsFindings(draft),
    ...resourceFindings(draft),
    ...mcpFindings(draft),
    ...sessionPeerFindings(draft),
    ...sessionRouteFindings(draft),
  ]
}

function listenFindings({ listen, admin }: Draft): readonly Finding[] {
  const modes = [...modeFindings(['listen'], listen), ...modeFindings(['admin', 'listen'], admin?.listen)]
  if (listen === undefined || admin === undefined || !isSameAddress(listen.address, admin.listen.address)) return modes
  const message = 'is the address of `listen`; give the admin listener one of its own'
  return [...modes, { path: ['admin', 'listen'], message }]
}

function appProbeFindings({ admin, upstreamIds }: Draft): readonly Finding[] {
  const probes = admin?.appProbes ?? []
  return probes.flatMap(({ path, upstream }, index): Finding[] => {
    const at = ['admin', 'appProbes', index]
    if (probes.findIndex(other => other.path === path) < index) return [{ path: at, message: 'is listed already' }]
    const message = upstreamProblem(upstreamIds, upstream)
    return message === undefined ? [] : [{ path: [...at, 'upstream'], message, about: 'upstreams' }]
  })
}

/** Refuses names like `X-Auth-Sub` and `X_Auth_Sub` together: a service may read them as one, and take either value. */
function identityFindings({ identity }: Draft): readonly Finding[] {
  const seen = new Map<string, string>()
  return Object.keys(identity?.headers ?? {}).flatMap((name): Finding[] => {
    const folded = foldedFieldName(name)
    const other = seen.get(folded)
    seen.set(folded, name)
    if (other === undefined) return []
    const message = `is read as the same header as \`${other}\` by many services; keep one of them`
    return [{ path: ['identity', 'headers', name], message, at: 'key' }]
  })
}

function limitFindings({ limits }: Draft): readonly Finding[] {
  if (limits === undefined || limits.tokenBytes < limits.headerBytes) return []
  const message = 'must be less than `limits.headerBytes`: a token arrives in a header'
  return [{ path: ['limits', 'tokenBytes'], message }]
}

function egressFindings({ egress }: Draft): readonly Finding[] {
  if (egress?.caFile === undefined || egress.proxy.startsWith('https:')) return []
  const message = 'has no effect with an `http:` proxy, which has no certificate; leave it out, or write `https:`'
  return [{ path: ['egress', 'caFile'], message, at: 'key' }]
}

function upstreamFindings({ upstreams }: Draft): readonly Finding[] {
  return [...upstreams].flatMap(([id, { url, tls }]): Finding[] => {
    const path = ['upstreams', id, 'tls']
    if (tls === undefined) return []
    if (!url.origin.startsWith('https:'))
      return [{ path, message: 'needs an `https:` URL; change `url`, or leave `tls` out', at: 'key' }]
    if ((tls.certFile === undefined) === (tls.keyFile === undefined)) return []
    return [{ path, message: 'needs `certFile` and `keyFile` together; add the missing one', at: 'key' }]
  })
}
