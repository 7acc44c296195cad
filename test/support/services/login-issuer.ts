/**
 * Starts oidc-provider over TLS, as a provider at which browsers log in for a gateway: code flow with PKCE, refresh
 * tokens that rotate, revocation, and PAR if it is asked for.
 *
 * A refresh token that is shown a second time ends its grant. Every login has a page with a form: its fields are
 * `login`, for whoever signs in, and `secondsAgo`, as if that had happened some time before.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InteractionResult, Provider } from 'oidc-provider/lib/provider.js'
import type { ClientCredentials } from '../../../src/oauth/client-authentication.ts'
import type { TestAuthority } from '../certificates.ts'
import { CLIENT_CERTIFICATES, MACHINE_FEATURES, startOidcOverTls } from './oidc-over-tls.ts'
import { signedIn } from './sign-in-form.ts'

/** Access tokens for it are JWTs. */
export const LOGIN_RESOURCE = 'https://orders.example.com'
export const LOGIN_SCOPES = ['openid', 'offline_access', 'orders:read'] as const
/** Nothing is ever sent there: the browser stops when it is told to go there. */
export const LOGIN_REDIRECT_URI = 'https://shop.example.com/auth/callback'
export const AFTER_LOGOUT = 'https://shop.example.com/'

export type LoginClientName = 'basic' | 'post' | 'assertion' | 'tls'
type LoginClient = Exclude<ClientCredentials, { readonly auth: 'bearer' }>

export interface LoginIssuerOptions {
  /** Default: `offered`. */
  readonly pushedRequests?: 'offered' | 'none'
}

export interface LoginIssuer {
  readonly issuer: string
  readonly caFile: string
  /** `client` blocks of the configuration, with files that are there until the issuer closes. */
  readonly clients: Readonly<Record<LoginClientName, LoginClient>>
  /** Each request: `POST /token`. */
  readonly requests: readonly string[]
  /** Failures inside oidc-provider, which clients see as `server_error` only. */
  readonly errors: readonly Error[]
  close(): Promise<void>
}

const CLIENT_NAME = 'login-gateway.example.com'
/** Characters that get lost where somebody forgets the encoding of RFC 6749 §2.3.1. */
const ODD_ID = 'shop:basic %2B+'
const ODD_SECRET = 's3cret: %41+&=/?~'

/** @param authority signs the issuer's certificate, and that of the client `tls` */
export async function startLoginIssuer(
  authority: TestAuthority,
  { pushedRequests = 'offered' }: LoginIssuerOptions = {},
): Promise<LoginIssuer> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-login-issuer-'))
  const file = (name: string, content: string): string => {
    const path = join(folder, name)
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  const shown = authority.issue('login-gateway', [`DNS:${CLIENT_NAME}`])
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const named = { kid: 'assertion', alg: 'ES256' }
  const keyFile = file('assertion.jwk', JSON.stringify({ ...privateKey.export({ format: 'jwk' }), ...named }))
  const secretFile = file('secret', ODD_SECRET)
  const clients: LoginIssuer['clients'] = {
    basic: { id: ODD_ID, auth: 'basic', secretFile },
    post: { id: 'shop-post', auth: 'post', secretFile },
    assertion: { id: 'shop-assertion', auth: 'private_key_jwt', keyFile },
    tls: { id: 'shop-tls', auth: 'tls', certFile: shown.certFile, keyFile: shown.keyFile },
  }
  const methods: Readonly<Record<LoginClientName, object>> = {
    basic: { token_endpoint_auth_method: 'client_secret_basic', client_secret: ODD_SECRET },
    post: { token_endpoint_auth_method: 'client_secret_post', client_secret: ODD_SECRET },
    assertion: {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), ...named }] },
    },
    tls: { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: CLIENT_NAME },
  }
  const configuration = {
    clients: Object.entries(methods).map(([name, method]) => ({
      client_id: clients[name as LoginClientName].id,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [LOGIN_REDIRECT_URI],
      post_logout_redirect_uris: [AFTER_LOGOUT],
      id_token_signed_response_alg: 'ES256',
      ...method,
    })),
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth'],
    enabledJWA: { idTokenSigningAlgValues: ['ES256'], clientAuthSigningAlgValues: ['ES256'] },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_context: unknown, client: { grantTypeAllowed(type: string): boolean }) =>
      client.grantTypeAllowed('refresh_token'),
    interactions: {
      url: (_context: unknown, interaction: { readonly uid: string }) => `/interaction/${interaction.uid}`,
    },
    ttl: { AccessToken: 300, Grant: 86_400, IdToken: 3_600, Interaction: 3_600, RefreshToken: 86_400, Session: 86_400 },
    features: {
      ...MACHINE_FEATURES,
      rpInitiatedLogout: { enabled: true },
      pushedAuthorizationRequests: { enabled: pushedRequests === 'offered' },
      revocation: { enabled: true, allowedPolicy: () => true },
      mTLS: CLIENT_CERTIFICATES,
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: 'orders:read',
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }
  const server = await startOidcOverTls({ name: 'login', authority, configuration })
  const requests: string[] = []
  const oidc = server.provider.callback()
  server.handleBy(async (request, response) => {
    requests.push(`${request.method} ${request.url?.split('?')[0]}`)
    const isLogin = request.url?.startsWith('/interaction/') === true
    await (isLogin ? signIn(server.provider, request, response) : oidc(request, response))
  })
  return {
    issuer: server.issuer,
    caFile: authority.certFile,
    clients,
    requests,
    errors: server.errors,
    async close() {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Whoever says `nobody` is refused. */
async function signIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const form = await signedIn(provider, request, response)
  if (form === undefined) return
  const { params, accountId, ts } = form
  if (accountId === 'nobody') {
    const refused: unknown = { error: 'access_denied', error_description: 'MARK' }
    await provider.interactionFinished(request, response, refused as InteractionResult)
    return
  }
  const grant = new provider.Grant({ accountId, clientId: params.client_id })
  grant.addOIDCScope('openid offline_access')
  grant.addResourceScope(LOGIN_RESOURCE, 'orders:read')
  const login = { accountId, ts }
  await provider.interactionFinished(request, response, { login, consent: { grantId: await grant.save() } })
}
