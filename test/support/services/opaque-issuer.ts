/**
 * Starts oidc-provider over TLS, as an issuer of opaque tokens that answers questions about them, and of JWTs that may
 * be encrypted.
 *
 * RFC 7662 and RFC 9701 (introspection, in JSON and signed), RFC 7009 (revocation), RFC 8707 (the resource decides what
 * form a token has), RFC 8705 and RFC 7523 (clients without secrets). oidc-provider refuses questions about JWTs.
 */
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Provider } from 'oidc-provider/lib/provider.js'
import type { ClientCredentials } from '../../../src/oauth/client-authentication.ts'
import type { TestAuthority } from '../certificates.ts'
import { CLIENT_CERTIFICATES, certificateKey, MACHINE_FEATURES, startOidcOverTls } from './oidc-over-tls.ts'

/** A token for one of these has that form; a token for none is opaque and has no audience. */
export const RESOURCES = Object.freeze({
  opaque: 'https://opaque.example.com',
  jwt: 'https://jwt.example.com',
  /** An encrypted JWT, for {@link OpaqueIssuer.encryptionKey}. */
  encrypted: 'https://encrypted.example.com',
})

export const OPAQUE_SCOPES = ['orders:read', 'orders:write'] as const

/** Ways to ask; each is a client of its own. */
export type OpaqueClientName = 'basic' | 'post' | 'assertion' | 'tls' | 'selfSigned' | 'encrypted'

/** The encryption of access tokens for `RESOURCES.encrypted`. */
interface TokenEncryption {
  readonly alg: string
  readonly enc: string
  readonly kid?: string
  /** The public key of the gateway. */
  readonly key: KeyObject
}

export interface OpaqueIssuerOptions {
  /** Default: ECDH-ES and A256GCM, for a key that is made. */
  readonly encryption?: TokenEncryption
}

interface TokenWish {
  /** Default: none, for an opaque token without an audience. */
  readonly resource?: keyof typeof RESOURCES
  /** Default: `orders:read`; only tokens for a resource have scopes. */
  readonly scope?: string
}

export interface OpaqueIssuer {
  readonly issuer: string
  readonly introspectionEndpoint: string
  readonly jwksUri: string
  readonly authority: TestAuthority
  /** `client` blocks of the configuration, with files that are there until the issuer closes. */
  readonly clients: Readonly<Record<OpaqueClientName, ClientCredentials>>
  /** For whom access tokens are, when nobody else was named. */
  readonly encryptionKey: KeyObject
  /** For whom answers to the client `encrypted` are. */
  readonly answerKey: KeyObject
  /** Client id of whoever gets tokens by {@link token}. */
  readonly tokenClientId: string
  token(wish?: TokenWish): Promise<string>
  /** A refresh token of a user, as a client might wrongly present it. */
  refreshToken(): Promise<string>
  revoke(token: string): Promise<void>
  /** Failures inside oidc-provider, which clients see as `server_error` only. */
  readonly errors: readonly Error[]
  close(): Promise<void>
}

const CLIENT_NAME = 'tls-gateway.example.com'
/** Characters that get lost where somebody forgets the encoding of RFC 6749 §2.3.1. */
const ODD_ID = 'gateway:basic %2B+'
const ODD_SECRET = 's3cret: %41+&=/?~'

/** @param authority signs the issuer's certificate, and that of the client `tls` */
export async function startOpaqueIssuer(
  authority: TestAuthority,
  { encryption }: OpaqueIssuerOptions = {},
): Promise<OpaqueIssuer> {
  const signed = authority.issue('tls-gateway', [`DNS:${CLIENT_NAME}`])
  const selfSigned = authority.selfSigned('self-signed-gateway')
  const [tokenKeys, answerKeys, assertionKeys] = [ecKeys(), ecKeys(), ecKeys()]
  const encrypt = encryption ?? { alg: 'ECDH-ES', enc: 'A256GCM', key: tokenKeys.publicKey }
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-opaque-issuer-'))
  const file = (name: string, content: string): string => {
    const path = join(folder, name)
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  const assertionJwk = { ...assertionKeys.privateKey.export({ format: 'jwk' }), kid: 'assertion', alg: 'ES256' }
  const secretFile = file('secret', `${ODD_SECRET}\n`)
  const clients: OpaqueIssuer['clients'] = {
    basic: { id: ODD_ID, auth: 'basic', secretFile },
    post: { id: 'gateway-post', auth: 'post', secretFile },
    assertion: {
      id: 'gateway-assertion',
      auth: 'private_key_jwt',
      keyFile: file('assertion.jwk', JSON.stringify(assertionJwk)),
    },
    tls: { id: 'gateway-tls', auth: 'tls', certFile: signed.certFile, keyFile: signed.keyFile },
    selfSigned: { id: 'gateway-self', auth: 'tls', certFile: selfSigned.certFile, keyFile: selfSigned.keyFile },
    encrypted: { id: 'gateway-encrypted', auth: 'post', secretFile },
  }
  const tokenClient = { id: 'machine', secret: randomBytes(16).toString('base64url') }
  const asker = { grant_types: [], response_types: [], redirect_uris: [], introspection_signed_response_alg: 'ES256' }
  const publicJwk = (keys: Keys, members: object) => ({ ...keys.publicKey.export({ format: 'jwk' }), ...members })
  const configuration = {
    clients: [
      { client_id: tokenClient.id, client_secret: tokenClient.secret, ...asker, grant_types: ['client_credentials'] },
      { client_id: ODD_ID, client_secret: ODD_SECRET, ...asker },
      {
        client_id: 'gateway-post',
        client_secret: ODD_SECRET,
        token_endpoint_auth_method: 'client_secret_post',
        ...asker,
      },
      {
        client_id: 'gateway-assertion',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [publicJwk(assertionKeys, { kid: 'assertion', alg: 'ES256' })] },
        ...asker,
      },
      {
        client_id: 'gateway-tls',
        token_endpoint_auth_method: 'tls_client_auth',
        tls_client_auth_san_dns: CLIENT_NAME,
        ...asker,
      },
      {
        client_id: 'gateway-self',
        token_endpoint_auth_method: 'self_signed_tls_client_auth',
        jwks: { keys: [certificateKey(selfSigned)] },
        ...asker,
      },
      {
        client_id: 'gateway-encrypted',
        client_secret: ODD_SECRET,
        token_endpoint_auth_method: 'client_secret_post',
        introspection_encrypted_response_alg: 'ECDH-ES',
        introspection_encrypted_response_enc: 'A256GCM',
        jwks: { keys: [publicJwk(answerKeys, { kid: 'answers', use: 'enc', alg: 'ECDH-ES' })] },
        ...asker,
      },
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
      'none',
    ],
    enabledJWA: {
      idTokenSigningAlgValues: ['ES256'],
      introspectionSigningAlgValues: ['ES256'],
      introspectionEncryptionAlgValues: ['ECDH-ES'],
      introspectionEncryptionEncValues: ['A256GCM'],
      clientAuthSigningAlgValues: ['ES256'],
    },
    scopes: ['openid', 'offline_access', ...OPAQUE_SCOPES],
    ttl: { AccessToken: 3_600, ClientCredentials: 3_600, Grant: 86_400, RefreshToken: 86_400 },
    features: {
      ...MACHINE_FEATURES,
      introspection: { enabled: true, allowedPolicy: () => true },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      encryption: { enabled: true },
      mTLS: CLIENT_CERTIFICATES,
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: OPAQUE_SCOPES.join(' '),
          audience: resource,
          accessTokenFormat: resource === RESOURCES.opaque ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'ES256' }, ...(resource === RESOURCES.encrypted ? { encrypt } : {}) },
        }),
      },
    },
  }
  const server = await startOidcOverTls({ name: 'opaque', authority, configuration })
  const { issuer, provider, errors } = server

  const asMachine = { client_id: tokenClient.id, client_secret: tokenClient.secret }
  const basic = `Basic ${btoa(`${asMachine.client_id}:${encodeURIComponent(asMachine.client_secret)}`)}`
  const post = (path: string, form: Readonly<Record<string, string>>): Promise<string> =>
    posted(`${issuer}${path}`, form, { authorization: basic }, authority.cert)
  return {
    issuer,
    introspectionEndpoint: `${issuer}/token/introspection`,
    jwksUri: `${issuer}/jwks`,
    authority,
    clients,
    encryptionKey: tokenKeys.privateKey,
    answerKey: answerKeys.privateKey,
    tokenClientId: tokenClient.id,
    async token({ resource, scope = 'orders:read' } = {}) {
      const wanted = resource === undefined ? {} : { resource: RESOURCES[resource], scope }
      const answer = JSON.parse(await post('/token', { grant_type: 'client_credentials', ...wanted }))
      return String(answer.access_token)
    },
    async refreshToken() {
      const { Client, Grant, RefreshToken } = provider as unknown as Models
      const of = { accountId: 'ada', clientId: tokenClient.id }
      const grant = new Grant(of)
      grant.addOIDCScope('openid offline_access')
      const grantId = await grant.save()
      const client = await Client.find(tokenClient.id)
      return await new RefreshToken({ ...of, client, grantId, gty: 'authorization_code', scope: 'openid' }).save()
    },
    async revoke(token) {
      await post('/token/revocation', { token })
    },
    errors,
    async close() {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What of oidc-provider makes a refresh token without a browser. */
interface Models {
  readonly Client: { find(id: string): Promise<object> }
  readonly Grant: Provider['Grant']
  readonly RefreshToken: new (of: object) => { save(): Promise<string> }
}

interface Keys {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

function ecKeys(): Keys {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

/** @throws {Error} the answer is not 200; it says what the issuer said */
async function posted(
  url: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
  ca: string,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  httpsRequest(url, { method: 'POST', ca, agent: false, headers: { ...type, ...headers } }, resolve)
    .on('error', reject)
    .end(new URLSearchParams(form).toString())
  const response = await promise
  const body = await text(response)
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}: ${body}`)
  return body
}
