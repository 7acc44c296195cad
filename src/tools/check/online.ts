/**
 * Asks the network whether what a configuration relies on is there: whether keys can be fetched, whether servers answer
 * questions about tokens, whether users could log in, whether upstreams take connections, whether the store allows what
 * is needed, and what the issuer calls itself.
 *
 * OpenID Connect Discovery 1.0 §4.3 and RFC 8414 §3.3 (`issuer` is compared byte for byte). A connection to an upstream
 * is opened as the gateway opens it, and closed again; no request is sent. Over `h2c:` the service has to say a word of
 * HTTP/2 (RFC 9113 §3.4).
 */
import { readFileSync } from 'node:fs'
import type { TokenVerifier } from '../../authenticate/verifier.ts'
import { type ByProviderType, byProviderType, type ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import type { Config } from '../../config/schema/schema.ts'
import { issuerTemplate } from '../../issuer-template.ts'
import { fetchDocument } from '../../keys/fetch/fetch-document.ts'
import { FetchFailure } from '../../keys/fetch/fetch-failure.ts'
import { connectionFailureText } from '../../lib/connection-failure.ts'
import { systemScheduler } from '../../lib/scheduler.ts'
import { documentUrls } from '../../oauth/metadata.ts'
import { keySourceDefinition } from '../../run/key-source.ts'
import type { Services } from '../../run/services.ts'
import { type Connect, connector } from '../../upstream/connector.ts'
import { openSession } from '../../upstream/http2-session.ts'
import { leasedProviders } from '../engine/tool-policy.ts'
import { askedResult } from './asked-result.ts'
import { exchangeResult } from './exchange-result.ts'
import { type HealthResult, healthResult } from './health-result.ts'
import { loginResults, scopeWarnings } from './login-results.ts'
import { storeResults } from './online-store.ts'
import type { Warning } from './warnings.ts'

export interface OnlineResult {
  readonly kind: 'provider' | 'upstream' | 'store'
  readonly id: string
  /** It says what was found or, after a failure, what went wrong. */
  readonly detail: string
  readonly outcome: 'ok' | 'failed'
}

interface OnlineFindings {
  readonly results: readonly OnlineResult[]
  readonly warnings: readonly Warning[]
}

/** What the issuer itself is asked, for each type of provider. */
const ISSUER_WARNINGS: ByProviderType<Promise<readonly Warning[]>, [id: string, config: Config]> = {
  jwt: issuerWarnings,
  introspection: async ({ issuer, endpoint, timeout: timeoutMs, caFile }, id, { egress }) =>
    endpoint === undefined
      ? slashWarnings(issuer, id, { timeoutMs, maxBytes: MOST_METADATA_BYTES, caFile, egress })
      : [],
  async session(provider, id, config) {
    const { issuer, timeout: timeoutMs, caFile } = provider
    const fetch = { timeoutMs, maxBytes: MOST_METADATA_BYTES, caFile, egress: config.egress }
    const found = await Promise.all([slashWarnings(issuer, id, fetch), scopeWarnings(id, provider, config)])
    return found.flat()
  },
  // A trust domain has no document that says its name.
  spiffe: async () => [],
}

/** The metadata of a server are smaller. */
const MOST_METADATA_BYTES = 1024 * 1024

/** How it is found out whether a provider can judge tokens, once it has got what that takes. */
const TRIED: ByProviderType<Promise<readonly HealthResult[]>, [verifier: TokenVerifier, config: Config]> = {
  jwt: async (_provider, verifier) => [healthResult(verifier.health())],
  introspection: async (provider, verifier) => [await askedResult(provider, verifier)],
  session: async (provider, verifier, config) => [
    healthResult(verifier.health()),
    ...(await loginResults(provider, config)),
  ],
  spiffe: async (_provider, verifier) => [healthResult(verifier.health())],
}

/** Waits no longer than the timeouts of the configuration, and never throws for what the network does. */
export async function onlineFindings(config: Config, services: Services): Promise<OnlineFindings> {
  const [providers, upstreams, stores, warnings] = await Promise.all([
    providerResults(config, services),
    Promise.all(Object.keys(config.upstreams).map(id => upstreamResults(id, config))),
    storeResults(config),
    Promise.all(
      Object.entries(config.providers).map(([id, provider]) => byProviderType(ISSUER_WARNINGS, provider, id, config)),
    ),
  ])
  return { results: [...providers, ...upstreams.flat(), ...stores], warnings: warnings.flat() }
}

async function providerResults(config: Config, services: Services): Promise<readonly OnlineResult[]> {
  const found = await Promise.all(
    [...leasedProviders(config, services)].map(async ([id, { ready, verifier }]): Promise<readonly OnlineResult[]> => {
      await ready()
      const provider = config.providers[id]
      const results =
        provider === undefined
          ? [healthResult(verifier.health())]
          : await byProviderType(TRIED, provider, verifier, config)
      return results.map(result => ({ kind: 'provider', id, ...result }))
    }),
  )
  return found.flat()
}

async function upstreamResults(id: string, config: Config): Promise<readonly OnlineResult[]> {
  const upstream = config.upstreams[id]
  if (upstream === undefined) return []
  const found = await Promise.all([upstreamResult(upstream), exchangeResult(id, config, NEVER)])
  return found.flatMap(result => (result === undefined ? [] : [{ kind: 'upstream' as const, id, ...result }]))
}

/** An exchange has a timeout of its own. */
const NEVER = AbortSignal.any([])

/** Says whether an upstream takes connections. */
export async function upstreamResult(upstream: Config['upstreams'][string]): Promise<HealthResult> {
  const { url, timeouts, headerBytes } = upstream
  const socket = await connectorOf(upstream)().catch((error: unknown) => connectionFailureText(error))
  if (typeof socket === 'string') return { outcome: 'failed', detail: `does not take connections: ${socket}` }
  try {
    if (url.isHttp2 !== true) return { outcome: 'ok', detail: 'takes connections' }
    const options = { connectTimeoutMs: timeouts.connect, scheduler: systemScheduler, maxHeadBytes: headerBytes }
    await openSession({ origin: url.origin, connect: async () => socket, ...options })
    return { outcome: 'ok', detail: 'takes connections, and speaks HTTP/2' }
  } catch {
    const detail = 'takes connections, but speaks no HTTP/2; if it speaks HTTP/1.1, write `http:` in place of `h2c:`'
    return { outcome: 'failed', detail }
  } finally {
    socket.on('error', () => {}).destroy()
  }
}

/** Connects as the gateway does. */
function connectorOf({ url, timeouts, tls }: Config['upstreams'][string]): Connect {
  const { origin, socketPath } = url
  const [ca, cert, key] = [textOf(tls?.caFile), textOf(tls?.certFile), textOf(tls?.keyFile)]
  const options = { origin, socketPath, connectTimeoutMs: timeouts.connect, serverName: tls?.serverName, ca, cert, key }
  return connector(options, 'either', systemScheduler)
}

function textOf(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readFileSync(file, 'utf8')
}

async function issuerWarnings(
  { issuer, keys }: ProviderConfigs['jwt'],
  id: string,
  { egress }: Config,
): Promise<readonly Warning[]> {
  const source = keySourceDefinition(keys, egress)
  return 'maxBytes' in source ? slashWarnings(issuer, id, source) : []
}

interface IssuerFetch {
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly caFile?: string | undefined
  readonly bearerFile?: string | undefined
  readonly egress?: Config['egress']
}

/** Finds an issuer that differs from its own document by a slash at the end: it looks right and refuses every token. */
async function slashWarnings(issuer: string, id: string, fetch: IssuerFetch): Promise<readonly Warning[]> {
  if (URL.parse(issuer) === null || issuerTemplate(issuer) !== undefined) return []
  // The places are asked one after the other, within the time that one fetch may take.
  const signal = AbortSignal.timeout(fetch.timeoutMs)
  for (const url of documentUrls(issuer)) {
    const named = await issuerNamedAt(url, fetch, signal)
    if (named === undefined) continue
    if (named === issuer || withoutSlash(named) !== withoutSlash(issuer)) return []
    const slip = named.length > issuer.length ? 'lacks the slash at its end' : 'has a slash too much at its end'
    const message = `${slip}: the issuer’s own document says \`${named}\`; write it so`
    return [{ code: 'issuer-slash', path: ['providers', id, 'issuer'], message }]
  }
  return []
}

async function issuerNamedAt(
  url: string,
  fetch: Omit<IssuerFetch, 'timeoutMs'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { json } = await fetchDocument({
      url,
      etag: undefined,
      maxBytes: fetch.maxBytes,
      caFile: fetch.caFile,
      bearerFile: fetch.bearerFile,
      egress: fetch.egress,
      signal,
    })
    const issuer = (json?.value as { readonly issuer?: unknown } | null | undefined)?.issuer
    return typeof issuer === 'string' ? issuer : undefined
  } catch (error) {
    if (error instanceof FetchFailure || (error instanceof Error && error.name === 'TimeoutError')) return undefined
    throw error
  }
}

function withoutSlash(issuer: string): string {
  return issuer.replace(/\/$/, '')
}
