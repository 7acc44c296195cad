/**
 * Compiles a configuration to a frozen policy.
 *
 * Names are resolved once: a route of the policy holds its providers and its upstream, and not their ids. What the
 * configuration leaves out leaves no trace in the policy. Routes are compiled in `compile-route.ts`.
 */
import { tokenPlaces } from '../authenticate/credential-places.ts'
import { clientAddressReader } from '../downstream/client-address.ts'
import { requestHeaders } from '../forward/request-headers.ts'
import type { Endpoint, Policy, Route } from '../policy.ts'
import { compileMatcher } from '../route/match.ts'
import { isOwnSetCookie } from '../session/cookie-lines.ts'
import { requestTraces } from '../telemetry/traces/request-traces.ts'
import { believedProxies } from './believed-proxies.ts'
import { compiledIdentity } from './compile-identity.ts'
import { compileRoute } from './compile-route.ts'
import { credentialRules, credentialSources } from './credential-sources.ts'
import { equalShare } from './equal-share.ts'
import { headerWriters } from './header-writers.ts'
import { named } from './named.ts'
import type { PolicyParts } from './policy-parts.ts'
import { hasSessions } from './schema/accepted.ts'
import { providerTraits } from './schema/provider-traits.ts'
import type { Config } from './schema/schema.ts'
import { sharedJudges } from './shared-judges.ts'

/** @param hash says which configuration is in force */
export function compilePolicy(config: Config, hash: string, parts: PolicyParts): Policy {
  const identity = compiledIdentity(config, parts)
  const judges = sharedJudges(config, parts)
  const places = tokenPlaces(credentialSources(config))
  const isManaged =
    places === undefined ? identity.isManaged : (name: string) => identity.isManaged(name) || places.isHeader(name)
  const headers = headerWriters(config, { isManaged, places, writer: parts.requestHeaders ?? requestHeaders })
  const routes = config.routes.map(route => compileRoute(route, config, { ...judges, headers }, parts))
  return Object.freeze({
    hash,
    routes,
    providers: Object.entries(config.providers).map(([id, provider]) => {
      const verifier = named(parts.verifiers, id)
      return {
        id,
        issuer: providerTraits(provider).issuers.issuer,
        health: () => verifier.health(),
        decryptionKeys: verifier.decryption?.keys.map(({ kid }) => kid),
      }
    }),
    matcher: compileMatcher<Route | Endpoint>([...parts.endpoints, ...routes], {
      letterCase: config.paths.ignoreCase ? 'ignored' : 'heeded',
    }),
    answersPreflights: routes.some(({ cors }) => cors !== undefined),
    identity,
    managedNames: [...identity.names, ...(places?.headers ?? [])],
    isManaged,
    credentialRules: credentialRules(config),
    traces: tracesOf(config, parts),
    tokenPlaces: places,
    checkClientCertificate: parts.checkClientCertificate,
    limits: {
      maxHeaders: config.limits.headers,
      maxHeadBytes: config.limits.headerBytes,
      bodyBytes: config.limits.bodyBytes,
      bodyIdleTimeoutMs: config.limits.bodyIdleTimeout,
      requests: equalShare(config.limits.requests, config.workers),
    },
    clientAddress: clientAddressReader(believedProxies(config)),
    accessLog: config.log.access,
    isRevoked: parts.isRevoked,
    isOwnCookie: hasSessions(config) ? isOwnSetCookie : undefined,
  })
}

function tracesOf(config: Config, { spans }: PolicyParts): Policy['traces'] {
  const { traces } = config
  if (traces === undefined || spans === undefined) return undefined
  const trusts = believedProxies(config)
  return requestTraces({
    sample: traces.sample,
    trustsParent: { always: () => true, proxies: trusts, never: () => false }[traces.trustParent],
    clientOf: clientAddressReader(trusts),
    sink: spans,
  })
}
