/**
 * Starts oidc-provider as MCP clients want an authorization server: with metadata they find, resources that they name,
 * and clients that register themselves.
 *
 * RFC 8414 (metadata), RFC 8707 (the token is a JWT whose `aud` is the resource), RFC 7591 (registration), RFC 7636
 * (PKCE), RFC 9207 (`iss` in the answer), RFC 9449 (tokens that are bound to a key, for who proves to have one). Its
 * identifier has a path, so that clients have to look for its metadata.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js'
import { Provider } from 'oidc-provider/lib/provider.js'
import { closeServer, listen } from '../../../src/demo/loopback.ts'
import { signIn } from '../../../src/demo/sign-in.ts'

/** The public client that applications are set up with. Nothing is ever sent to its redirect URI. */
export const MCP_CLIENT = Object.freeze({ id: 'mcp-app', redirectUri: 'http://127.0.0.1/callback' })

export const MCP_SCOPES = ['mcp:use', 'orders:write', 'reports:read'] as const

/** What a client asked of the authorization server, in the order of arrival. */
export interface IssuerRequest {
  readonly method: string
  /** With the query. */
  readonly target: string
}

export interface McpIssuer {
  readonly issuer: string
  /** A provider of the gateway that takes tokens for the resources of its routes. */
  readonly provider: Readonly<Record<string, unknown>>
  readonly requests: IssuerRequest[]
  /** Failures inside oidc-provider, which clients see as `server_error` only. */
  readonly errors: readonly Error[]
  close(): Promise<void>
}

export async function startMcpIssuer(): Promise<McpIssuer> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const key: JWK = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: randomUUID() }
  const errors: Error[] = []
  const requests: IssuerRequest[] = []
  // The port is part of the issuer's name, so the server listens before the provider is made.
  let handle = async (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.writeHead(503).end()
  }
  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? '', target: request.url ?? '' })
    handle(request, response).catch((error: Error) => {
      errors.push(error)
      response.destroy()
    })
  })
  const issuer = `http://${await listen(server, 0)}/as`
  const provider = new Provider(issuer, { ...configuration(key), adapter: createMemoryAdapter() })
  provider.silent = true
  provider.on('server_error', (_context, error) => errors.push(error))
  const oidc = provider.callback()
  handle = async (request, response) => {
    const target = request.url ?? ''
    // RFC 8414 §3.1 puts the well-known part before the path, and oidc-provider knows only what comes after its own.
    const [, wellKnown] = /^(\/\.well-known\/oauth-authorization-server)\/as$/.exec(target) ?? []
    const inside = wellKnown ?? (target.startsWith('/as/') ? target.slice('/as'.length) : undefined)
    if (inside === undefined) {
      response.writeHead(404).end()
      return
    }
    Object.assign(request, { originalUrl: `/as${inside}`, url: inside })
    if (inside.startsWith('/interaction/')) await signIn(provider, request, response)
    else await oidc(request, response)
  }
  return {
    issuer,
    provider: { type: 'jwt', issuer, audiences: ['https://nobody.example.com'], keys: { jwksUri: `${issuer}/jwks` } },
    requests,
    errors,
    close: () => closeServer(server),
  }
}

function configuration(key: JWK): Readonly<Record<string, unknown>> {
  return {
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clients: [
      {
        client_id: MCP_CLIENT.id,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: [MCP_CLIENT.redirectUri],
      },
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    scopes: ['openid', 'offline_access', ...MCP_SCOPES],
    pkce: { required: () => true },
    findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_context: unknown, { uid }: { readonly uid: string }) => `/as/interaction/${uid}` },
    clientBasedCORS: () => true,
    ttl: {
      AccessToken: 3_600,
      Grant: 86_400,
      IdToken: 3_600,
      Interaction: 3_600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    renderError: (context: { type: string; body: string }, answer: unknown) => {
      context.type = 'application/json'
      context.body = JSON.stringify(answer)
    },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      registration: { enabled: true },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: MCP_SCOPES.join(' '),
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }
}
