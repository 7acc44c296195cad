/**
 * Real MCP clients behind one face: that of the SDK 1.x, and that of 2.x in each era. Each signs its user in as often
 * as it is sent to the authorization server, and writes down every request that it sends.
 */
import {
  DpopSession,
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
  UnauthorizedError as ModernUnauthorized,
} from '@modelcontextprotocol/client'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { MCP_CLIENT } from '../services/mcp-issuer.ts'
import { browse } from './oidc-client.ts'

export interface SentRequest {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly body: string
  /** Status of the answer; 0 when there was none. */
  readonly status: number
}

export interface McpClientOptions {
  /** What users type: the address of the service. */
  readonly url: string
  /** The authorization server that the client is registered with. */
  readonly issuer: string
  /** Whether the client has to make itself known to the authorization server first. Default: `known`. */
  readonly registration?: 'known' | 'dynamic'
  /** Whether the SDK 2.x asks for tokens that are bound to a key of its own (RFC 9449). Default: `bearer`. */
  readonly tokens?: 'bearer' | 'dpop'
}

export interface McpClient {
  connect(): Promise<void>
  listTools(): Promise<readonly string[]>
  /** @returns the text of the result */
  callTool(name: string, args?: Record<string, unknown>): Promise<string>
  getPrompt(name: string): Promise<string>
  readResource(uri: string): Promise<string>
  /** Resolves once the service has told that its list of tools has changed. */
  readonly toolsChanged: Promise<void>
  /** Id of the session; undefined without one. */
  session(): string | undefined
  /** Ends the session at the service. */
  endSession(): Promise<void>
  /** Everything sent, to whomever, except the browser's part; oldest first. */
  readonly sent: readonly SentRequest[]
  /** Where the user was sent to sign in, oldest first. */
  readonly authorizations: readonly URL[]
  /** The access token in use. */
  accessToken(): string | undefined
  /** Makes the access token one that nobody takes, as if it had expired. */
  spoilAccessToken(): void
  close(): Promise<void>
}

/** For `describe.each`. */
export const MCP_CLIENTS: ReadonlyArray<{
  readonly name: string
  /** Revision that client and service agree on. */
  readonly era: '2025-11-25' | '2026-07-28'
  readonly makeClient: (options: McpClientOptions) => McpClient
}> = [
  { name: 'sdk 1.x', era: '2025-11-25', makeClient: firstClient },
  { name: 'client 2.x', era: '2025-11-25', makeClient: options => secondClient(options, 'legacy') },
  { name: 'client 2.x that negotiates', era: '2026-07-28', makeClient: options => secondClient(options, 'auto') },
]

const INFO = { name: 'test-client', version: '1.0.0' }
const CAPABILITIES = { elicitation: {}, sampling: {} }
const ANSWER = { action: 'accept' as const, content: { sure: true } }
const SUMMARY = { model: 'none', role: 'assistant' as const, content: { type: 'text' as const, text: 'short' } }

function firstClient(options: McpClientOptions): McpClient {
  const user = signedInUser(options)
  const changed = Promise.withResolvers<void>()
  let client: Client | undefined
  let transport: StreamableHTTPClientTransport | undefined
  const connected = () => ready(client)
  const connect = async (): Promise<void> => {
    client = new Client(INFO, { capabilities: CAPABILITIES })
    client.setRequestHandler(ElicitRequestSchema, () => ANSWER)
    client.setRequestHandler(CreateMessageRequestSchema, () => SUMMARY)
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => changed.resolve())
    transport = new StreamableHTTPClientTransport(new URL(options.url), {
      authProvider: user.provider,
      fetch: user.fetch,
    })
    await client.connect(transport as Transport)
  }
  const signedIn = <T>(action: () => Promise<T>): Promise<T> =>
    user.signedIn(action, {
      isMeant: error => error instanceof UnauthorizedError,
      finish: async callback => ready(transport).finishAuth(callback.get('code') ?? ''),
    })
  return {
    ...user.seen,
    toolsChanged: changed.promise,
    connect: () => signedIn(connect),
    listTools: () => signedIn(async () => (await connected().listTools()).tools.map(({ name }) => name)),
    callTool: (name, args = {}) =>
      signedIn(async () => textOf((await connected().callTool({ name, arguments: args })).content)),
    getPrompt: name =>
      signedIn(async () => textOf((await connected().getPrompt({ name })).messages.map(({ content }) => content))),
    readResource: uri => signedIn(async () => textOf((await connected().readResource({ uri })).contents)),
    session: () => transport?.sessionId,
    endSession: () => ready(transport).terminateSession(),
    close: async () => client?.close(),
  }
}

function secondClient(options: McpClientOptions, mode: 'legacy' | 'auto'): McpClient {
  const user = signedInUser(options)
  const changed = Promise.withResolvers<void>()
  const proofs = options.tokens === 'dpop' ? DpopSession.create() : undefined
  const provider = proofs === undefined ? user.provider : { ...user.provider, dpop: () => proofs }
  let client: ModernClient | undefined
  let transport: ModernTransport | undefined
  const connected = () => ready(client)
  const connect = async (): Promise<void> => {
    const negotiation = mode === 'auto' ? { versionNegotiation: { mode: 'auto' as const } } : {}
    client = new ModernClient(INFO, { capabilities: CAPABILITIES, ...negotiation })
    client.setRequestHandler('elicitation/create', () => ANSWER)
    client.setRequestHandler('sampling/createMessage', () => SUMMARY)
    client.setNotificationHandler('notifications/tools/list_changed', () => changed.resolve())
    transport = new ModernTransport(new URL(options.url), { authProvider: provider, fetch: user.fetch })
    await client.connect(transport)
  }
  const signedIn = <T>(action: () => Promise<T>): Promise<T> =>
    user.signedIn(action, {
      isMeant: error => error instanceof ModernUnauthorized,
      finish: async callback => ready(transport).finishAuth(callback),
    })
  return {
    ...user.seen,
    toolsChanged: changed.promise,
    connect: () => signedIn(connect),
    listTools: () => signedIn(async () => (await connected().listTools()).tools.map(({ name }) => name)),
    callTool: (name, args = {}) =>
      signedIn(async () => textOf((await connected().callTool({ name, arguments: args })).content)),
    getPrompt: name =>
      signedIn(async () => textOf((await connected().getPrompt({ name })).messages.map(({ content }) => content))),
    readResource: uri => signedIn(async () => textOf((await connected().readResource({ uri })).contents)),
    session: () => transport?.sessionId,
    endSession: () => ready(transport).terminateSession(),
    close: async () => client?.close(),
  }
}

interface Tokens {
  readonly access_token: string
  readonly token_type: string
  readonly refresh_token?: string
  readonly scope?: string
}

interface SignIn {
  isMeant(error: unknown): boolean
  finish(callback: URLSearchParams): Promise<void>
}

/** Is what both SDKs ask of an application, with a browser in which `ada` signs in. */
function signedInUser({ issuer, registration = 'known' }: McpClientOptions) {
  const sent: SentRequest[] = []
  const authorizations: URL[] = []
  const cookies = new Map<string, string>()
  const known = registration === 'known' ? { client_id: MCP_CLIENT.id, issuer } : undefined
  let information: { readonly client_id: string; readonly issuer?: string } | undefined = known
  let tokens: (Tokens & { readonly issuer?: string }) | undefined
  let verifier = ''
  let discovery: unknown
  const provider = {
    redirectUrl: MCP_CLIENT.redirectUri,
    clientMetadata: {
      client_name: 'test-client',
      application_type: 'native',
      redirect_uris: [MCP_CLIENT.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    clientInformation: () => information,
    saveClientInformation(saved: { readonly client_id: string }) {
      information = saved
    },
    tokens: () => tokens,
    saveTokens(saved: Tokens) {
      tokens = saved
    },
    redirectToAuthorization(url: URL) {
      authorizations.push(url)
    },
    saveCodeVerifier(saved: string) {
      verifier = saved
    },
    codeVerifier: () => verifier,
    saveDiscoveryState(saved: unknown) {
      discovery = saved
    },
    discoveryState: (): never => discovery as never,
  }
  return {
    provider,
    seen: {
      sent,
      authorizations,
      accessToken: () => tokens?.access_token,
      spoilAccessToken() {
        if (tokens !== undefined) tokens = { ...tokens, access_token: tokens.access_token.slice(0, -4) }
      },
    },
    async fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
      const { method = 'GET', body } = init
      const request = {
        method,
        url: String(input instanceof Request ? input.url : input),
        headers: new Headers(init.headers),
        body: typeof body === 'string' || body instanceof URLSearchParams ? String(body) : '',
        status: 0,
      }
      sent.push(request)
      const response = await fetch(input, init)
      request.status = response.status
      return response
    },
    async signedIn<T>(action: () => Promise<T>, { isMeant, finish }: SignIn): Promise<T> {
      try {
        return await action()
      } catch (error) {
        const url = authorizations.at(-1)
        if (!isMeant(error) || url === undefined) throw error
        const callback = await browse(url, MCP_CLIENT.redirectUri, { login: 'ada' }, { cookies })
        if (!callback.searchParams.has('code')) throw new Error(`nobody was signed in: ${callback}`)
        await finish(callback.searchParams)
        return await action()
      }
    },
  }
}

function ready<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('connect first')
  return part
}

function textOf(parts: unknown): string {
  if (!Array.isArray(parts)) throw new Error(`no content: ${JSON.stringify(parts)}`)
  return parts.map((part: { readonly text?: string }) => part.text ?? '').join('\n')
}
