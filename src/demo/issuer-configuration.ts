/**
 * Makes the configuration of oidc-provider with what the embedded issuer knows: clients, audience, scopes and callers.
 *
 * At run time oidc-provider reports every default that is unfit for production. All of these are set here, so it has
 * nothing to report.
 */
import { randomBytes } from 'node:crypto'
import type { JWK } from 'jose'

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

/** oidc-provider gives its callbacks a client with these members, among others. */
interface OidcClient {
  readonly clientId: string
  readonly idTokenSignedResponseAlg: SigningAlgorithm
  grantTypeAllowed(type: string): boolean
}

/** Makes all of the configuration but `adapter`, which holds state. */
export function providerConfiguration(keys: readonly JWK[], clientSecret: string): Readonly<Record<string, unknown>> {
  return {
    jwks: { keys },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clients: [...SIGNING_ALGORITHMS.map(algorithm => machineClient(algorithm, clientSecret)), appClient()],
    enabledJWA: { idTokenSigningAlgValues: SIGNING_ALGORITHMS },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_context: unknown, client: OidcClient) => client.grantTypeAllowed('refresh_token'),
    findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    extraTokenClaims: (_context: unknown, token: { readonly accountId?: string }) => callerClaims(token.accountId),
    interactions: { url: (_context: unknown, interaction: { uid: string }) => `/interaction/${interaction.uid}` },
    clientBasedCORS: () => false,
    renderError: (context: { type: string; body: string }, answer: unknown) => {
      context.type = 'application/json'
      context.body = JSON.stringify(answer)
    },
    ttl: {
      AccessToken: 3_600,
      ClientCredentials: 3_600,
      Grant: 86_400,
      IdToken: 3_600,
      Interaction: 3_600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: isOwnToken },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => DEMO_AUDIENCE,
        // Without it, a code flow that asks for `openid` gets an opaque token for the userinfo endpoint.
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string, client: OidcClient) => ({
          scope: DEMO_SCOPES.join(' '),
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

function isOwnToken(_context: unknown, client: OidcClient, token: { readonly clientId: string }): boolean {
  return token.clientId === client.clientId
}

/** Makes claims of the demo's own. Machines and `alice` may edit; everybody else who signs in may look. */
export function callerClaims(accountId: string | undefined): Readonly<Record<string, unknown>> {
  const isEditor = accountId === undefined || accountId === 'alice'
  return { roles: [isEditor ? 'editor' : 'viewer'], tenant: 'acme', email_verified: true }
}
