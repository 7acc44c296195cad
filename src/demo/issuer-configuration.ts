/**
 * Makes the configuration of oidc-provider with what the embedded issuer knows: clients, audience, scopes and callers.
 *
 * At run time oidc-provider reports every default that is unfit for production. All of these are set here, so it has
 * nothing to report.
 */
import { randomBytes } from 'node:crypto'
import type { JWK } from 'jose'
import { hashSource } from './pages.ts'

/** This is the demo API's name in `aud`, unless a client asks for another `resource`. Nothing is ever sent there. */
export const DEMO_AUDIENCE = 'https://orders.example.com'

/** The issuer grants these scopes for every audience. */
export const DEMO_SCOPES = ['orders:read', 'orders:write', 'reports:read'] as const

const SIGNING_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number]

/** The access tokens of each of these machine clients are signed with the algorithm it is listed by. */
export const MACHINE_CLIENTS: Readonly<Record<SigningAlgorithm, string>> = Object.freeze({
  RS256: 'demo-service',
  ES256: 'demo-service-es256',
  EdDSA: 'demo-service-eddsa',
})

/** This is the public client of the code flow. Its redirect URI may have any port (RFC 8252 §7.3). */
const APP_CLIENT = { id: 'demo-app', redirectUri: 'http://127.0.0.1/callback' } as const

/** This is the gateway, which signs people in by the code flow. It has the same secret as the machine clients. */
const BROWSER_CLIENT = 'demo-browser'

/** Tokens of sessions live so short that whoever tries the demo sees one renewed. */
const BROWSER_TOKEN_SECONDS = 30
const TOKEN_SECONDS = 3_600

/** oidc-provider gives its callbacks a client with these members, among others. */
interface OidcClient {
  readonly clientId: string
  readonly idTokenSignedResponseAlg: SigningAlgorithm
  grantTypeAllowed(type: string): boolean
}

/** oidc-provider gives its pages a context with these members, among others. */
interface PageContext {
  type: string
  body: string
  set(name: string, value: string): void
}

/** A client for which people sign in, with the tokens that its owner expects. */
export interface LoginClient {
  readonly clientId: string
  readonly redirectUri: string
  readonly afterLogout: string
  readonly scopes: readonly string[]
  readonly algorithm: SigningAlgorithm
  readonly tokenSeconds: number
  /** Ways of logging in that may be asked for. */
  readonly acrs: readonly string[]
  /** All claims of an access token but its times. */
  accessClaims(accountId: string, scope: string): Readonly<Record<string, unknown>>
  /** Claims of an ID token besides those that every one has. */
  idClaims(accountId: string): Readonly<Record<string, unknown>>
}

interface ConfigurationOptions {
  readonly keys: readonly JWK[]
  readonly clientSecret: string
  /** Where browsers find the gateway; left out, browsers have no sessions there. */
  readonly gatewayUrl: string | undefined
  readonly logins: readonly LoginClient[]
}

/** oidc-provider gives its functions a context with these members, among others. */
interface OidcContext {
  readonly oidc?: { readonly client?: OidcClient }
}

/** An access token in the making. */
interface JwtParts {
  payload: Readonly<Record<string, unknown>>
}

/** Makes all of the configuration but `adapter`, which holds state. */
export function providerConfiguration(options: ConfigurationOptions): Readonly<Record<string, unknown>> {
  const { keys, clientSecret, gatewayUrl, logins } = options
  const loginOf = (client: OidcClient | undefined) => logins.find(({ clientId }) => clientId === client?.clientId)
  return {
    jwks: { keys },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clients: [
      ...SIGNING_ALGORITHMS.map(algorithm => machineClient(algorithm, clientSecret)),
      appClient(),
      ...(gatewayUrl === undefined ? [] : [browserClient(gatewayUrl, clientSecret)]),
      ...logins.map(login => loginClient(login, clientSecret)),
    ],
    acrValues: [...new Set(logins.flatMap(({ acrs }) => acrs))],
    claims: { openid: ['sub', ...new Set(logins.flatMap(login => Object.keys(login.idClaims('alice'))))] },
    // The ID token of a login says who it is, as that of many providers does; there is no userinfo to ask.
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: SIGNING_ALGORITHMS },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_context: unknown, client: OidcClient) => client.grantTypeAllowed('refresh_token'),
    findAccount: ({ oidc }: OidcContext, accountId: string) => ({
      accountId,
      claims: () => ({ ...loginOf(oidc?.client)?.idClaims(accountId), sub: accountId }),
    }),
    extraTokenClaims: (_context: unknown, token: { readonly accountId?: string }) => callerClaims(token.accountId),
    formats: {
      customizers: {
        jwt({ oidc }: OidcContext, token: { readonly accountId: string; readonly scope?: string }, jwt: JwtParts) {
          const login = loginOf(oidc?.client)
          if (login === undefined) return
          const { iat, exp, jti } = jwt.payload
          jwt.payload = { ...login.accessClaims(token.accountId, token.scope ?? ''), iat, exp, jti }
        },
      },
    },
    interactions: { url: (_context: unknown, interaction: { uid: string }) => `/interaction/${interaction.uid}` },
    clientBasedCORS: () => false,
    renderError: (context: PageContext, answer: unknown) => {
      context.type = 'application/json'
      context.body = JSON.stringify(answer)
    },
    ttl: {
      AccessToken: (_context: unknown, _token: unknown, client: OidcClient) =>
        loginOf(client)?.tokenSeconds ?? tokenSeconds(client),
      ClientCredentials: TOKEN_SECONDS,
      Grant: 86_400,
      IdToken: 3_600,
      Interaction: 3_600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: confirmedLogout,
        postLogoutSuccessSource: (context: PageContext) => {
          context.body = 'You are signed out.\n'
        },
      },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: isOwnToken },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => DEMO_AUDIENCE,
        // Without it, a code flow that asks for `openid` gets an opaque token for the userinfo endpoint.
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string, client: OidcClient) => ({
          scope: [...DEMO_SCOPES, ...(loginOf(client)?.scopes ?? [])].join(' '),
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: client.idTokenSignedResponseAlg } },
        }),
      },
    },
  }
}

function machineClient(algorithm: SigningAlgorithm, clientSecret: string): object {
  return {
    client_id: MACHINE_CLIENTS[algorithm],
    client_secret: clientSecret,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    id_token_signed_response_alg: algorithm,
  }
}

function appClient(): object {
  return {
    client_id: APP_CLIENT.id,
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [APP_CLIENT.redirectUri],
    id_token_signed_response_alg: 'RS256',
  }
}

function browserClient(gatewayUrl: string, clientSecret: string): object {
  return {
    client_id: BROWSER_CLIENT,
    client_secret: clientSecret,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [`${gatewayUrl}/auth/callback`],
    post_logout_redirect_uris: [`${gatewayUrl}/goodbye`],
    id_token_signed_response_alg: 'RS256',
  }
}

function loginClient({ clientId, redirectUri, afterLogout, algorithm }: LoginClient, clientSecret: string): object {
  return {
    client_id: clientId,
    client_secret: clientSecret,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [afterLogout],
    id_token_signed_response_alg: algorithm,
  }
}

function tokenSeconds({ clientId }: OidcClient): number {
  return clientId === BROWSER_CLIENT ? BROWSER_TOKEN_SECONDS : TOKEN_SECONDS
}

/** Whoever has signed out at the gateway is not asked again; without scripts a button is left to press. */
function confirmedLogout(context: PageContext, form: string): void {
  const submit = 'document.forms[0].submit()'
  const button = '<input type="hidden" name="logout" value="yes"/><button>Sign out</button></form>'
  context.set('content-security-policy', `default-src 'none'; script-src ${hashSource(submit)}; frame-ancestors 'none'`)
  context.body = `<!DOCTYPE html>
<html lang="en">
<title>Signing out</title>
${form.replace('</form>', button)}
<script>${submit}</script>
`
}

function isOwnToken(_context: unknown, client: OidcClient, token: { readonly clientId: string }): boolean {
  return token.clientId === client.clientId
}

/** Makes claims of the demo's own. Machines and `alice` may edit; everybody else who signs in may look. */
export function callerClaims(accountId: string | undefined): Readonly<Record<string, unknown>> {
  const isEditor = accountId === undefined || accountId === 'alice'
  return { roles: [isEditor ? 'editor' : 'viewer'], tenant: 'acme', email_verified: true }
}
