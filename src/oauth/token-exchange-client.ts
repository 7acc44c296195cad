/**
 * Exchanges a caller's token for one that a service takes, at the token endpoint of an authorization server.
 *
 * RFC 8693 §2.1 (the request) and §2.2.1 (the answer), RFC 6750 §2.1 (what a Bearer token is made of). Which callers
 * may do what is for the server to say, and nobody verifies the token that it issues: the service does. Nothing is sent
 * twice and nothing is remembered here but where to ask.
 */
import { FetchFailure } from '../keys/fetch/fetch-failure.ts'
import { place } from '../keys/fetch/hardened-request.ts'
import { deadline } from '../lib/deadline.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { isToken68 } from '../lib/token68.ts'
import type { ClientCredentials } from './client-authentication.ts'
import { keptMetadata } from './kept-metadata.ts'
import { oauthLibrary } from './library.ts'
import { addressIn, type Metadata } from './metadata.ts'
import { failureOf, OAuthFailure } from './oauth-failure.ts'
import { type ProviderRequestsOptions, providerRequests } from './provider-request.ts'
import { tokenAnswer } from './token-answer.ts'

/** Whom to ask for which tokens. It is plain data, but for what makes traces. */
export interface TokenExchangeClientOptions extends ProviderRequestsOptions {
  /** A bearer token is no way to prove who one is at a token endpoint. */
  readonly client: Exclude<ClientCredentials, { readonly auth: 'bearer' }>
  /** Undefined: that of the issuer's metadata. */
  readonly endpoint: string | undefined
  readonly audiences: readonly string[]
  readonly scopes: readonly string[]
  /** Further hosts whose addresses in the metadata are used. */
  readonly hosts: readonly string[]
  readonly allowInsecureHttp: boolean
  /** The longest time of one exchange, discovery included. */
  readonly timeoutMs: number
  readonly scheduler: Scheduler
}

export interface IssuedToken {
  readonly text: string
  /** Undefined: the server did not say, and the token does not. */
  readonly expiresInSeconds: number | undefined
}

export interface TokenExchangeClient {
  /** Without what may be secret in it; undefined until it is discovered. */
  readonly endpoint: string | undefined
  /** It rejects with an {@link OAuthFailure}. @param ended ends it early; the reason is an {@link OAuthFailure} */
  exchange(subjectToken: string, ended: AbortSignal): Promise<IssuedToken>
  /** Ends a search for metadata that is under way beside exchanges. */
  close(): void
}

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
/** RFC 8693 §3: what may be sent as an access token. A refresh token or an assertion of SAML is something else. */
const SENT_AS_ACCESS_TOKENS: ReadonlySet<unknown> = new Set([ACCESS_TOKEN, 'urn:ietf:params:oauth:token-type:jwt'])
/** Servers take heads of 8 to 16 KiB, and would answer a longer one with 431. */
const MOST_TOKEN_BYTES = 16 * 1024

export function tokenExchangeClient(options: TokenExchangeClientOptions): TokenExchangeClient {
  const { issuer, client, clock, scheduler, timeoutMs } = options
  const metadata = keptMetadata({ ...options, read: document => endpointIn(document, options) })
  const requestFor = providerRequests(options)

  async function send(subjectToken: string, signal: AbortSignal): Promise<IssuedToken> {
    const [endpoint, library] = await Promise.all([options.endpoint ?? metadata.find(signal), oauthLibrary()])
    const server = { issuer, token_endpoint: endpoint }
    const self = { client_id: client.id }
    const { authenticate, fetch } = requestFor({ status: 200, body: 'json', signal })
    const response = await library.genericTokenEndpointRequest(
      ...([server, self, authenticate, GRANT_TYPE, parametersOf(options, subjectToken)] as const),
      // The address has been judged already.
      { [library.customFetch]: fetch, [library.allowInsecureRequests]: true },
    )
    const answer = await library.processGenericTokenEndpointResponse(server, self, response)
    const { accessToken: text, expiresInSeconds } = tokenAnswer(library, answer)
    if (!SENT_AS_ACCESS_TOKENS.has(answer.issued_token_type))
      throw wrong('its `issued_token_type` is neither that of an access token nor that of a JWT')
    if (text.length > MOST_TOKEN_BYTES)
      throw new OAuthFailure('refused', `the token that was issued has ${text.length} bytes, more than services take`)
    if (!isToken68(text)) throw wrong('its token holds characters that no Bearer token has')
    const ends = [expiresInSeconds, secondsLeft(text, clock.nowMs())].filter(seconds => seconds !== undefined)
    return { text, expiresInSeconds: ends.length === 0 ? undefined : Math.min(...ends) }
  }

  return {
    get endpoint() {
      const known = options.endpoint ?? metadata.known
      return known === undefined ? undefined : place(known)
    },
    async exchange(subjectToken, ended) {
      const timeUp = new OAuthFailure('unavailable', `the server ${issuer} did not answer within ${timeoutMs} ms`)
      const limit = deadline(scheduler, timeoutMs, timeUp)
      try {
        return await limit.run(late => send(subjectToken, AbortSignal.any([late, ended])))
      } catch (error) {
        throw failureOf(ended.aborted ? ended.reason : error)
      }
    },
    close: metadata.close,
  }
}

function parametersOf(
  { audiences, scopes }: Pick<TokenExchangeClientOptions, 'audiences' | 'scopes'>,
  subjectToken: string,
): URLSearchParams {
  const parameters = new URLSearchParams({ subject_token: subjectToken, subject_token_type: ACCESS_TOKEN })
  parameters.set('requested_token_type', ACCESS_TOKEN)
  for (const audience of audiences) parameters.append('audience', audience)
  if (scopes.length > 0) parameters.set('scope', scopes.join(' '))
  return parameters
}

function endpointIn(
  metadata: Metadata,
  { issuer, hosts, allowInsecureHttp, client }: TokenExchangeClientOptions,
): string {
  const elsewhere = 'is not on the issuer’s host; if it is right, give `endpoint`'
  const shownBy = client.auth === 'tls' ? 'certificate' : 'other'
  const rules = { issuer, hosts, allowInsecureHttp, elsewhere, client: shownBy } as const
  const address = addressIn(metadata, 'token_endpoint', rules)
  if (address !== undefined) return address
  throw new FetchFailure('invalid', 'the discovery document has no token_endpoint; give `endpoint`')
}

function wrong(what: string): OAuthFailure {
  return new OAuthFailure('invalid', `the provider did not answer well: ${what}`)
}

/** Reads `exp` of what looks like a JWT. It says when the token has to be replaced, and proves nothing. */
function secondsLeft(token: string, nowMs: number): number | undefined {
  const [, payload, signature, ...further] = token.split('.')
  if (payload === undefined || signature === undefined || further.length > 0) return undefined
  try {
    const { exp } = Object(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))) as { readonly exp?: unknown }
    return typeof exp === 'number' && Number.isFinite(exp) ? exp - nowMs / 1_000 : undefined
  } catch {
    return undefined
  }
}
