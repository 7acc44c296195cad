/**
 * A client of the embedded issuer made with `openid-client`, and the browser of its code flow: it follows redirects,
 * keeps cookies and posts the sign-in form. It knows no paths of cookies and reads no HTML besides the form's fields.
 */
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  discovery,
  None,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'
import type { Issuer } from '../../../src/demo/issuer.ts'
import { MACHINE_CLIENTS, type SigningAlgorithm } from '../../../src/demo/issuer-configuration.ts'

/** The issuer signs with each of these, and has one machine client for each. */
export const SIGNING_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const satisfies readonly SigningAlgorithm[]

/** The issuer knows this public client, which an application of the code flow is set up with. */
export const APP_CLIENT = { id: 'demo-app', redirectUri: 'http://127.0.0.1/callback' } as const

/** What a client has to know of its issuer. */
export type IssuerAccess = Pick<Issuer, 'issuer' | 'clientSecret'>

/** The confidential client of the client credentials grant. */
export function machineClient(issuer: IssuerAccess, algorithm: SigningAlgorithm = 'RS256'): Promise<Configuration> {
  return discovery(new URL(issuer.issuer), MACHINE_CLIENTS[algorithm], issuer.clientSecret, undefined, {
    execute: [allowInsecureRequests],
  })
}

/** The public client of the code flow. */
export function appClient(issuer: IssuerAccess): Promise<Configuration> {
  return discovery(new URL(issuer.issuer), APP_CLIENT.id, undefined, None(), { execute: [allowInsecureRequests] })
}

export interface SignInOptions {
  readonly login: string
  readonly scope: string
}

/** Authorization code with PKCE (RFC 7636), from the authorization request to the tokens. */
export async function signInWithCode(client: Configuration, { login, scope }: SignInOptions) {
  const pkceCodeVerifier = randomPKCECodeVerifier()
  const expectedState = randomState()
  const authorizationUrl = buildAuthorizationUrl(client, {
    redirect_uri: APP_CLIENT.redirectUri,
    scope,
    state: expectedState,
    code_challenge: await calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  const callback = await browse(authorizationUrl, APP_CLIENT.redirectUri, { login })
  return authorizationCodeGrant(client, callback, { pkceCodeVerifier, expectedState })
}

interface BrowserRequest {
  readonly method: string
  readonly redirect: 'manual'
  readonly headers: Record<string, string>
  readonly body?: URLSearchParams
}

export interface BrowserOptions {
  /** Sends the requests. Default: Node's own `fetch`. */
  readonly fetch?: (url: string, init: BrowserRequest) => Promise<Response>
  /** Cookies by name, which are added to. Default: none, so nobody is signed in. */
  readonly cookies?: Map<string, string>
}

/** Follows redirects, answers each form with `fields`, and stops when it is sent to `destination`. */
export async function browse(
  start: URL,
  destination: string,
  fields: Readonly<Record<string, string>>,
  { fetch: send = fetch, cookies = new Map<string, string>() }: BrowserOptions = {},
): Promise<URL> {
  let url = start
  let body: URLSearchParams | undefined
  for (let hops = 0; hops < 10; hops++) {
    const response = await send(url.href, {
      method: body === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(body === undefined ? {} : { body }),
    })
    for (const line of response.headers.getSetCookie()) keepCookie(cookies, line)
    const page = await response.text()
    const location = response.headers.get('location')
    if (location !== null) {
      url = new URL(location, url)
      body = undefined
      if (url.href.startsWith(destination)) return url
    } else if (page.includes('<form method="post">')) {
      for (const name of Object.keys(fields))
        if (!page.includes(`name="${name}"`)) throw new Error(`the form at ${url} has no field ${name}`)
      body = new URLSearchParams(fields)
    } else throw new Error(`stuck at ${url}: ${response.status} ${page}`)
  }
  throw new Error(`sent around in circles, last to ${url}`)
}

function keepCookie(cookies: Map<string, string>, line: string): void {
  const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? []
  if (name === undefined || value === undefined) throw new Error(`not a cookie: ${line}`)
  if (value === '') cookies.delete(name)
  else cookies.set(name, value)
}
