/**
 * Clients of the issuer of bound tokens: made with `openid-client`, which shows a certificate through undici's Agent,
 * and with `dpop`, whose proofs are sent by a few lines as its README shows them.
 *
 * Both trust the issuer's authority, and also send to whatever else shows a certificate of it, such as a terminator or
 * the gateway.
 */
import { generateProof, type KeyPair } from 'dpop'
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretBasic,
  type Configuration,
  type CustomFetch,
  calculatePKCECodeChallenge,
  customFetch,
  type DPoPHandle,
  discovery,
  None,
  randomPKCECodeVerifier,
  randomState,
  TlsClientAuth,
  type TokenEndpointResponse,
} from 'openid-client'
import { Agent, type Dispatcher, type Response, fetch as undiciFetch } from 'undici'
import type { Certificate } from '../certificates.ts'
import { BOUND_CLIENTS, BOUND_REDIRECT_URI, type BoundClientName, type BoundIssuer } from '../services/bound-issuer.ts'
import { browse } from './oidc-client.ts'

/** What a client has to know of its issuer. */
export type BoundIssuerAccess = Pick<BoundIssuer, 'issuer' | 'authority' | 'clientSecret' | 'certificates'>

export interface BoundClientOptions {
  /**
   * What the client shows to everybody. Default: the certificate that is registered for it, and none for the others;
   * `none` withholds it.
   */
  readonly certificate?: Certificate | 'none'
}

/** Sends with the certificate, and trusts the authority. Whoever made it closes it. */
export function certificateAgent(authority: Certificate, certificate?: Certificate): Agent {
  const shown = certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }
  return new Agent({ connect: { ca: authority.cert, ...shown } })
}

/** Makes a client of `openid-client`: its grants, its DPoP handles and its `fetchProtectedResource` work as usual. */
export async function boundClient(
  issuer: BoundIssuerAccess,
  name: BoundClientName,
  { certificate }: BoundClientOptions = {},
): Promise<Configuration> {
  const registered: Partial<Record<BoundClientName, Certificate>> = {
    tlsMachine: issuer.certificates.signed,
    selfSignedMachine: issuer.certificates.selfSigned,
  }
  const isApp = name === 'app' || name === 'boundApp'
  const authentication = registered[name] === undefined ? ClientSecretBasic(issuer.clientSecret) : TlsClientAuth()
  const shown = certificate === 'none' ? undefined : (certificate ?? registered[name])
  return discovery(new URL(issuer.issuer), BOUND_CLIENTS[name], undefined, isApp ? None() : authentication, {
    [customFetch]: fetchBy(certificateAgent(issuer.authority, shown)),
  })
}

/** Node's own fetch does not take an Agent of the undici package, whose types in turn are not those of Node's. */
function fetchBy(dispatcher: Dispatcher): CustomFetch {
  return async (url, options) => {
    const { status, statusText, headers, body } = await undiciFetch(url, {
      method: options.method,
      headers: options.headers,
      redirect: options.redirect,
      body: options.body ?? null,
      dispatcher,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    } as Parameters<typeof undiciFetch>[1])
    return new globalThis.Response(body as ConstructorParameters<typeof globalThis.Response>[0], {
      status,
      statusText,
      headers: [...headers],
    })
  }
}

export interface BoundSignInOptions {
  readonly login: string
  /** `openid` is asked for besides: without it, oidc-provider refuses `acr_values`. */
  readonly scope: string
  /** `acr_values` of the request, as in the challenge of RFC 9470. */
  readonly acrValues?: string
  /** `max_age` of the request, in seconds. */
  readonly maxAge?: number | string
  /** A login that is needed counts as one of so many seconds ago. Default 0. */
  readonly secondsAgo?: number
  /**
   * Cookies of the browser: with those of an earlier sign-in at the same app, nobody logs in again unless the request
   * asks for it. Default: none.
   */
  readonly cookies?: Map<string, string>
  /** Binds the tokens to the key of this handle. */
  readonly DPoP?: DPoPHandle
}

/** Authorization code with PKCE, for one of the apps, from the authorization request to the tokens. */
export async function signInBound(
  client: Configuration,
  { login, scope, acrValues, maxAge, secondsAgo = 0, cookies = new Map(), DPoP }: BoundSignInOptions,
): Promise<TokenEndpointResponse> {
  const pkceCodeVerifier = randomPKCECodeVerifier()
  const expectedState = randomState()
  const authorizationUrl = buildAuthorizationUrl(client, {
    redirect_uri: BOUND_REDIRECT_URI,
    scope: `openid ${scope}`,
    state: expectedState,
    code_challenge: await calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...(acrValues === undefined ? {} : { acr_values: acrValues }),
    ...(maxAge === undefined ? {} : { max_age: String(maxAge) }),
  })
  const fields = { login, secondsAgo: String(secondsAgo) }
  const send = client[customFetch]
  const callback = await browse(authorizationUrl, BOUND_REDIRECT_URI, fields, {
    cookies,
    ...(send === undefined ? {} : { fetch: (url, init) => send(url, { body: undefined, ...init }) }),
  })
  const checks = { pkceCodeVerifier, expectedState, ...(maxAge === undefined ? {} : { maxAge: Number(maxAge) }) }
  return authorizationCodeGrant(client, callback, checks, undefined, DPoP === undefined ? {} : { DPoP })
}

export interface ProofRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: URLSearchParams | string
  /** Sent as `Authorization: DPoP`, with its hash in the proof. Left out at the token endpoint. */
  readonly token?: string
}

export interface ProofClient {
  /** Sends a new proof with each request, and once more when a nonce is asked for. */
  request(url: string, request?: ProofRequest): Promise<Response>
  /** Proofs that were sent, oldest first. */
  readonly proofs: readonly string[]
}

/** Sends with proofs of the `dpop` package. It remembers the last nonce of each origin. */
export function proofClient(keyPair: KeyPair, dispatcher: Dispatcher): ProofClient {
  const nonces = new Map<string, string>()
  const proofs: string[] = []
  const send = async (url: URL, { method = 'GET', headers = {}, body = '', token }: ProofRequest) => {
    const proof = await generateProof(keyPair, url.origin + url.pathname, method, nonces.get(url.origin), token)
    proofs.push(proof)
    const response = await undiciFetch(url, {
      dispatcher,
      method,
      headers: { ...headers, dpop: proof, ...(token === undefined ? {} : { authorization: `DPoP ${token}` }) },
      ...(body === '' ? {} : { body }),
    })
    const nonce = response.headers.get('dpop-nonce')
    if (nonce !== null) nonces.set(url.origin, nonce)
    return response
  }
  return {
    proofs,
    async request(address, request = {}) {
      const url = new URL(address)
      const response = await send(url, request)
      return (await isNonceAskedFor(response)) ? send(url, request) : response
    },
  }
}

/** RFC 9449 §8 and §9: an authorization server says so in the body, a resource server in its challenge. */
async function isNonceAskedFor(response: Response): Promise<boolean> {
  if (response.status === 401)
    return /\bDPoP\b.*error="use_dpop_nonce"/i.test(response.headers.get('www-authenticate') ?? '')
  if (response.status !== 400) return false
  const answer = await response.clone().text()
  return /"error"\s*:\s*"use_dpop_nonce"/.test(answer)
}
