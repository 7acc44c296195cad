/**
 * Reads issuers with `{name}` in them, which stand for one issuer per tenant: `https://login.example/{tid}/v2.0`.
 *
 * Each `{name}` stands for the token's claim of that name. So a token says its tenant twice, and both must agree: a
 * token whose `iss` is that of one tenant and whose claim is that of another is refused. No RFC has such issuers;
 * Microsoft Entra, which signs for all tenants with the same keys, publishes them.
 */
import type { Claims } from './types.ts'

/** For each `{name}` the values that are accepted. */
export type Tenants = { readonly [claim: string]: 'any' | readonly string[] }

export interface IssuerTemplate {
  /** The names in braces, each once. */
  readonly claims: readonly string[]
  /** The template with everything in braces left empty: where it differs, two templates stand for other issuers. */
  readonly skeleton: string
  /** @returns the issuer of one tenant */
  filled(values: Readonly<Record<string, string>>): string
  /** @returns what an issuer has in place of each `{name}`; undefined when it has another form */
  valuesIn(issuer: string): Readonly<Record<string, string>> | undefined
}

const PLACEHOLDER = /\{([^{}]*)\}/g
const TENANT = '[A-Za-z0-9._-]{1,64}'
const TENANT_ONLY = new RegExp(`^${TENANT}$`)

/** Each placeholder tries up to 64 lengths, so that many of them in a row would be slow to match. */
export const MOST_PLACEHOLDERS = 4

/** @returns undefined when there is no `{name}` in it, so that it is the one issuer that it says */
export function issuerTemplate(text: string): IssuerTemplate | undefined {
  const names = [...text.matchAll(PLACEHOLDER)].map(([, name]) => name ?? '')
  if (names.length === 0) return undefined
  const parts = text.split(/\{[^{}]*\}/)
  const pattern = new RegExp(`^${parts.map(RegExp.escape).join(`(${TENANT})`)}$`)
  return Object.freeze({
    claims: Object.freeze([...new Set(names)]),
    skeleton: parts.join('{}'),
    filled: (values: Readonly<Record<string, string>>) =>
      text.replaceAll(PLACEHOLDER, (placeholder, name: string) => values[name] ?? placeholder),
    valuesIn(issuer: string) {
      const found = pattern.exec(issuer)
      return found === null ? undefined : Object.fromEntries(names.map((name, index) => [name, found[index + 1] ?? '']))
    },
  })
}

/** @returns whether a claim with this value can be that of a tenant */
export function isTenant(value: unknown): value is string {
  return typeof value === 'string' && TENANT_ONLY.test(value)
}

/** Says why a token is not from an issuer that the template stands for; undefined when it is. */
export type TenantJudge = (claims: Claims) => string | undefined

/** @param tenants a name that it lacks is the name of nobody */
export function tenantJudge({ claims: names, filled }: IssuerTemplate, tenants: Tenants): TenantJudge {
  const listed = new Map(Object.entries(tenants).map(([name, values]) => [name, acceptor(values)]))
  return claims => {
    const values: Record<string, string> = {}
    for (const name of names) {
      const value = Object.hasOwn(claims, name) ? claims[name] : undefined
      if (!isTenant(value)) return `its claim ${name} names no tenant`
      if (listed.get(name)?.(value) !== true) return `its claim ${name} is not among the tenants`
      values[name] = value
    }
    return filled(values) === claims.iss ? undefined : `iss and ${names.join(', ')} name different tenants`
  }
}

function acceptor(values: 'any' | readonly string[]): (value: string) => boolean {
  if (values === 'any') return () => true
  const listed = new Set(values)
  return value => listed.has(value)
}
