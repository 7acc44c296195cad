/**
 * Starts the embedded OpenID provider, which gives `sallyport dev` and the end-to-end tests a real source of tokens.
 *
 * RFC 6749 §4.1, §4.4 and §6 (code, client credentials, refresh with rotation), RFC 7636 (PKCE), RFC 7009 (revocation),
 * RFC 7662 (introspection), RFC 8707 (resource indicators), RFC 9068 (JWT access tokens), OpenID Connect Discovery,
 * RP-Initiated Logout.
 *
 * IT MUST NEVER BE USED IN PRODUCTION. Whoever reaches it signs in as anybody, and it hands out tokens to whoever asks;
 * therefore it listens on loopback only. Keys and secrets are made at the start, and everything it knows is lost when
 * it stops. Its JWT access tokens can be neither revoked nor introspected; refresh tokens can.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js'
import { Provider } from 'oidc-provider/lib/provider.js'
import { type Clock, systemClock } from '../lib/clock.ts'
import {
  callerClaims,
  DEMO_AUDIENCE,
  DEMO_SCOPES,
  type LoginClient,
  MACHINE_CLIENTS,
  providerConfiguration,
  type SigningAlgorithm,
} from './issuer-configuration.ts'
import { closeServer, listen } from './loopback.ts'
import { signIn } from './sign-in.ts'

interface IssuerOptions {
  /** The issuer listens on this port; 0 takes a free one. */
  readonly port: number
  /** The secret that all clients share. Left out, it is made at the start. */
  readonly clientSecret?: string
  /** Where browsers find the gateway, when it signs people in here. */
  readonly gatewayUrl?: string
  /** Browsers sign in for these clients, too. */
  readonly logins?: readonly LoginClient[]
  /** Makes the token that `GET /demo/tokens/NAME?…` asks for. Left out, there are those of the demo. */
  readonly tokens?: (name: string, query: URLSearchParams, issuer: Issuer) => Promise<string | undefined>
  /** Knows the tokens that the introspection endpoint of a provider is asked about; undefined: not active. */
  readonly introspected?: (provider: string, token: string) => object | undefined
  /** What the sign-in page says of the names to choose from, as text. */
  readonly hint?: string
  /** Minted tokens get their times from this clock; the provider itself reads the system's. */
  readonly clock?: Clock
  /** It is told of failures inside the provider; clients see them as `server_error` only. */
  readonly onError?: (error: Error) => void
}

interface MintOptions {
  /** The token is signed with RS256 when this is left out. */
  readonly algorithm?: SigningAlgorithm
  /** It counts from now and is negative for a token that has expired. The default is an hour. */
  readonly expiresInSeconds?: number
  /** These claims replace or extend those of the machine client; `undefined` removes one. */
  readonly claims?: Readonly<Record<string, unknown>>
}

export interface Issuer {
  readonly issuer: string
  readonly tokenEndpoint: string
  /** The client whose access tokens are signed with RS256. */
  readonly clientId: string
  /** The machine clients share this secret, which is made at the start. */
  readonly clientSecret: string
  /** Gets an access token by the client credentials grant, over HTTP as any client does. */
  requestToken(scope: string, algorithm?: SigningAlgorithm): Promise<string>
  /** Signs a token with these claims and no others. The type is that of an access token unless another one is given. */
  sign(claims: Readonly<Record<string, unknown>>, algorithm: SigningAlgorithm, typ?: string): Promise<string>
  /** Makes an access token that the provider itself would not issue, signed with the provider's key. */
  mint(options?: MintOptions): Promise<string>
  close(): Promise<void>
}

/** Starts the issuer. @throws {Error} with code `EADDRINUSE` when the port is taken */
export async function startIssuer(options: IssuerOptions): Promise<Issuer> {
  const keys = await signingKeys()
  const clientSecret = options.clientSecret ?? randomBytes(16).toString('base64url')
  // The port is part of the issuer's name, so the server listens before the provider is made.
  let handle = async (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.writeHead(503).end()
  }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: Error) => {
      options.onError?.(error)
      response.destroy()
    })
  })
  const issuer = `http://${await listen(server, options.port)}`

  const provider = new Provider(issuer, {
    ...providerConfiguration({
      keys: Object.values(keys),
      clientSecret,
      gatewayUrl: options.gatewayUrl,
      logins: options.logins ?? [],
    }),
    adapter: createMemoryAdapter(),
  })
  provider.silent = true
  provider.on('server_error', (_context, error) => options.onError?.(error))

  const running: Issuer = {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    clientId: MACHINE_CLIENTS.RS256,
    clientSecret,
    requestToken: (scope, algorithm = 'RS256') => requestToken(running, scope, algorithm),
    sign: (claims, algorithm, typ) => sign(keys[algorithm], claims, typ),
    mint: (minted = {}) => mint(issuer, keys, options.clock ?? systemClock, minted),
    close: () => closeServer(server),
  }
  handle = requestHandler(provider, running, { ...options, bundle: bundleOf([keys.RS256, keys.ES256]) })
  return running
}

async function signingKeys(): Promise<Readonly<Record<SigningAlgorithm, JWK>>> {
  const [RS256, ES256, EdDSA] = await Promise.all([signingKey('RS256'), signingKey('ES256'), signingKey('EdDSA')])
  return { RS256, ES256, EdDSA }
}

async function signingKey(algorithm: SigningAlgorithm): Promise<JWK> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return { ...(await exportJWK(privateKey)), alg: algorithm, use: 'sig', kid: `${algorithm}-${randomUUID()}` }
}

async function requestToken(issuer: Issuer, scope: string, algorithm: SigningAlgorithm): Promise<string> {
  const basic = Buffer.from(`${MACHINE_CLIENTS[algorithm]}:${issuer.clientSecret}`).toString('base64')
  const response = await fetch(issuer.tokenEndpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  })
  const answer: unknown = await response.json()
  if (typeof answer === 'object' && answer !== null && 'access_token' in answer) return String(answer.access_token)
  throw new Error(`the embedded issuer refused a token: ${JSON.stringify(answer)}`)
}

async function mint(
  issuer: string,
  keys: Readonly<Record<SigningAlgorithm, JWK>>,
  clock: Clock,
  { algorithm = 'RS256', expiresInSeconds = 3_600, claims = {} }: MintOptions,
): Promise<string> {
  const nowSeconds = Math.floor(clock.nowMs() / 1_000)
  const expiresAtSeconds = nowSeconds + expiresInSeconds
  return sign(keys[algorithm], {
    ...callerClaims(undefined),
    iss: issuer,
    aud: DEMO_AUDIENCE,
    sub: MACHINE_CLIENTS[algorithm],
    client_id: MACHINE_CLIENTS[algorithm],
    scope: DEMO_SCOPES.join(' '),
    iat: Math.min(nowSeconds, expiresAtSeconds - 60),
    exp: expiresAtSeconds,
    ...claims,
  })
}

async function sign(key: JWK, claims: Readonly<Record<string, unknown>>, typ = 'at+jwt'): Promise<string> {
  return new SignJWT({ jti: randomUUID(), ...claims })
    .setProtectedHeader({ alg: key.alg ?? '', typ, ...(key.kid === undefined ? {} : { kid: key.kid }) })
    .sign(await importJWK(key))
}

/** A SPIFFE bundle: the issuer stands in for any trust domain, with its own keys. */
function bundleOf(keys: readonly JWK[]): object {
  return { keys: keys.map(({ kty, kid, crv, x, y, n, e }) => ({ kty, kid, use: 'jwt-svid', crv, x, y, n, e })) }
}

const BUNDLE = '/demo/spiffe-bundle'
const TOKENS = '/demo/tokens/'
const INTROSPECTION = '/demo/introspection/'

/** The printed `curl` lines get their tokens here, so that a line never goes stale. */
async function demoToken(name: string, _query: URLSearchParams, issuer: Issuer): Promise<string | undefined> {
  if (name === 'reader') return issuer.requestToken('orders:read')
  if (name === 'writer') return issuer.requestToken('orders:read orders:write')
  return name === 'expired' ? issuer.mint({ expiresInSeconds: -60 }) : undefined
}

function requestHandler(provider: Provider, issuer: Issuer, options: IssuerOptions & { readonly bundle: object }) {
  const oidc = provider.callback()
  const { tokens = demoToken, introspected, hint, bundle } = options
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isOfThisMachine(request.headers.host)) {
      // RFC 9110 §15.5.20. A page whose name leads here (DNS rebinding) would be given tokens.
      response.writeHead(421).end('This issuer is asked by 127.0.0.1 or localhost only.\n')
      return
    }
    const { pathname, searchParams } = new URL(request.url ?? '', issuer.issuer)
    if (pathname.startsWith(TOKENS)) {
      const token = await tokens(nameIn(pathname, TOKENS), searchParams, issuer)
      response.writeHead(token === undefined ? 404 : 200, { 'content-type': 'text/plain', 'cache-control': 'no-store' })
      response.end(token ?? '')
    } else if (pathname.startsWith(INTROSPECTION) && introspected !== undefined) {
      const provider = nameIn(pathname, INTROSPECTION)
      await introspection(request, response, issuer.clientSecret, token => introspected(provider, token))
    } else if (pathname === BUNDLE) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(bundle))
    } else if (pathname.startsWith('/interaction/')) await signIn(provider, request, response, hint)
    else await oidc(request, response)
  }
}

function isOfThisMachine(host = ''): boolean {
  return /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?$/i.test(host)
}

/** What follows in the path, decoded; what cannot be decoded is nobody's name. */
function nameIn(pathname: string, prefix: string): string {
  const name = pathname.slice(prefix.length)
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** RFC 7662 §2. */
async function introspection(
  request: IncomingMessage,
  response: ServerResponse,
  secret: string,
  introspected: (token: string) => object | undefined,
): Promise<void> {
  const token = new URLSearchParams(await text(request)).get('token') ?? ''
  const isKnown = request.headers.authorization === `Bearer ${secret}`
  const known = isKnown ? introspected(token) : undefined
  response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' })
  response.end(JSON.stringify(known === undefined ? { active: false } : { active: true, ...known }))
}
