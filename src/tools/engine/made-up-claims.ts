/** Makes up the claims by which a provider takes a token for one of its own: issuer, tenant and audience. */
import { resourceUrls } from '../../config/resources.ts'
import type { ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import { issuersOf, type TakenIssuers, tenantsOf } from '../../config/schema/tenants.ts'
import { issuerTemplate, tenantJudge } from '../../issuer-template.ts'
import type { Claims, JsonValue } from '../../types.ts'

/** Whether the provider takes tokens with these claims for its own. */
export function takesIssuer(provider: TakenIssuers, claims: Claims): boolean {
  const template = issuerTemplate(provider.issuer)
  const { iss } = claims
  if (typeof iss !== 'string') return false
  if (template === undefined) return issuersOf(provider).includes(iss)
  return tenantJudge(template, tenantsOf(provider) ?? {})({ ...template.valuesIn(iss), ...claims }) === undefined
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
