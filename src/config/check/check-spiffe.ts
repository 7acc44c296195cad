/**
 * Judges what the settings of a provider of `type: spiffe` mean together: whether one place is named for its bundle,
 * whether the bundle arrives over a connection that can be trusted, and whether the trust domain is that of no other
 * provider.
 *
 * SPIFFE Trust Domain and Bundle §5.2 and §6.1: whoever can change the bundle on its way can be any workload.
 */
import type { ProviderConfigs } from '../schema/by-provider-type.ts'
import type { Draft } from '../schema/draft.ts'
import { providerTraits } from '../schema/provider-traits.ts'
import { timingFindings, urlFindings } from './check-keys.ts'
import type { Finding, Path } from './findings.ts'

type BundleConfig = ProviderConfigs['spiffe']['bundle']

export function spiffeFindings({ bundle }: ProviderConfigs['spiffe'], provider: Path): readonly Finding[] {
  const path = [...provider, 'bundle']
  return [...sourceFindings(bundle, path), ...unusedFindings(bundle, path), ...timingFindings(bundle, path)]
}

function sourceFindings(bundle: BundleConfig, path: Path): readonly Finding[] {
  const { url, file } = bundle
  if (url === undefined && file === undefined)
    return [{ path, message: 'names no bundle; give `url`, where the trust domain publishes it, or `file`' }]
  if (url !== undefined && file !== undefined)
    return [{ path: [...path, 'file'], message: 'is a second place of the bundle; keep one of url, file', at: 'key' }]
  return url === undefined ? [] : urlFindings(url, bundle, [...path, 'url'], '`bundle.allowInsecureHttp: true`')
}

/** Refuses settings of a fetch where nothing is fetched: they are a slip, and some look safer than they are. */
function unusedFindings(bundle: BundleConfig, path: Path): readonly Finding[] {
  if (bundle.file === undefined || bundle.url !== undefined) return []
  const unused = (['caFile', 'cacheFile', 'bearerFile'] as const).filter(key => bundle[key] !== undefined)
  return unused.map(key => ({ path: [...path, key], message: 'has no effect with `file`; leave it out', at: 'key' }))
}

/** Refuses a second provider of a trust domain: nothing would say which of them a token belongs to. */
export function trustDomainFindings({ providers }: Pick<Draft, 'providers'>): readonly Finding[] {
  const owners = new Map<string, string>()
  return [...providers].flatMap(([id, provider]): Finding[] => {
    const { trustDomain } = providerTraits(provider)
    if (trustDomain === undefined) return []
    const owner = owners.get(trustDomain)
    if (owner === undefined) {
      owners.set(trustDomain, id)
      return []
    }
    const message = `is that of provider \`${owner}\` already, and its tokens belong to one provider; keep one of the two, with the \`audiences\` of both`
    return [{ path: ['providers', id, 'trustDomain'], message }]
  })
}
