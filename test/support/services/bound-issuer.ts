/**
 * Starts oidc-provider over TLS, as an issuer whose access tokens are bound to a key or to a certificate, and say how
 * and when their user has signed in.
 *
 * RFC 9449 (DPoP, with and without nonces), RFC 8705 (`tls_client_auth`, `self_signed_tls_client_auth`, and public
 * clients with bound tokens), RFC 9068 §2.2.1 (`acr`, `auth_time`) and the authorization server's part of RFC 9470:
 * `acr_values` and `max_age` ask for another login when that of the session does not do.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { base, Check, type Prompts } from 'oidc-provider/lib/helpers/interaction_policy/index.js'
import type { Provider } from 'oidc-provider/lib/provider.js'
import type { Certificate, TestAuthority } from '../certificates.ts'
import { AUDIENCE } from './issuer.ts'
import {
  CLIENT_CERTIFICATES,
  certificateKey,
  MACHINE_FEATURES,
  startOidcOverTls,
  type TlsContext,
} from './oidc-over-tls.ts'
import { signedIn } from './sign-in-form.ts'

/** The issuer knows these clients. The machines use client credentials, the apps authorization code with PKCE. */
export const BOUND_CLIENTS = Object.freeze({
  /** It has a secret, and its tokens are always bound to the key of its proof. */
  dpopMachine: 'dpop-machine',
  /** It proves who it is by a certificate of the authority, to which its tokens are bound. */
  tlsMachine: 'tls-machine',
  /** It proves who it is by a certificate that nobody signed, to which its tokens are bound. */
  selfSignedMachine: 'self-signed-machine',
  /** It has a secret, and its tokens are bound to whatever certificate it shows. */
  boundMachine: 'bound-machine',
  /** It has a secret, and its tokens are bound to its proof and to whatever certificate it shows. */
  doublyBoundMachine: 'doubly-bound-machine',
  /** It has a secret. Its tokens are bound to its proof if it sends one, else to nothing. */
  plainMachine: 'plain-machine',
  /** It is public. Its tokens are bound to its proof if it sends one, else to nothing. */
  app: 'app',
  /** It is public. Its tokens are bound to whatever certificate it shows. */
  boundApp: 'bound-app',
})
export type BoundClientName = keyof typeof BOUND_CLIENTS

/** Nothing is ever sent there: the browser stops when it is told to go there. */
export const BOUND_REDIRECT_URI = 'https://app.example.com/callback'

/** A login reaches the first of these that the request asks for, else `low`. */
export const ACR_VALUES = ['low', 'mfa', 'hardware'] as const

/** The clients may ask for these scopes. */
export const BOUND_SCOPES = ['orders:read', 'orders:write'] as const

export interface BoundIssuerOptions {
  /** Whether each proof must have a nonce of the issuer. Default: `none`. */
  readonly nonces?: 'required' | 'none'
}

export interface BoundIssuer {
  readonly issuer: string
  readonly authority: TestAuthority
  readonly clientSecret: string
  readonly certificates: {
    /** That of `tlsMachine`, signed by the authority. */
    readonly signed: Certificate
    /** That of `selfSignedMachine`. */
    readonly selfSigned: Certificate
  }
  /** A provider of the gateway that takes the issuer's access tokens. */
  readonly provider: Readonly<Record<string, unknown>>
  /** Failures inside oidc-provider, which clients see as `server_error` only. */
  readonly errors: readonly Error[]
  close(): Promise<void>
}

const CLIENT_NAME = 'tls-machine.example.com'

/** @param authority signs the issuer's certificate, and that of `tlsMachine` */
export async function startBoundIssuer(
  authority: TestAuthority,
  { nonces = 'none' }: BoundIssuerOptions = {},
): Promise<BoundIssuer> {
  const certificates = {
    signed: authority.issue('tls-machine', [`DNS:${CLIENT_NAME}`]),
    selfSigned: authority.selfSigned('self-signed-machine'),
  }
  const clientSecret = randomBytes(16).toString('base64url')
  const configuration = {
    clients: clients(clientSecret, certificates.selfSigned),
    clientAuthMethods: ['client_secret_basic', 'tls_client_auth', 'self_signed_tls_client_auth', 'none'],
    enabledJWA: {
      idTokenSigningAlgValues: ['ES256'],
      dPoPSigningAlgValues: ['ES256', 'ES384', 'Ed25519', 'EdDSA', 'PS256', 'RS256'],
    },
    acrValues: ACR_VALUES,
    issueRefreshToken: (_context: unknown, client: { grantTypeAllowed(type: string): boolean }) =>
      client.grantTypeAllowed('refresh_token'),
    extraTokenClaims: howAndWhen,
    formats: { customizers: { jwt: bindTwice } },
    interactions: {
      policy: acrPolicy(),
      url: (_context: unknown, interaction: { readonly uid: string }) => `/interaction/${interaction.uid}`,
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
      ...MACHINE_FEATURES,
      dPoP: {
        enabled: true,
        ...(nonces === 'required' ? { nonceSecret: randomBytes(32), requireNonce: () => true } : {}),
      },
      mTLS: { ...CLIENT_CERTIFICATES, certificateBoundAccessTokens: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        // Without it, a code flow that asks for `openid` gets an opaque token for the userinfo endpoint.
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: BOUND_SCOPES.join(' '),
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }
  const { issuer, provider, errors, handleBy, close } = await startOidcOverTls({
    name: 'bound',
    authority,
    configuration,
  })
  const oidc = provider.callback()
  handleBy((request, response) =>
    request.url?.startsWith('/interaction/') === true ? signIn(provider, request, response) : oidc(request, response),
  )

  const keys = { jwksUri: `${issuer}/jwks`, caFile: authority.certFile }
  return {
    issuer,
    authority,
    clientSecret,
    certificates,
    provider: { type: 'jwt', issuer, audiences: [AUDIENCE], keys },
    errors,
    close,
  }
}

interface StructuredToken {
  readonly payload: { readonly client_id?: string; readonly cnf?: Record<string, string> }
}

/** oidc-provider binds a token once at most, so the second binding of `doublyBoundMachine` is added here. */
function bindTwice({ socket }: TlsContext, _token: unknown, { payload: { client_id, cnf } }: StructuredToken): void {
  const certificate = socket.getPeerX509Certificate()
  if (client_id !== BOUND_CLIENTS.doublyBoundMachine || cnf === undefined || certificate === undefined) return
  cnf['x5t#S256'] = createHash('sha256').update(certificate.raw).digest('base64url')
}

function clients(secret: string, selfSigned: Certificate): readonly object[] {
  const machine = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] }
  const app = {
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [BOUND_REDIRECT_URI],
  }
  const boundToCertificate = { tls_client_certificate_bound_access_tokens: true }
  const each: Readonly<Record<BoundClientName, object>> = {
    dpopMachine: { ...machine, client_secret: secret, dpop_bound_access_tokens: true },
    tlsMachine: {
      ...machine,
      ...boundToCertificate,
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: CLIENT_NAME,
    },
    selfSignedMachine: {
      ...machine,
      ...boundToCertificate,
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys: [certificateKey(selfSigned)] },
    },
    boundMachine: { ...machine, ...boundToCertificate, client_secret: secret },
    doublyBoundMachine: { ...machine, client_secret: secret, dpop_bound_access_tokens: true },
    plainMachine: { ...machine, client_secret: secret },
    app,
    boundApp: { ...app, ...boundToCertificate },
  }
  return Object.entries(BOUND_CLIENTS).map(([name, id]) => ({
    client_id: id,
    id_token_signed_response_alg: 'ES256',
    ...each[name as BoundClientName],
  }))
}

/** What the token endpoint has read of an authorization code or a refresh token. */
interface SignInSource {
  readonly acr?: string
  readonly authTime?: number
}

interface TokenContext {
  readonly oidc: {
    readonly entities: { readonly AuthorizationCode?: SignInSource; readonly RefreshToken?: SignInSource }
  }
}

/** A machine has not signed in, so it has neither claim. A refreshed token keeps the time of the login. */
export function howAndWhen({ oidc: { entities } }: TokenContext): object | undefined {
  const { acr, authTime } = entities.RefreshToken ?? entities.AuthorizationCode ?? {}
  return authTime === undefined ? undefined : { acr, auth_time: authTime }
}

/** oidc-provider takes `acr_values` for a wish: without this check, it would answer by the login of the session. */
export function acrPolicy(): Prompts {
  const prompts = base()
  prompts.get('login').checks.add(
    new Check('acr', 'the login of the session is not of the requested kind', ({ oidc: { params, acr, result } }) => {
      if (params.acr_values === undefined || result?.login !== undefined) return false
      return acr === undefined || !params.acr_values.split(' ').includes(acr)
    }),
  )
  return prompts
}

/**
 * Signs in whoever is named, by the first kind of login that is asked for and known, and as if it had happened
 * `secondsAgo`.
 */
async function signIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const form = await signedIn(provider, request, response)
  if (form === undefined) return
  const { params, accountId, ts } = form
  const wanted = 'acr_values' in params && typeof params.acr_values === 'string' ? params.acr_values.split(' ') : []
  const acr = wanted.find(value => ACR_VALUES.some(known => known === value)) ?? 'low'
  const grant = new provider.Grant({ accountId, clientId: params.client_id })
  grant.addOIDCScope('openid offline_access')
  grant.addResourceScope(AUDIENCE, BOUND_SCOPES.join(' '))
  const login = { accountId, acr, ts }
  await provider.interactionFinished(request, response, { login, consent: { grantId: await grant.save() } })
}
