/**
 * Makes up the claims by which a provider takes a token for one of its own: issuer, tenant and audience, or a workload
 * of its trust domain.
 */
import { resourceUrls } from '../../config/resources.ts'
import type { ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config, ProviderConfig } from '../../config/schema/schema.ts'
import { type TakenIssuers, takesIssuer, tenantsOf } from '../../config/schema/tenants.ts'
import { issuerTemplate } from '../../issuer-template.ts'
import { trustDomainId, trustDomainIn } from '../../lib/spiffe-id.ts'
import type { Claims, JsonValue } from '../../types.ts'

/** Whether the provider takes tokens with these claims for its own, on a route that accepts no other provider. */
export function takesClaims(provider: ProviderConfig, claims: Claims): boolean {
  const { trustDomain, issuers } = providerTraits(provider)
  if (trustDomain === undefined) return takesIssuer(issuers, claims)
  return typeof claims.sub === 'string' && trustDomainIn(claims.sub) === trustDomain
}

/** Says from whom a token with these claims would be: an issuer, or a workload of this name where none is given. */
export function ownClaims(provider: ProviderConfig, given: Claims, workload: string): Claims {
  const { trustDomain, issuers } = providerTraits(provider)
  return trustDomain === undefined ? issuerClaims(issuers, given) : { sub: `${trustDomainId(trustDomain)}/${workload}` }
}

/**
 * Says which issuer a token with these claims would be from, and which tenant. Of several tenants it takes the one that
 * the claims name, else the first that is listed.
 */
export function issuerClaims(provider: TakenIssuers, given: Claims): Claims {
  const template = issuerTemplate(provider.issuer)
  if (template === undefined) return { iss: provider.issuer }
  const tenants = tenantsOf(provider) ?? {}
  const named = typeof given.iss === 'string' ? template.valuesIn(given.iss) : undefined
  const values = Object.fromEntries(
    template.claims.map(name => {
      const listed = tenants[name]
      const value = given[name] ?? named?.[name] ?? (listed === 'any' ? undefined : listed?.[0]) ?? 'some-tenant'
      return [name, String(value)]
    }),
  )
  return { iss: template.filled(values), ...values }
}

/** Returns an audience with which a token of the provider gets in wherever its tokens do. */
export function audienceOfAll(config: Config, id: string): JsonValue {
  const provider = config.providers[id]
  const [first = ''] = provider === undefined ? [] : providerTraits(provider).audiences
  const all = [...new Set([first, ...resourceUrls(config, id)])]
  return all.length === 1 ? first : all
}

/** @returns the audience under the claim that the provider reads, at any depth */
export function audienceClaims(
  { audienceClaim, tokenType }: Pick<ProviderConfigs['jwt'], 'audienceClaim' | 'tokenType'>,
  audience: JsonValue,
): Claims {
  const names = audienceClaim.startsWith('/')
    ? audienceClaim
        .slice(1)
        .split('/')
        .map(each => each.replaceAll('~1', '/').replaceAll('~0', '~'))
    : [audienceClaim]
  const claims = names.reduceRight<JsonValue>((value, name) => ({ [name]: value }), audience) as Claims
  // RFC 9068 §2.2 requires `aud`, whichever claim is read in its place.
  return tokenType === 'at+jwt' ? { aud: audience, ...claims } : claims
}
