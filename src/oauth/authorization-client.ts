/**
 * Logs browsers in at a provider, and renews and revokes what it gave: the gateway as an OAuth and OpenID client.
 *
 * OpenID Connect Core 1.0 §3.1 (code flow) and §12 (refresh), RFC 7636 (PKCE, S256), RFC 9126 (PAR, where offered),
 * RFC 9207 (`iss`), RFC 8707 (`resource`), RFC 9470 §4 (`acr_values`, `max_age`), RFC 7009 (revocation), RP-Initiated
 * Logout 1.0 §2. oauth4webapi judges answers; the signature of an ID token is for the caller to verify. Addresses come
 * from the metadata, which are looked for when first needed. Each call has one deadline, discovery included, and
 * nothing is sent twice.
 */
import type { Client } from 'oauth4webapi'
import { type Clock, systemClock } from '../lib/clock.ts'
import { deadline } from '../lib/deadline.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { AskedOfLogin, Claims } from '../types.ts'
import type { ClientCredentials } from './client-authentication.ts'
import { keptMetadata } from './kept-metadata.ts'
import { type OAuthLibrary, oauthLibrary } from './library.ts'
import { type LoginProvider, loginAddresses } from './login-addresses.ts'
import { failureOf, OAuthFailure, refusal } from './oauth-failure.ts'
import { type ProviderRequestsOptions, providerRequests } from './provider-request.ts'
import { requireSameLogin, type TokenAnswer, tokenAnswer } from './token-answer.ts'

export interface AuthorizationClientOptions extends ProviderRequestsOptions {
  /** A bearer token is no way to prove who one is at a token endpoint. */
  readonly client: Exclude<ClientCredentials, { readonly auth: 'bearer' }>
  readonly scopes: readonly string[]
  readonly resource?: string | undefined
  /** Further parameters of the authorization request. Those that we send ourselves win. */
  readonly parameters: Readonly<Record<string, string>>
  readonly redirectUri: string
  readonly clock: Clock
  readonly clockToleranceSeconds: number
  readonly scheduler: Scheduler
  /** Further hosts whose addresses in the metadata are used. */
  readonly hosts: readonly string[]
  readonly allowInsecureHttp: boolean
  /** The longest time of one call. */
  readonly timeoutMs: number
}

/** What belongs to one login, and only to that one. */
interface LoginSecrets {
  readonly state: string
  readonly nonce: string
  /** RFC 7636 §4.1 */
  readonly verifier: string
  /** What the login is asked for besides (RFC 9470 §4). */
  readonly asked?: AskedOfLogin | undefined
}

/** What rejects does so with an {@link OAuthFailure}; `revoke` also with the reason of its signal. */
export interface AuthorizationClient {
  /** Resolves when the metadata are known, or that was tried. */
  ready(): Promise<void>
  /** Whether the metadata are known, and why the last search for them failed, in our words. */
  readonly discovery: { readonly isDone: boolean; readonly lastError: string | undefined }
  /** The URL that the browser is sent to. */
  authorizationUrl(login: LoginSecrets): Promise<string>
  /** Judges the query by which the browser comes back, and redeems the code in it. */
  redeem(login: LoginSecrets & { readonly parameters: URLSearchParams }): Promise<TokenAnswer>
  /** @param idClaims those of the login: an ID token that comes with the refresh must be about the same */
  refresh(refreshToken: string, options?: { readonly idClaims?: Claims | undefined }): Promise<TokenAnswer>
  /** Does nothing where the provider has no endpoint for it. */
  revoke(refreshToken: string, signal?: AbortSignal): Promise<void>
  /** Undefined: the provider has no endpoint for it, or its metadata are not known yet. */
  endSessionUrl(end: { readonly idToken: string; readonly returnTo: string }): string | undefined
  /** Ends a search for metadata that is under way beside requests. */
  close(): void
}

/** The most PAR requests under way: anybody on the Internet may cause them. */
const MOST_PUSHED = 32
/** A longer one may not fit the URL. */
const LONGEST_HINT_BYTES = 4_096

export function authorizationClient(options: AuthorizationClientOptions): AuthorizationClient {
  const { issuer, client, clock, scheduler, timeoutMs, resource, redirectUri } = options
  const metadata = keptMetadata({
    ...options,
    read: document => loginAddresses(document, { ...options, client: client.auth === 'tls' ? 'certificate' : 'other' }),
  })
  const requestFor = providerRequests(options)
  const resourceParameter = resource === undefined ? {} : { resource }
  let pushed = 0
  let lastError: string | undefined

  /** Runs a call within the time it may take. */
  async function within<T>(call: (context: Context) => Promise<T>, ended?: AbortSignal): Promise<T> {
    const timeUp = new OAuthFailure('unavailable', `the provider ${issuer} did not answer within ${timeoutMs} ms`)
    try {
      return await deadline(scheduler, timeoutMs, timeUp).run(async late => {
        const signal = ended === undefined ? late : AbortSignal.any([late, ended])
        const [provider, library] = await Promise.all([discovered(signal), oauthLibrary()])
        return await call({ provider, library, self: judgedBy(library), signal })
      })
    } catch (error) {
      if (ended?.aborted) throw ended.reason
      throw failureOf(error)
    }
  }

  /** Metadata that are wrong are no answer to what was asked. */
  async function discovered(signal: AbortSignal): Promise<LoginProvider> {
    try {
      const found = await metadata.find(signal)
      lastError = undefined
      return found
    } catch (error) {
      const { message, cause } = failureOf(signal.aborted ? signal.reason : error)
      lastError = message
      if (signal.aborted) throw error
      throw new OAuthFailure('unavailable', `the provider cannot be discovered: ${message}`, { cause })
    }
  }

  /** The library reads the system's clock, so it is told by how much ours differs. */
  function judgedBy({ clockSkew, clockTolerance }: OAuthLibrary): Client {
    return {
      client_id: client.id,
      [clockSkew]: Math.round((clock.nowMs() - systemClock.nowMs()) / 1_000),
      [clockTolerance]: options.clockToleranceSeconds,
    }
  }

  /** @param status of a good answer */
  function sending({ library, signal }: Context, status: 200 | 201, body: 'json' | 'nothing') {
    const { authenticate, fetch } = requestFor({ status, body, signal })
    // The addresses have been judged already.
    return { authenticate, send: { [library.customFetch]: fetch, [library.allowInsecureRequests]: true } } as const
  }

  async function push(parameters: URLSearchParams, context: Context): Promise<URLSearchParams> {
    if (pushed >= MOST_PUSHED)
      throw new OAuthFailure('unavailable', `${MOST_PUSHED} logins wait for the provider`, { retryAfterSeconds: 1 })
    pushed += 1
    try {
      const { provider, library, self } = context
      const { authenticate, send } = sending(context, 201, 'json')
      const response = await library.pushedAuthorizationRequest(provider, self, authenticate, parameters, send)
      const answer = await library.processPushedAuthorizationResponse(provider, self, response)
      return new URLSearchParams({ client_id: client.id, request_uri: answer.request_uri })
    } finally {
      pushed -= 1
    }
  }

  return {
    async ready() {
      await within(async () => {}).catch(() => {})
    },
    get discovery() {
      return { isDone: metadata.known !== undefined, lastError }
    },
    authorizationUrl: login =>
      within(async context => {
        const { provider, library } = context
        const challenge = await library.calculatePKCECodeChallenge(login.verifier)
        const wanted = authorizationParameters(options, login, challenge)
        const isPushed = provider.pushed_authorization_request_endpoint !== undefined
        return withQuery(provider.authorization_endpoint, isPushed ? await push(wanted, context) : wanted)
      }),
    redeem: login =>
      within(async context => {
        const { provider, library, self } = context
        const callback = judgedCallback(login, context)
        const { authenticate, send } = sending(context, 200, 'json')
        const response = await library.authorizationCodeGrantRequest(
          ...([provider, self, authenticate, callback, redirectUri, login.verifier] as const),
          { ...send, additionalParameters: resourceParameter },
        )
        const maxAge = maxAgeOf(options, login.asked)
        const answer = await library.processAuthorizationCodeResponse(provider, self, response, {
          expectedNonce: login.nonce,
          requireIdToken: true,
          ...(maxAge === undefined ? {} : { maxAge }),
        })
        return tokenAnswer(library, answer)
      }),
    refresh: (refreshToken, { idClaims } = {}) =>
      within(async context => {
        const { provider, library, self } = context
        const { authenticate, send } = sending(context, 200, 'json')
        const response = await library.refreshTokenGrantRequest(provider, self, authenticate, refreshToken, {
          ...send,
          additionalParameters: resourceParameter,
        })
        const answer = tokenAnswer(library, await library.processRefreshTokenResponse(provider, self, response))
        requireSameLogin(answer, idClaims)
        return answer
      }),
    revoke: (refreshToken, signal) =>
      within(async context => {
        const { provider, library, self } = context
        if (provider.revocation_endpoint === undefined) return
        const { authenticate, send } = sending(context, 200, 'nothing')
        await library.revocationRequest(provider, self, authenticate, refreshToken, {
          ...send,
          additionalParameters: { token_type_hint: 'refresh_token' },
        })
      }, signal),
    endSessionUrl({ idToken, returnTo }) {
      const address = metadata.known?.end_session_endpoint
      if (address === undefined) return undefined
      const who: Readonly<Record<string, string>> =
        Buffer.byteLength(idToken) > LONGEST_HINT_BYTES ? { client_id: client.id } : { id_token_hint: idToken }
      return withQuery(address, new URLSearchParams({ ...who, post_logout_redirect_uri: returnTo }))
    },
    close: metadata.close,
  }
}

/** What one call works with. */
interface Context {
  readonly provider: LoginProvider
  readonly library: OAuthLibrary
  readonly self: Client
  readonly signal: AbortSignal
}

function authorizationParameters(
  { client, scopes, resource, parameters, redirectUri }: AuthorizationClientOptions,
  { state, nonce, asked }: LoginSecrets,
  challenge: string,
): URLSearchParams {
  return new URLSearchParams({
    ...parameters,
    ...(resource === undefined ? {} : { resource }),
    ...(asked?.acrValues === undefined ? {} : { acr_values: asked.acrValues }),
    ...(asked?.maxAgeSeconds === undefined ? {} : { max_age: String(asked.maxAgeSeconds) }),
    client_id: client.id,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: scopes.join(' '),
    state,
    nonce,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  })
}

/** The provider has to keep to an age that the configuration asks for, too. */
function maxAgeOf({ parameters }: AuthorizationClientOptions, asked: AskedOfLogin | undefined): number | undefined {
  if (asked?.maxAgeSeconds !== undefined) return asked.maxAgeSeconds
  return /^\d{1,9}$/.test(parameters.max_age ?? '') ? Number(parameters.max_age) : undefined
}

type Login = LoginSecrets & { readonly parameters: URLSearchParams }

function judgedCallback({ parameters, state }: Login, { provider, library, self }: Context): URLSearchParams {
  try {
    return library.validateAuthResponse(provider, self, parameters, state)
  } catch (error) {
    if (error instanceof library.AuthorizationResponseError) throw refusal(error.error, 'the provider')
    throw error
  }
}

/** An endpoint may have a query of its own, which has to stay (RFC 6749 §3.1). */
function withQuery(address: string, parameters: URLSearchParams): string {
  const url = new URL(address)
  for (const [name, value] of parameters) url.searchParams.set(name, value)
  return url.href
}
