/**
 * Starts oidc-provider as the place where users of browser sessions sign in, and lets a test decide how it behaves.
 *
 * OpenID Connect Core (code flow, `sid`, `max_age`, `acr_values`), RFC 6749 §6 (refresh tokens, with rotation),
 * RFC 7009 (revocation), RFC 8707 and RFC 9068 (JWT access tokens for a resource), RFC 9126 (PAR), RFC 9207 (`iss`),
 * OpenID Connect RP-Initiated Logout and Back-Channel Logout. It needs nothing of vitest.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Check, type Prompts } from 'oidc-provider/lib/helpers/interaction_policy/index.js'
import { Provider } from 'oidc-provider/lib/provider.js'
import { closeServer, listen } from '../../../src/demo/loopback.ts'
import { ACR_VALUES, acrPolicy, howAndWhen } from './bound-issuer.ts'
import { createProviderState, type ProviderState } from './login-provider-state.ts'

/** Access tokens are for this resource unless a client names another. Nothing is ever sent there. */
export const LOGIN_RESOURCE = 'https://orders.example.com'

/** Whoever signs in is granted what the client asks for of these. */
export const LOGIN_SCOPES = ['orders:read', 'orders:write', 'reports:read'] as const

export interface LoginProviderOptions {
  /** The name in the issuer's URL. To a browser, the two are different sites. Default: `127.0.0.1`. */
  readonly host?: '127.0.0.1' | 'localhost'
  /** How the client proves who it is. Default: `basic`. */
  readonly clientAuth?: 'basic' | 'private_key_jwt'
  /** Whether authorization requests can be, or must be, pushed (RFC 9126). Default: `off`. */
  readonly par?: 'off' | 'offered' | 'required'
}

/** How the provider behaves; all of it can be changed while it runs, and counts from the next request on. */
export interface LoginSettings {
  /**
   * `automatic` signs in at once and shows no page; `form` shows one with a field `login` and a button; `refuse` sends
   * the browser back with `access_denied`. Default: `automatic`.
   */
  readonly signIn: 'automatic' | 'form' | 'refuse'
  /** Who is signed in when the client sends no `login_hint`. Default: `alice`. */
  readonly login: string
  /** Default: 300. */
  readonly accessTokenSeconds: number
  /**
   * `rotated` and `kept` are given whether or not the client asks for `offline_access`; a rotated one that is used
   * again ends its grant. `offline` is rotated, too, but given only to who asks for `offline_access` with
   * `prompt=consent`, as OpenID Connect Core §11 has it. Default: `rotated`.
   */
  readonly refreshTokens: 'rotated' | 'kept' | 'offline' | 'none'
  /** The access tokens of a user have these claims besides. Default: none. */
  readonly claims: (login: string) => Readonly<Record<string, unknown>>
  /** Access tokens carry a claim `padding` of so many characters. Default: 0. */
  readonly paddingBytes: number
  /** `opaque` ones are for the introspection endpoint. Default: `jwt`. */
  readonly accessTokens: 'jwt' | 'opaque'
  /** Access tokens have the `sid` of the session, too, as Keycloak's have. Default: only ID tokens have. */
  readonly sid: 'everywhere' | 'ID tokens'
}

/** What goes wrong at the provider. */
export type ProviderFault =
  | { readonly kind: 'slow'; readonly ms: number }
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      /** Default: a line of text. */
      readonly body?: string
    }
  /** The connection is cut before the provider has seen the request. */
  | { readonly kind: 'cut' }
  /** The provider redeems the grant, and the connection is cut before the answer. */
  | { readonly kind: 'answer lost' }
  /** The request waits until {@link LoginProvider.heal}. The provider never sees it when its client has gone. */
  | { readonly kind: 'held' }
  /** The provider redeems the grant, and the answer waits until {@link LoginProvider.heal}. */
  | { readonly kind: 'answer held' }
  /** The provider redeems the grant, and these members of its answer are others. */
  | { readonly kind: 'answer changed'; readonly members: Readonly<Record<string, unknown>> }

/** Where it goes wrong: with one grant at the token endpoint, or with all requests to one path. */
export type FaultPlace = 'authorization_code' | 'refresh_token' | `/${string}`

/** What the provider was asked for, in the order of arrival. */
export interface ProviderRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** At the token endpoint. */
  readonly grantType: string | undefined
  /** Zero until it is answered, and for good when the connection was cut. */
  readonly status: number
}

export interface GivenTokens {
  readonly accessToken: string
  readonly idToken: string | undefined
  readonly refreshToken: string | undefined
}

/** A logout token that was sent. */
export interface SentLogout {
  readonly login: string
  readonly sid: string
  readonly result: 'taken' | Error
}

/** Where a relying party is, that is to say a gateway. */
export interface RelyingParty {
  /** `publicUrl` of the gateway. */
  readonly url: string
  /** Default: `/auth`. */
  readonly paths?: string
  /** The browser may be sent there after a logout. Default: `/`. */
  readonly afterLogout?: string | undefined
}

export interface LoginProvider {
  readonly issuer: string
  readonly clientId: string
  /** The block `client` of a gateway's configuration. */
  readonly client: Readonly<Record<string, unknown>>
  /** A provider of type `jwt` that judges the access tokens. */
  readonly tokenProvider: Readonly<Record<string, unknown>>
  /** A provider of type `session` without what only the test knows: `principal`, `publicUrl` and `keyFiles`. */
  readonly sessionProvider: Readonly<Record<string, unknown>>
  /**
   * Says which relying parties there are, in place of those of before. The client is one and the same for all of them;
   * logout tokens go to the first.
   */
  trust(first: RelyingParty, ...others: readonly RelyingParty[]): void
  set(settings: Partial<LoginSettings>): void
  /** @param place default: the token endpoint, whatever the grant */
  fail(fault: ProviderFault, place?: FaultPlace): void
  /** Ends the fault, and lets go on what is held. */
  heal(): void
  /** Resolves when so many requests, or answers to them, are held at the same time. */
  held(count: number): Promise<void>
  readonly asked: readonly ProviderRequest[]
  /** Counts what was asked with all of these members. */
  count(members: Partial<ProviderRequest>): number
  /** What the token endpoint has given, in order. */
  readonly given: readonly GivenTokens[]
  /** Redeems a refresh token as its client does, and tells the `error` of the answer, if it is one. */
  redeem(refreshToken: string): Promise<string | undefined>
  /** Logs a user out everywhere: ends their sessions and grants, and sends the logout tokens. */
  logOut(login: string): Promise<void>
  /** Sends one logout token without ending anything here. */
  sendLogout(login: string, sid: string): Promise<void>
  /** The user's refresh tokens are worth nothing from now on: `invalid_grant`. */
  revokeGrants(login: string): void
  readonly logouts: readonly SentLogout[]
  /** Failures inside oidc-provider, which clients see as `server_error` only. */
  readonly errors: readonly Error[]
  close(): Promise<void>
}

const CLIENT_ID = 'shop'
const TOKEN_PATH = '/token'

export async function startLoginProvider({
  host = '127.0.0.1',
  clientAuth = 'basic',
  par = 'off',
}: LoginProviderOptions = {}): Promise<LoginProvider> {
  const state = createProviderState()
  const errors: Error[] = []
  const asked: Array<{ -readonly [Member in keyof ProviderRequest]: ProviderRequest[Member] }> = []
  const logouts: SentLogout[] = []
  const given: GivenTokens[] = []
  let settings: LoginSettings = {
    signIn: 'automatic',
    login: 'alice',
    accessTokenSeconds: 300,
    refreshTokens: 'rotated',
    claims: () => ({}),
    paddingBytes: 0,
    accessTokens: 'jwt',
    sid: 'ID tokens',
  }
  const faults = createFaults()
  // The port is part of the issuer's name, so the server listens before the provider is made.
  let handle = async (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.writeHead(503).end()
  }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: Error) => {
      // Whoever cuts the connection while the request is read is no failure of the provider.
      if (!request.socket.destroyed) errors.push(error)
      response.destroy()
    })
  })
  const issuer = `http://${host}:${new URL(`http://${await listen(server, 0)}`).port}`
  const provider = new Provider(issuer, { ...configuration(state, par, () => settings) })
  provider.silent = true
  provider.on('server_error', (_context, error) => errors.push(error))
  const oidc = provider.callback()
  handle = async (request, response) => {
    const path = (request.url ?? '').split('?', 1).join('')
    const grant = request.method === 'POST' && path === TOKEN_PATH ? await grantOf(request) : undefined
    const entry = { method: request.method ?? '', path, grantType: grant?.type, status: 0 }
    asked.push(entry)
    response.once('finish', () => {
      entry.status = response.statusCode
    })
    if (path.startsWith('/interaction/')) await signIn(provider, settings, request, response)
    else {
      if (grant !== undefined) noteTokens(response, given)
      await faults.meet({ path, grant: grant?.type }, response, () => oidc(grant?.request ?? request, response))
    }
  }

  const credentials = makeCredentials(clientAuth)
  const { Client } = provider as unknown as Models
  const sendLogout = async (login: string, sid: string): Promise<void> => {
    try {
      await (await Client.find(CLIENT_ID)).backchannelLogout(login, sid)
      logouts.push({ login, sid, result: 'taken' })
    } catch (error) {
      logouts.push({ login, sid, result: error instanceof Error ? error : new Error(String(error)) })
    }
  }
  // At the end of a session that a browser has ended, oidc-provider sends the logout tokens by itself.
  const emitter = provider as unknown as EventEmitter
  emitter.on('backchannel.success', (_context, _client, login, sid) => logouts.push({ login, sid, result: 'taken' }))
  emitter.on('backchannel.error', (_context, result, _client, login, sid) => logouts.push({ login, sid, result }))
  return {
    issuer,
    clientId: CLIENT_ID,
    client: credentials.block,
    tokenProvider: { type: 'jwt', issuer, audiences: [LOGIN_RESOURCE], keys: { jwksUri: `${issuer}/jwks` } },
    sessionProvider: {
      type: 'session',
      issuer,
      client: credentials.block,
      scopes: ['openid', 'offline_access', 'orders:read'],
      resource: LOGIN_RESOURCE,
    },
    trust(first, ...others) {
      const parties = [first, ...others]
      const under = ({ url, paths = '/auth' }: RelyingParty, name: string) => `${url}${paths}/${name}`
      state.setClient({
        client_id: CLIENT_ID,
        ...credentials.metadata,
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: parties.map(each => under(each, 'callback')),
        post_logout_redirect_uris: parties.map(({ url, afterLogout = '/' }) => `${url}${afterLogout}`),
        backchannel_logout_uri: under(first, 'backchannel-logout'),
        backchannel_logout_session_required: true,
      })
    },
    set(changed) {
      settings = { ...settings, ...changed }
    },
    fail: faults.begin,
    heal: faults.end,
    held: faults.held,
    asked,
    count(members) {
      const wanted = Object.entries(members) as ReadonlyArray<[keyof ProviderRequest, unknown]>
      return asked.filter(each => wanted.every(([name, value]) => each[name] === value)).length
    },
    given,
    async redeem(refreshToken) {
      if (credentials.metadata.client_secret === undefined) throw new Error('only a client with a secret is played')
      const response = await fetch(`${issuer}${TOKEN_PATH}`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${CLIENT_ID}:${credentials.metadata.client_secret}`)}` },
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }),
      })
      return ((await response.json()) as { readonly error?: string }).error
    },
    async logOut(login) {
      const sids = state.sids(login, CLIENT_ID)
      state.forget(login, ['Session', 'Grant', 'RefreshToken'])
      await Promise.all(sids.map(sid => sendLogout(login, sid)))
    },
    sendLogout,
    revokeGrants: login => state.forget(login, ['Grant', 'RefreshToken']),
    logouts,
    errors,
    async close() {
      faults.end()
      await closeServer(server)
      credentials.remove()
    },
  }
}

/** Notes the tokens in the answer that this becomes. */
function noteTokens(response: ServerResponse, given: GivenTokens[]): void {
  const end = response.end.bind(response) as (...args: readonly unknown[]) => ServerResponse
  response.end = (...args: readonly unknown[]) => {
    if (response.statusCode === 200 && String(args[0]).startsWith('{')) {
      const answer = JSON.parse(String(args[0])) as Readonly<Record<string, string | undefined>>
      const { access_token: accessToken, id_token: idToken, refresh_token: refreshToken } = answer
      if (accessToken !== undefined) given.push({ accessToken, idToken, refreshToken })
    }
    return end(...args)
  }
}

/** What of oidc-provider sends a logout token. */
interface Models {
  readonly Client: { find(id: string): Promise<{ backchannelLogout(sub: string, sid: string): Promise<unknown> }> }
}

/** What oidc-provider gives its callbacks, as far as it is looked at here. */
interface TokenSource {
  readonly accountId?: string
  readonly sid?: string
  readonly scopes: ReadonlySet<string>
}
interface ClientName {
  readonly clientId: string
}
interface PageContext {
  type: string
  body: string
}

function configuration(
  state: ProviderState,
  par: 'off' | 'offered' | 'required',
  settings: () => LoginSettings,
): Readonly<Record<string, unknown>> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    adapter: state.adapter,
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'login-ES256' }] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'], clientAuthSigningAlgValues: ['ES256'] },
    clientAuthMethods: ['client_secret_basic', 'private_key_jwt'],
    scopes: ['openid', 'offline_access', ...LOGIN_SCOPES],
    acrValues: ACR_VALUES,
    pkce: { required: () => true },
    rotateRefreshToken: () => settings().refreshTokens !== 'kept',
    issueRefreshToken: (_context: unknown, _client: unknown, { scopes }: TokenSource) =>
      settings().refreshTokens === 'offline' ? scopes.has('offline_access') : settings().refreshTokens !== 'none',
    clientBasedCORS: () => false,
    findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    extraTokenClaims: (context: Parameters<typeof howAndWhen>[0], { accountId = '', sid }: TokenSource) => ({
      ...howAndWhen(context),
      ...settings().claims(accountId),
      ...(settings().sid === 'everywhere' ? { sid } : {}),
      ...(settings().paddingBytes > 0 ? { padding: 'p'.repeat(settings().paddingBytes) } : {}),
    }),
    interactions: {
      policy: loginPolicy(),
      url: (_context: unknown, { uid }: { readonly uid: string }) => `/interaction/${uid}`,
    },
    // It would not send anything to loopback otherwise.
    fetch: (url: string, { method, headers, body }: RequestInit) =>
      fetch(url, { method, headers, body } as RequestInit),
    renderError: (context: PageContext, answer: unknown) => {
      context.type = 'application/json'
      context.body = JSON.stringify(answer)
    },
    ttl: {
      AccessToken: () => settings().accessTokenSeconds,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 3_600,
      Interaction: 3_600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      backchannelLogout: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: (_context: unknown, client: ClientName, token: ClientName) => token.clientId === client.clientId,
      },
      revocation: {
        enabled: true,
        allowedPolicy: (_context: unknown, client: ClientName, token: ClientName) => token.clientId === client.clientId,
      },
      pushedAuthorizationRequests: {
        enabled: par !== 'off',
        requirePushedAuthorizationRequests: par === 'required',
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (context: PageContext, form: string) => {
          const confirmed = form.replace('</form>', '<input type="hidden" name="logout" value="yes"/></form>')
          context.body = `<!DOCTYPE html>\n${confirmed}<script>document.forms[0].submit()</script>\n`
        },
        postLogoutSuccessSource: (context: PageContext) => {
          context.body = '<!DOCTYPE html>\n<title>Signed out</title>\n'
        },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => LOGIN_RESOURCE,
        // Without it, a code flow that asks for `openid` gets an opaque token for the userinfo endpoint.
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: LOGIN_SCOPES.join(' '),
          audience: resource,
          accessTokenFormat: settings().accessTokens,
          accessTokenTTL: settings().accessTokenSeconds,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }
}

/** oidc-provider takes `login_hint` for a wish: without this check, it would answer by the login of the session. */
function loginPolicy(): Prompts {
  const prompts = acrPolicy()
  prompts.get('login').checks.add(
    new Check('login_hint', 'the session is of somebody else', ({ oidc: { params, session, result } }) => {
      if (params.login_hint === undefined || result?.login !== undefined) return false
      return session?.accountId !== undefined && session.accountId !== params.login_hint
    }),
  )
  return prompts
}

/** A login that is under way. */
interface Interaction {
  readonly params: {
    readonly client_id: string
    readonly scope?: string
    readonly resource?: string | readonly string[]
    readonly acr_values?: string
    readonly login_hint?: string
  }
  readonly prompt: { readonly name: string }
  readonly session?: { readonly accountId?: string }
}

async function signIn(
  provider: Provider,
  settings: LoginSettings,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const details = await provider.interactionDetails(request, response).catch(() => undefined)
  if (details === undefined) {
    response.writeHead(400).end('This sign-in has expired: start again at the application.\n')
    return
  }
  const { params, prompt, session } = details as unknown as Interaction
  // Whoever is asked for consent alone has signed in already.
  const known = prompt.name === 'consent' ? session?.accountId : undefined
  const suggested = params.login_hint ?? known ?? settings.login
  if (settings.signIn === 'form' && request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page(suggested))
    return
  }
  if (settings.signIn === 'refuse') {
    const refusal = { error: 'access_denied', error_description: 'the user said no' }
    await provider.interactionFinished(request, response, refusal as never)
    return
  }
  const accountId = (request.method === 'POST' && new URLSearchParams(await text(request)).get('login')) || suggested
  const wanted = params.acr_values?.split(' ') ?? []
  const acr = wanted.find(value => ACR_VALUES.some(each => each === value)) ?? 'low'
  const grant = new provider.Grant({ accountId, clientId: params.client_id })
  grant.addOIDCScope(params.scope ?? '')
  for (const each of [params.resource ?? LOGIN_RESOURCE].flat()) grant.addResourceScope(each, LOGIN_SCOPES.join(' '))
  const login = { accountId, acr }
  await provider.interactionFinished(request, response, { login, consent: { grantId: await grant.save() } })
}

function page(login: string): string {
  const value = login.replace(/[&"<]/g, found => `&#${found.charCodeAt(0)};`)
  return `<!DOCTYPE html>
<html lang="en">
<link rel="icon" href="data:,">
<title>Sign in</title>
<form method="post"><input name="login" value="${value}"><button>Sign in</button></form>
`
}

interface TokenRequest {
  readonly type: string
  /** What oidc-provider can still read. */
  readonly request: IncomingMessage
}

/** Reads which grant a token request is about, and makes a request of the same bytes. */
async function grantOf(request: IncomingMessage): Promise<TokenRequest> {
  const body = await buffer(request)
  const again = new IncomingMessage(request.socket)
  const { method, url, headers, httpVersion } = request
  // An incomplete request would take its connection with it when it has been read.
  Object.assign(again, { method, url, headers, httpVersion, complete: true })
  again.push(body)
  again.push(null)
  return { type: new URLSearchParams(body.toString()).get('grant_type') ?? '', request: again }
}

interface Faults {
  begin(fault: ProviderFault, place?: FaultPlace): void
  end(): void
  held(count: number): Promise<void>
  /** @param respond lets the provider answer */
  meet(request: FaultyRequest, response: ServerResponse, respond: () => Promise<void>): Promise<void>
}

interface FaultyRequest {
  readonly path: string
  readonly grant: string | undefined
}

function createFaults(): Faults {
  let current: { readonly fault: ProviderFault; readonly place: FaultPlace } | undefined
  const waiting = new Set<() => void>()
  const arrivals = new EventEmitter().setMaxListeners(0)
  const hold = (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.add(resolve)
    arrivals.emit('held')
    return promise
  }
  return {
    begin(fault, place = TOKEN_PATH) {
      current = { fault, place }
    },
    end() {
      current = undefined
      for (const goOn of waiting) goOn()
      waiting.clear()
    },
    async held(count) {
      while (waiting.size < count) await once(arrivals, 'held')
    },
    async meet({ path, grant }, response, respond) {
      const fault = current?.place === path || current?.place === grant ? current?.fault : undefined
      switch (fault?.kind) {
        case 'slow':
          await sleep(fault.ms)
          return respond()
        case 'status': {
          const { status, headers, body = 'out of order\n' } = fault
          response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(body)
          return
        }
        case 'cut':
          response.destroy()
          return
        case 'answer lost':
          response.write = () => true
          response.end = () => response.destroy()
          return respond()
        case 'held':
          await hold()
          return response.destroyed ? undefined : respond()
        case 'answer held': {
          const end = response.end.bind(response) as (...args: readonly unknown[]) => ServerResponse
          response.end = (...args: readonly unknown[]) => {
            void hold().then(() => end(...args))
            return response
          }
          return respond()
        }
        case 'answer changed': {
          const end = response.end.bind(response)
          response.end = (body: unknown) => {
            const changed = JSON.stringify({ ...JSON.parse(String(body)), ...fault.members })
            response.setHeader('content-length', Buffer.byteLength(changed))
            return end(changed)
          }
          return respond()
        }
        default:
          return respond()
      }
    },
  }
}

interface Credentials {
  /** For the gateway's configuration. */
  readonly block: Readonly<Record<string, unknown>>
  /** For the provider. */
  readonly metadata: Readonly<Record<string, unknown>>
  remove(): void
}

function makeCredentials(auth: 'basic' | 'private_key_jwt'): Credentials {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-login-provider-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const file = (name: string, content: string): string => {
    const path = join(folder, name)
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  if (auth === 'basic') {
    const secret = randomBytes(24).toString('base64url')
    return {
      block: { id: CLIENT_ID, auth, secretFile: file('secret', `${secret}\n`) },
      metadata: { client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' },
      remove,
    }
  }
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const named = { kid: 'shop-ES256', alg: 'ES256' }
  return {
    block: {
      id: CLIENT_ID,
      auth,
      keyFile: file('key.jwk', JSON.stringify({ ...privateKey.export({ format: 'jwk' }), ...named })),
    },
    metadata: {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), ...named, use: 'sig' }] },
    },
    remove,
  }
}
