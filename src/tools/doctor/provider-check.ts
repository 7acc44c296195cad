/**
 * Goes the whole way to each provider: name, connection, certificate, metadata, issuer, keys, and its clock.
 *
 * OpenID Connect Discovery 1.0 §4.3 and RFC 8414 §3.3 (the issuer is compared byte for byte). Whether tokens can be
 * judged in the end, and users logged in, is found out as `sallyport check --online` does.
 */
import { pathText } from '../../config/check/report.ts'
import { type ByProviderType, byProviderType, type ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config, KeysConfig, ProviderConfig } from '../../config/schema/schema.ts'
import type { Egress } from '../../egress/egress.ts'
import { viaProxy } from '../../egress/no-proxy.ts'
import { issuerTemplate } from '../../issuer-template.ts'
import { fetchDocument } from '../../keys/fetch/fetch-document.ts'
import { FetchFailure } from '../../keys/fetch/fetch-failure.ts'
import { documentUrls } from '../../oauth/metadata.ts'
import { keySourceDefinition } from '../../run/key-source.ts'
import { onlineFindings } from '../check/online.ts'
import { shown } from '../text/shown.ts'
import { clockVerdict } from './clock-verdict.ts'
import type { Check, Examined } from './examined.ts'
import { type CheckName, type Finding, fail, finding, ok, skipped, type Verdict, warn } from './finding.ts'
import { namedText } from './named-text.ts'
import { leads, type Step, steps } from './reach.ts'
import { StepTooLong, step } from './steps.ts'

/** What is fetched of a provider. */
interface Fetched {
  /** Where the first request goes. */
  readonly url: string
  /**
   * `needed`: nothing works without the metadata; `told`: they only say whether the issuer is spelled right; `none`:
   * there are none.
   */
  readonly metadata: 'needed' | 'told' | 'none'
  readonly caFile: string | undefined
  readonly bearerFile: string | undefined
}

const MOST_METADATA_BYTES = 1024 * 1024
const OUTAGES = 'config/README.md#keys-and-outages'
const ISSUER = 'config/README.md#providersjwt'

/** What is fetched of a provider of each type; undefined: nothing is. */
const FETCHED: ByProviderType<Fetched | undefined> = {
  jwt: ({ issuer, keys }) => fetchedKeys(issuer, keys),
  introspection: ({ issuer, endpoint, caFile }) => ({
    url: endpoint ?? issuer,
    metadata: endpoint === undefined ? 'needed' : 'told',
    caFile,
    bearerFile: undefined,
  }),
  session: ({ issuer, caFile }) => ({ url: issuer, metadata: 'needed', caFile, bearerFile: undefined }),
  spiffe: ({ bundle: { url, caFile, bearerFile } }) =>
    url === undefined ? undefined : { url, metadata: 'none', caFile, bearerFile },
}

function fetchedKeys(issuer: string, keys: KeysConfig): Fetched | undefined {
  const source = keySourceDefinition(keys, undefined)
  if (!('maxBytes' in source)) return undefined
  const isNamed = source.type === 'jwksUri'
  if (!isNamed && issuerTemplate(issuer) !== undefined) return undefined
  const { caFile, bearerFile } = source
  return { url: isNamed ? source.url : issuer, metadata: isNamed ? 'told' : 'needed', caFile, bearerFile }
}

export const providerCheck: Check = async examined => {
  const ids = Object.entries(examined.config.providers)
  if (ids.length === 0) return [finding('provider', undefined, skipped('the configuration has no provider'))]
  return (await Promise.all(ids.map(([id, provider]) => ofProvider(id, provider, examined)))).flat()
}

async function ofProvider(id: string, provider: ProviderConfig, examined: Examined): Promise<readonly Finding[]> {
  const subject = `provider ${id}`
  const fetched = byProviderType(FETCHED, provider)
  const [way, usable] = await Promise.all([
    fetched === undefined ? [] : wayTo(provider, fetched, examined),
    usableVerdicts(id, provider, examined),
  ])
  return [...way, ...usable].map(({ check, verdict }) => finding(check, subject, verdict))
}

interface Named {
  readonly check: CheckName
  readonly verdict: Verdict
}

async function wayTo(provider: ProviderConfig, fetched: Fetched, examined: Examined): Promise<readonly Named[]> {
  const url = new URL(fetched.url)
  const { config, stepMs, clock } = examined
  const proxy = proxyFor(url, config.egress)
  const way = { url, ca: namedText(fetched.caFile), proxy, stepMs, nowMs: clock.nowMs() }
  const found = await steps(way)
  if (!leads(found)) {
    const hint = await otherWay(found, way, examined)
    const missing = `the server is not reached (${found.at(-1)?.check})`
    return [
      ...found,
      ...hint,
      ...(['discovery', 'issuer', 'clock'] as const).map(check => ({ check, verdict: skipped(missing) })),
    ]
  }
  const [documents, time] = await Promise.all([
    documentVerdicts(provider, fetched, examined),
    clockVerdict(fetched, providerTraits(provider).clockToleranceMs, examined),
  ])
  return [...found, ...documents, { check: 'clock', verdict: time }]
}

function proxyFor(url: URL, egress: Config['egress']): Egress | undefined {
  return egress !== undefined && viaProxy(url, egress.noProxy) ? egress : undefined
}

/** Says whether the server answers where the configuration does not go: past the proxy, or through another one. */
async function otherWay(
  found: readonly Step[],
  way: Parameters<typeof steps>[0],
  { env, config }: Examined,
): Promise<readonly Named[]> {
  if (found.at(-1)?.check === 'tls') return []
  const link = 'config/README.md#through-a-proxy'
  if (way.proxy !== undefined) {
    const direct = await steps({ ...way, proxy: undefined })
    if (!leads(direct)) return []
    const remedy = `list \`${way.url.hostname}\` in \`egress.noProxy\`, if that is meant`
    return [{ check: 'proxy', verdict: warn(`${way.url.host} can be reached without the proxy`, remedy, link) }]
  }
  const name = way.url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const variable = [name, name.toLowerCase(), 'ALL_PROXY', 'all_proxy'].find(each => (env[each] ?? '') !== '')
  if (variable === undefined || config.egress !== undefined) return []
  const named = URL.parse(env[variable] ?? '')
  // The value may hold a password, which is neither sent nor shown.
  const proxy = named !== null && /^https?:$/.test(named.protocol) && named.username === '' ? named.origin : undefined
  const led = proxy !== undefined && leads(await steps({ ...way, proxy: { proxy, noProxy: [] } }))
  const seen = led ? 'leads there' : 'is not used by the gateway'
  return [
    {
      check: 'proxy',
      verdict: warn(
        `the proxy of ${variable} ${seen}`,
        'name the proxy by `egress.proxy`, if keys are fetched through one',
        link,
      ),
    },
  ]
}

async function documentVerdicts(
  provider: ProviderConfig,
  { metadata, caFile, bearerFile }: Fetched,
  { config, stepMs }: Examined,
): Promise<readonly Named[]> {
  if (metadata === 'none')
    return [{ check: 'discovery', verdict: skipped('a trust domain has no metadata, and its bundle says no name') }]
  const { issuer } = providerTraits(provider).issuers
  if (URL.parse(issuer) === null || issuerTemplate(issuer) !== undefined)
    return [{ check: 'discovery', verdict: skipped('an issuer that is no URL has no document') }]
  const failures: string[] = []
  for (const url of documentUrls(issuer)) {
    try {
      const { json } = await step(stepMs, signal =>
        fetchDocument({
          ...{ url, etag: undefined, maxBytes: MOST_METADATA_BYTES, caFile, bearerFile, signal },
          egress: config.egress,
        }),
      )
      return [
        { check: 'discovery', verdict: ok(`${url} has the metadata`) },
        { check: 'issuer', verdict: issuerVerdict(issuer, json?.value, metadata) },
      ]
    } catch (error) {
      if (!(error instanceof FetchFailure || error instanceof StepTooLong)) throw error
      failures.push(error instanceof StepTooLong ? `${url}: ${error.message}` : error.message)
      if (error instanceof StepTooLong) break
    }
  }
  const seen = failures.join('; ')
  const missing: Named = { check: 'issuer', verdict: skipped('there is no document to compare with') }
  if (metadata === 'told')
    return [{ check: 'discovery', verdict: skipped(`not needed, and not found: ${seen}`) }, missing]
  const remedy = 'compare `issuer` with what the provider calls itself, or name the keys by `keys.jwksUri`'
  return [{ check: 'discovery', verdict: fail(seen, remedy, OUTAGES) }, missing]
}

const LONGEST_SHOWN = 200

function issuerVerdict(issuer: string, document: unknown, metadata: Fetched['metadata']): Verdict {
  const named = (document as { readonly issuer?: unknown } | null | undefined)?.issuer
  if (named === issuer) return ok(`the document says ${issuer}, byte for byte`)
  const told = typeof named === 'string' ? shown(named.slice(0, LONGEST_SHOWN)) : 'no issuer'
  const seen = `the document says ${told}, and the configuration ${issuer}`
  const remedy = 'write `issuer` exactly as the provider does: case, port and the slash at the end count'
  return metadata === 'needed' ? fail(seen, remedy, ISSUER) : warn(seen, remedy, ISSUER)
}

/** The checks of `sallyport check --online`, of this provider alone, so that a slow one keeps no other waiting. */
async function usableVerdicts(id: string, provider: ProviderConfig, examined: Examined): Promise<readonly Named[]> {
  const { config, services, stepMs } = examined
  const alone = { ...config, providers: { [id]: provider }, upstreams: {}, store: undefined } satisfies Config
  try {
    const { results, warnings } = await step(stepMs, () => onlineFindings(alone, services))
    return [
      ...results.map(({ detail, outcome }) => ({
        check: USABLE[provider.type],
        verdict: outcome === 'ok' ? ok(detail) : fail(detail, REMEDIES[provider.type], OUTAGES),
      })),
      // That of the slash has been said as `issuer`.
      ...warnings
        .filter(({ code }) => code !== 'issuer-slash')
        .map(({ message, path }) => ({
          check: USABLE[provider.type],
          verdict: warn(
            `\`${pathText(path)}\` ${message}`,
            'see whether that is meant',
            'src/tools/README.md#sallyport-check',
          ),
        })),
    ]
  } catch (error) {
    if (!(error instanceof StepTooLong)) throw error
    return [{ check: USABLE[provider.type], verdict: fail(error.message, REMEDIES[provider.type], OUTAGES) }]
  }
}

const USABLE: { readonly [T in keyof ProviderConfigs]: CheckName } = {
  jwt: 'keys',
  introspection: 'asking',
  session: 'login',
  spiffe: 'keys',
}

const REMEDIES: { readonly [T in keyof ProviderConfigs]: string } = {
  jwt: 'until there are keys, every token of this provider is answered with 503; see the steps before',
  introspection: 'until it answers, every token of this provider is answered with 503; see the steps before',
  session: 'nobody can log in until then; see the steps before',
  spiffe:
    'until there are keys with `use: jwt-svid`, every token of this trust domain is refused; see the steps before',
}
