/**
 * Plays an introspection endpoint on loopback (RFC 7662): a normal server that knows tokens, or one that answers as a
 * test says (`answer-faults.ts`).
 *
 * It also serves its metadata document (RFC 8414) and its keys, and signs answers (RFC 9701). It records what it was
 * asked. It does not check who asks: a test looks at the records.
 */
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'

export interface Question {
  /** The form of the body. */
  readonly form: URLSearchParams
  readonly body: string
  readonly headers: IncomingHttpHeaders
  /** SHA-256 of the certificate that was shown, base64url; undefined: none was. */
  readonly certificate: string | undefined
  /** Counts connections, so that two questions on one can be told from two on two. */
  readonly connection: number
}

/** Answers one question; it may keep, break or drop the connection. */
export type EndpointAnswer = (response: ServerResponse, question: Question) => void | Promise<void>

export interface EndpointOptions {
  /** Serves TLS and asks for a certificate, which need not be signed by anybody. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Default: the origin. */
  readonly issuer?: string
}

export interface IntrospectionEndpoint {
  readonly origin: string
  readonly issuer: string
  readonly url: string
  /** Where its keys are. */
  readonly jwksUri: string
  readonly questions: readonly Question[]
  /** How often each other path was asked for. */
  readonly fetched: ReadonlyMap<string, number>
  /** The tokens it knows, each with its answer. Of any other it says `{"active":false}`. */
  readonly tokens: Map<string, Readonly<Record<string, unknown>>>
  /** Its metadata document; a test may change it. */
  readonly metadata: Record<string, unknown>
  /** Answers everything in this way from now on; undefined: as a normal server. */
  answerWith(answer: EndpointAnswer | undefined): void
  /** Signs what a server says in an answer by RFC 9701: all of it by default right, each part as given. */
  signed(parts: SignedParts): Promise<string>
  /** Resolves when it was asked `count` questions in all. */
  asked(count: number): Promise<void>
  openConnections(): number
  /** Ends all connections on which nothing is under way, as a server does whose patience is over. */
  dropIdle(): void
  /** Cuts every connection and refuses new ones until {@link up}. */
  down(): Promise<void>
  up(): Promise<void>
}

export interface SignedParts {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  /** The `token_introspection` member. */
  readonly about?: unknown
  /** Signs with a key that the issuer does not have, under its name. */
  readonly by?: 'issuer' | 'stranger'
  /** Default: the `client_id` of {@link CLIENT_ID}. */
  readonly audience?: unknown
  readonly nowSeconds?: number
}

/** The client for which answers are signed. */
export const CLIENT_ID = 'orders-gateway'

const PATH = '/introspect'
export const JSON_TYPE = 'application/json'
export const SIGNED_TYPE = 'application/token-introspection+jwt'

export async function startIntrospectionEndpoint(options: EndpointOptions = {}): Promise<IntrospectionEndpoint> {
  const questions: Question[] = []
  const fetched = new Map<string, number>()
  const tokens = new Map<string, Readonly<Record<string, unknown>>>()
  const connections = new Map<Socket, number>()
  const busy = new Set<Socket>()
  const keys = { issuer: await generateKeyPair('ES256'), stranger: await generateKeyPair('ES256') }
  const jwk: JWK = { ...(await exportJWK(keys.issuer.publicKey)), alg: 'ES256', use: 'sig', kid: 'answers' }
  let count = 0
  let answer: EndpointAnswer | undefined
  let waiting: readonly (() => void)[] = []

  const server = options.tls
    ? https.createServer({ ...options.tls, requestCert: true, rejectUnauthorized: false }, listener)
    : http.createServer(listener)
  server.keepAliveTimeout = 60_000
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    count += 1
    connections.set(socket, count)
    socket.on('error', () => {}).on('close', () => connections.delete(socket))
  })

  function listener(request: IncomingMessage, response: ServerResponse): void {
    busy.add(request.socket)
    response.on('close', () => busy.delete(request.socket))
    handle(request, response).catch(() => response.destroy())
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    if (path !== PATH) {
      fetched.set(path, (fetched.get(path) ?? 0) + 1)
      if (path === '/jwks.json') reply(response, { keys: [jwk] })
      else if (path === '/.well-known/openid-configuration') reply(response, metadata)
      else response.writeHead(404).end()
      return
    }
    const body = await text(request)
    const question: Question = {
      form: new URLSearchParams(body),
      body,
      headers: request.headers,
      certificate: options.tls === undefined ? undefined : thumbprint(request.socket as TLSSocket),
      connection: connections.get(request.socket) ?? 0,
    }
    questions.push(question)
    for (const check of waiting) check()
    await (answer ?? normally)(response, question)
  }

  async function normally(response: ServerResponse, { form, headers }: Question): Promise<void> {
    const about = tokens.get(form.get('token') ?? '') ?? { active: false }
    if (headers.accept !== SIGNED_TYPE) reply(response, about)
    else response.writeHead(200, { 'content-type': SIGNED_TYPE }).end(await signed({ about }))
  }

  async function signed({ claims, header, about, by = 'issuer', ...rest }: SignedParts): Promise<string> {
    const { audience = CLIENT_ID, nowSeconds = Math.floor(Date.now() / 1_000) } = rest
    const all = { iss: issuer, aud: audience, iat: nowSeconds, token_introspection: about, ...claims }
    return await new SignJWT(all as Record<string, unknown>)
      .setProtectedHeader({ alg: 'ES256', kid: 'answers', typ: 'token-introspection+jwt', ...header })
      .sign(keys[by].privateKey)
  }

  const up = async (port = 0): Promise<void> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const down = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    for (const socket of connections.keys()) socket.destroy()
    await closed
  }
  await up()
  onTestFinished(down)
  const { port } = server.address() as AddressInfo
  const origin = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`
  const issuer = options.issuer ?? origin
  const [url, jwksUri] = [`${origin}${PATH}`, `${origin}/jwks.json`]
  const metadata: Record<string, unknown> = { issuer, introspection_endpoint: url, jwks_uri: jwksUri }
  return {
    origin,
    issuer,
    url,
    jwksUri,
    questions,
    fetched,
    tokens,
    metadata,
    answerWith(next) {
      answer = next
    },
    signed,
    asked(wanted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const check = (): void => {
        if (questions.length >= wanted) resolve()
      }
      waiting = [...waiting, check]
      check()
      return promise
    },
    openConnections: () => connections.size,
    dropIdle() {
      for (const socket of connections.keys()) if (!busy.has(socket)) socket.destroy()
    },
    down,
    up: () => up(port),
  }
}

function reply(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': JSON_TYPE }).end(JSON.stringify(value))
}

function thumbprint(socket: TLSSocket): string | undefined {
  const raw = socket.getPeerX509Certificate()?.raw
  return raw && createHash('sha256').update(raw).digest('base64url')
}

/** The thumbprint that {@link Question.certificate} has for this certificate. */
export function thumbprintOf(pem: string): string {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url')
}

/** Answers 200 with these bytes. */
export function says(body: string | Buffer, headers: http.OutgoingHttpHeaders = {}): EndpointAnswer {
  return response => void response.writeHead(200, { 'content-type': JSON_TYPE, ...headers }).end(body)
}

/** Answers 200 with this value. */
export function saysJson(value: unknown, headers: http.OutgoingHttpHeaders = {}): EndpointAnswer {
  return says(JSON.stringify(value), headers)
}

/** Answers with this status, and with a body that no message may repeat. */
export function saysStatus(status: number, headers: http.OutgoingHttpHeaders = {}): EndpointAnswer {
  const body = JSON.stringify({ error: MARK, error_description: MARK, active: true })
  return response => void response.writeHead(status, { 'content-type': JSON_TYPE, ...headers }).end(body)
}

/** It is in every answer that is a fault, so that a test can look for it where it must not be. */
export const MARK = 'text-of-the-server'
