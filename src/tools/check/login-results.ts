/**
 * Asks the provider of a login what a browser and a gateway would ask it, without a user: whether it knows our
 * credentials, whether it sends browsers back to us, and whether it supports what we do.
 *
 * RFC 6749 §5.2 (`invalid_grant` is for clients that have proved who they are), RFC 7636 §4.2 and RFC 8414 §2
 * (`code_challenge_methods_supported`), OpenID Connect Core 1.0 §3.1.2.6 (`prompt=none` shows no page; an error goes to
 * a redirect URI only if that is registered), Discovery 1.0 §3 (`scopes_supported` need not name all).
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import type { Config } from '../../config/schema/schema.ts'
import { FetchFailure } from '../../keys/fetch/fetch-failure.ts'
import { hardenedRequest, place } from '../../keys/fetch/hardened-request.ts'
import { systemClock } from '../../lib/clock.ts'
import { systemScheduler } from '../../lib/scheduler.ts'
import { type AuthorizationClient, authorizationClient } from '../../oauth/authorization-client.ts'
import { findMetadata, type Metadata } from '../../oauth/metadata.ts'
import { OAuthFailure, refusal } from '../../oauth/oauth-failure.ts'
import { clientDefinition } from '../../run/sessions.ts'
import { shown } from '../text/shown.ts'
import type { HealthResult } from './health-result.ts'
import type { Warning } from './warnings.ts'

type SessionConfig = ProviderConfigs['session']

/** The metadata of a server are smaller. */
const MOST_METADATA_BYTES = 1024 * 1024

/** Never throws for what the network does. */
export async function loginResults(provider: SessionConfig, config: Config): Promise<readonly HealthResult[]> {
  const definition = clientDefinition(provider, config)
  const parameters = { ...definition.parameters, prompt: 'none' }
  const client = authorizationClient({ ...definition, parameters, clock: systemClock, scheduler: systemScheduler })
  try {
    const known = await credentialsResult(client, provider)
    const metadata = await metadataOf(provider, config)
    // What is wrong with all of it is told once.
    if (metadata === undefined) return [known]
    const back = await wayBackResult(client, definition.redirectUri, provider, config)
    return [known, challengeResult(metadata), ...(back.detail === known.detail ? [] : [back])]
  } finally {
    client.close()
  }
}

/** What belongs to one login. */
function secrets() {
  const secret = () => randomBytes(32).toString('base64url')
  return { state: secret(), nonce: secret(), verifier: secret() }
}

/** Redeems a code that nobody has issued. */
async function credentialsResult(client: AuthorizationClient, { issuer }: SessionConfig): Promise<HealthResult> {
  const login = secrets()
  const code = randomBytes(32).toString('base64url')
  try {
    await client.redeem({ ...login, parameters: new URLSearchParams({ code, state: login.state, iss: issuer }) })
  } catch (error) {
    if (!(error instanceof OAuthFailure)) throw error
    if (error.code === 'invalid_grant')
      return {
        outcome: 'ok',
        detail: 'takes our credentials: it answers invalid_grant to a code that nobody has issued',
      }
    const remedy = REMEDIES[error.code ?? ''] ?? (error.kind === 'unavailable' ? undefined : UNCLEAR)
    return { outcome: 'failed', detail: [error.message, ...(remedy === undefined ? [] : [remedy])].join('; ') }
  }
  const detail = 'gives tokens for a code that was made up for this check; name the issuer whose codes mean a login'
  return { outcome: 'failed', detail }
}

const UNCLEAR =
  'wanted is invalid_grant, which says that the code of this check is none and that the credentials are right'

const REMEDIES: Readonly<Record<string, string>> = {
  invalid_client:
    'it does not take our credentials: compare `client.id`, `client.auth` and the secret or key with what is registered there',
  unauthorized_client: 'it does not let this client log users in: allow it the authorization code flow there',
  unsupported_grant_type: 'it does not know the authorization code flow',
}

function challengeResult({ code_challenge_methods_supported: methods }: Metadata): HealthResult {
  if (!Array.isArray(methods))
    return { outcome: 'ok', detail: 'does not say whether it supports PKCE (no code_challenge_methods_supported)' }
  if (methods.includes('S256')) return { outcome: 'ok', detail: 'supports PKCE with S256' }
  const seen = methods.length === 0 ? 'none' : shown(methods.map(String).join(', '))
  return { outcome: 'failed', detail: `does not support PKCE with S256, which every login uses; it lists ${seen}` }
}

/** With these, whoever is not logged in is sent back (OpenID Connect Core 1.0 §3.1.2.6). */
const SENT_BACK: ReadonlySet<string | undefined> = new Set([
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
  // What was asked for may be more than somebody who is not there can have done.
  'unmet_authentication_requirements',
])

/** Asks for a login as a browser does in which nobody is logged in, and that shows no page. */
async function wayBackResult(
  client: AuthorizationClient,
  redirectUri: string,
  { timeout, caFile }: SessionConfig,
  { egress }: Config,
): Promise<HealthResult> {
  let where = 'the authorization endpoint'
  try {
    const url = await client.authorizationUrl(secrets())
    where = place(url)
    const { status, headers } = await hardenedRequest({
      method: 'GET',
      url,
      headers: { accept: 'text/html', 'user-agent': 'sallyport' },
      tls: { ca: caFile === undefined ? undefined : readFileSync(caFile, 'utf8') },
      maxBytes: 0,
      readBodyOf: NO_BODY,
      egress,
      signal: AbortSignal.timeout(timeout),
    })
    const target = status >= 300 && status < 400 ? URL.parse(headers.location ?? '', url) : null
    if (target !== null && place(target.href) === redirectUri) return sentBack(target, where, redirectUri)
    const seen = target === null ? String(status) : `${status} to ${shown(place(target.href))}`
    const answered = `${where} answered ${seen} in place of sending the browser back to ${redirectUri}`
    if (status >= 500 || status === 429) return { outcome: 'failed', detail: `${where} answered ${status}` }
    if (status >= 400)
      return { outcome: 'failed', detail: `${answered}; register exactly that as a redirect URI of the client` }
    const unsure = 'which some do whatever they are asked; it is not seen whether that is registered'
    return { outcome: 'ok', detail: `${answered}, ${unsure}` }
  } catch (error) {
    if (error instanceof OAuthFailure && error.kind === 'refused')
      return {
        outcome: 'failed',
        detail: `${error.message}; asked was for a login with the redirect URI ${redirectUri}`,
      }
    if (error instanceof OAuthFailure || error instanceof FetchFailure)
      return { outcome: 'failed', detail: error.message }
    if (error instanceof Error && error.name === 'TimeoutError')
      return { outcome: 'failed', detail: `${where} did not answer within ${timeout} ms` }
    throw error
  }
}

const NO_BODY: ReadonlySet<number> = new Set()

function sentBack({ searchParams }: URL, where: string, redirectUri: string): HealthResult {
  const error = searchParams.get('error')
  const { code, message } = error === null ? { code: undefined, message: '' } : refusal(error, where)
  if (error !== null && !SENT_BACK.has(code))
    return {
      outcome: 'failed',
      detail: `${message}; compare scopes, \`resource\` and \`parameters\` with what it allows`,
    }
  return { outcome: 'ok', detail: `sends browsers back to ${redirectUri} (${code ?? 'with a code'})` }
}

/** @returns undefined when there are none that can be used */
async function metadataOf(
  { issuer, timeout, caFile }: SessionConfig,
  { egress }: Config,
): Promise<Metadata | undefined> {
  const signal = AbortSignal.timeout(timeout)
  try {
    const limits = { issuer, maxBytes: MOST_METADATA_BYTES, caFile, egress }
    return (await findMetadata(limits, metadata => metadata, undefined, signal)).content
  } catch (error) {
    if (error instanceof FetchFailure || signal.aborted) return undefined
    throw error
  }
}

/** Those of OpenID Connect Core 1.0 §5.4 and §11. Many providers list no others, which belong to services. */
const OPENID_SCOPES: ReadonlySet<unknown> = new Set([
  'openid',
  'profile',
  'email',
  'address',
  'phone',
  'offline_access',
])

/** Finds scopes that are asked for, and that a provider does not list although it lists such scopes. */
export async function scopeWarnings(id: string, provider: SessionConfig, config: Config): Promise<readonly Warning[]> {
  const { scopes_supported: listed } = (await metadataOf(provider, config)) ?? {}
  if (!Array.isArray(listed)) return []
  const listsOthers = listed.some(scope => !OPENID_SCOPES.has(scope))
  return provider.scopes.flatMap((scope, index) => {
    if (listed.includes(scope) || !(OPENID_SCOPES.has(scope) || listsOthers)) return []
    const what =
      scope === 'offline_access'
        ? 'is not among the scopes that the provider lists; without a refresh token, a session ends with its first access token'
        : 'is not among the scopes that the provider lists; it may refuse every login, or leave the scope out'
    return [{ code: 'session-scope-unlisted' as const, path: ['providers', id, 'scopes', index], message: what }]
  })
}
