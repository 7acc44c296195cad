/** Says whose tokens a provider takes: those of its issuer in each spelling, or those of its tenants. */
import { type IssuerTemplate, issuerTemplate, type Tenants, tenantJudge } from '../../issuer-template.ts'
import type { Claims } from '../../types.ts'
import type { ProviderConfigs } from './by-provider-type.ts'

/** What says of a provider which JWTs are its own. */
export type TakenIssuers = Pick<ProviderConfigs['jwt'], 'issuer' | 'issuerAliases' | 'tenants'>

/** The accepted values of each `{name}` in `issuer`; undefined where it has none. `tenants: any` is written out. */
export function tenantsOf({ issuer, tenants }: Pick<TakenIssuers, 'issuer' | 'tenants'>): Tenants | undefined {
  const template = issuerTemplate(issuer)
  if (template === undefined) return undefined
  return tenants === 'any' ? Object.fromEntries(template.claims.map(name => [name, 'any'])) : (tenants ?? {})
}

/** Whether some issuer is one of both providers, so that `iss` does not tell whose token it is on. */
export function shareIssuer(a: TakenIssuers, b: TakenIssuers): boolean {
  const [templateA, templateB] = [issuerTemplate(a.issuer), issuerTemplate(b.issuer)]
  if (templateA !== undefined && templateB !== undefined)
    return templateA.skeleton === templateB.skeleton && shareTenants(templateA, tenantsOf(a), templateB, tenantsOf(b))
  // An issuer that is named goes before a template, so that both can be meant.
  if (templateA !== undefined || templateB !== undefined) return false
  const ofB = new Set(issuersOf(b))
  return issuersOf(a).some(issuer => ofB.has(issuer))
}

/** Whether the provider takes tokens with these claims for its own. */
export function takesIssuer(provider: TakenIssuers, claims: Claims): boolean {
  const template = issuerTemplate(provider.issuer)
  const { iss } = claims
  if (typeof iss !== 'string') return false
  if (template === undefined) return issuersOf(provider).includes(iss)
  return tenantJudge(template, tenantsOf(provider) ?? {})({ ...template.valuesIn(iss), ...claims }) === undefined
}

/** Every spelling of the issuer, which has no `{name}` in it. */
export function issuersOf({ issuer, issuerAliases = [] }: TakenIssuers): readonly string[] {
  return [issuer, ...issuerAliases]
}

/** Two that name the same place otherwise are told apart by the claim that they read, which no token has twice. */
function shareTenants(a: IssuerTemplate, ofA: Tenants = {}, b: IssuerTemplate, ofB: Tenants = {}): boolean {
  return a.claims.every(name => {
    const [some, others] = [ofA[name], ofB[name]]
    if (!b.claims.includes(name) || some === 'any' || others === 'any') return true
    return some?.some(tenant => others?.includes(tenant)) === true
  })
}
