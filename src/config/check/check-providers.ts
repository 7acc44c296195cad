/**
 * Judges what the settings of a provider mean together: whether some token can have its issuer, and whether the
 * algorithms fit its source of keys.
 *
 * RFC 8725 §3.1 (algorithms belong to a key source).
 */

import { issuerTemplate, MOST_PLACEHOLDERS } from '../../issuer-template.ts'
import { HMAC_SECRET_BYTES } from '../../lib/jws-algorithms.ts'
import { hasUserInfo } from '../schema/address.ts'
import { type ByProviderType, byProviderType, type ProviderConfigs } from '../schema/by-provider-type.ts'
import type { Draft } from '../schema/draft.ts'
import { providerTraits } from '../schema/provider-traits.ts'
import { decryptionFindings } from './check-decryption.ts'
import { introspectionFindings } from './check-introspection.ts'
import { keysFindings, sources } from './check-keys.ts'
import { sessionFindings } from './check-sessions.ts'
import { spiffeFindings, trustDomainFindings } from './check-spiffe.ts'
import type { Finding, Path } from './findings.ts'

export function providerFindings({ providers, workers }: Draft): readonly Finding[] {
  return [
    ...cacheFileFindings(providers),
    ...trustDomainFindings({ providers }),
    ...[...providers].flatMap(([id, provider]) => byProviderType(FINDINGS, provider, ['providers', id], workers)),
  ]
}

/** Judges a provider of each type by itself. How many processes share it is undefined where that is wrong. */
const FINDINGS: ByProviderType<readonly Finding[], [path: Path, workers: number | undefined]> = {
  jwt: (provider, path) => [
    ...userInfoFindings(provider, path),
    ...issuerFindings(provider, path),
    ...aliasFindings(provider, path),
    ...keysFindings(provider, path),
    ...algorithmFindings(provider, path),
    ...decryptionFindings(provider.decryption, path),
  ],
  introspection: introspectionFindings,
  session: sessionFindings,
  spiffe: spiffeFindings,
}

/** Refuses a cache file that two providers share: each would overwrite the keys of the other. */
function cacheFileFindings(providers: Draft['providers']): readonly Finding[] {
  const owners = new Map<string, string>()
  return [...providers].flatMap(([id, provider]): Finding[] => {
    const { cacheFile } = providerTraits(provider)
    if (cacheFile === undefined) return []
    const owner = owners.get(cacheFile.path)
    if (owner === undefined) owners.set(cacheFile.path, id)
    return owner === undefined
      ? []
      : [
          {
            path: ['providers', id, ...cacheFile.at],
            message: `is the cache of provider \`${owner}\` already; give each its own file`,
          },
        ]
  })
}

/** Hosts of Microsoft Entra in all its clouds. */
const ENTRA =
  /^https:\/\/(?:sts\.windows\.net|login\.(?:microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn|chinacloudapi\.cn|windows\.net|microsoft\.com))\//i

/** Refuses issuers that no token has: what stands for many issuers must say for which, and by which claim. */
function issuerFindings({ issuer, tenants, keys }: ProviderConfigs['jwt'], path: Path): readonly Finding[] {
  const template = issuerTemplate(issuer)
  const problem = (message: string): readonly Finding[] => [{ path: [...path, 'issuer'], message }]
  if (issuer.includes('*'))
    return problem('is compared byte for byte, so that `*` stands for nothing; write `{name}` for the claim `name`')
  if (issuer.includes('{{')) return problem('has a `{{ }}` that nobody has filled in; write the issuer itself')
  const [, base] = /^(.*?)\/\.well-known\/(?:openid-configuration|oauth-authorization-server)/.exec(issuer) ?? []
  if (base !== undefined)
    return problem(`is where its metadata is; write what they call \`issuer\`, mostly \`${base}\``)
  const shared = ENTRA.test(issuer) ? /\/(common|organizations|consumers)\//i.exec(issuer)?.[1] : undefined
  if (shared !== undefined) {
    const remedy = `\`${issuer.replace(shared, '{tid}')}\` with \`tenants\` and \`keys.jwksUri\``
    return problem(`is the issuer of no token, because tokens name their tenant and not \`${shared}\`; write ${remedy}`)
  }
  if (template === undefined) {
    if (tenants === undefined) return []
    const message = 'has no effect, because `issuer` has no `{name}` in it; leave it out'
    return [{ path: [...path, 'tenants'], message, at: 'key' }]
  }
  if (ENTRA.test(issuer) && template.claims.includes('tenantid'))
    return problem(`names no claim by \`{tenantid}\`: the tenant is in \`tid\`; write \`{tid}\``)
  const [odd] = template.claims.filter(name => !/^[\w.:-]{1,64}$/.test(name))
  if (odd !== undefined) return problem(`has \`{${odd}}\` in it, which names no claim`)
  if (template.skeleton.split('{}').length - 1 > MOST_PLACEHOLDERS)
    return problem(`has more than ${MOST_PLACEHOLDERS} \`{name}\` in it`)
  const names = template.claims.map(name => `{${name}}`).join(' and ')
  if (tenants === undefined) {
    const example = template.claims.map(name => `${name}: [...]`).join(', ')
    return problem(`stands for many issuers by ${names}; list those that are meant: \`tenants: { ${example} }\``)
  }
  return [
    ...tenantFindings(template.claims, tenants, [...path, 'tenants']),
    ...(keys.jwksUri === undefined
      ? problem(`stands for many issuers by ${names}, so that no keys can be discovered; give \`keys.jwksUri\``)
      : []),
  ]
}

function tenantFindings(
  names: readonly string[],
  tenants: NonNullable<ProviderConfigs['jwt']['tenants']>,
  path: Path,
): readonly Finding[] {
  if (tenants === 'any') return []
  const missing = names.filter(name => !Object.hasOwn(tenants, name))
  const unused = Object.keys(tenants).filter(name => !names.includes(name))
  return [
    ...missing.map(name => ({
      path,
      message: `lacks \`${name}\`, which \`issuer\` names; list its values, or \`any\``,
    })),
    ...unused.map(name => ({
      path: [...path, name],
      message: `is not in \`issuer\`, which has ${names.map(each => `{${each}}`).join(', ')}`,
      at: 'key' as const,
    })),
  ]
}

function aliasFindings({ issuer, issuerAliases = [] }: ProviderConfigs['jwt'], path: Path): readonly Finding[] {
  const isTemplate = issuerTemplate(issuer) !== undefined
  return issuerAliases.flatMap((alias, index): Finding[] => {
    const at = [...path, 'issuerAliases', index]
    if (isTemplate)
      return [
        { path: at, message: 'has no place beside an `issuer` with `{name}` in it; make it a provider of its own' },
      ]
    if (alias === issuer || issuerAliases.indexOf(alias) < index) return [{ path: at, message: 'is listed already' }]
    return /[*{}]/.test(alias) ? [{ path: at, message: 'is compared byte for byte; write one spelling of `iss`' }] : []
  })
}

function algorithmFindings({ algorithms, keys }: ProviderConfigs['jwt'], path: Path): readonly Finding[] {
  return (algorithms ?? []).flatMap((algorithm, index): Finding[] => {
    const isShared = HMAC_SECRET_BYTES.has(algorithm)
    if (isShared === (keys.secretFile !== undefined)) return []
    const message = isShared
      ? 'needs a shared secret: give `keys.secretFile`, or list an asymmetric algorithm such as RS256'
      : 'needs a public key, and `keys.secretFile` holds a shared secret; list HS256, HS384 or HS512'
    return [{ path: [...path, 'algorithms', index], message }]
  })
}

/** Refuses credentials in what names an issuer without being fetched; {@link urlFindings} does where it is fetched. */
function userInfoFindings(
  { issuer, issuerAliases = [], keys }: ProviderConfigs['jwt'],
  path: Path,
): readonly Finding[] {
  const isFetched = sources(keys).length === 0 && issuerTemplate(issuer) === undefined
  const named: ReadonlyArray<readonly [string, Path]> = [
    ...(isFetched ? [] : [[issuer, [...path, 'issuer']] as const]),
    ...issuerAliases.map((alias, index) => [alias, [...path, 'issuerAliases', index]] as const),
  ]
  const message = 'carries credentials; leave out the part before `@`'
  return named.flatMap(([text, at]) => (hasUserInfo(text) ? [{ path: at, message }] : []))
}
