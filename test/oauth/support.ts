/** Makes clients of login providers, browsers that log in, and a provider that answers as a test says. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http, { type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { generateKeyPair, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'
import { closeServer, listen } from '../../src/demo/loopback.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import {
  type AuthorizationClient,
  type AuthorizationClientOptions,
  authorizationClient,
} from '../../src/oauth/authorization-client.ts'
import { OAuthFailure } from '../../src/oauth/oauth-failure.ts'

/** It is in whatever a provider says that no message may repeat. */
export const MARK = 'text-of-the-provider'
export const SECRET = 'secret-of-the-client'
export const REDIRECT_URI = 'https://shop.example.com/auth/callback'
export const CLIENT_ID = 'shop'

/** @returns what belongs to one login */
export function secrets() {
  const secret = () => randomBytes(32).toString('base64url')
  return { state: secret(), nonce: secret(), verifier: secret() }
}

/** Writes a file that is gone when the test ends. */
export function fileOf(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-login-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'file')
  writeFileSync(file, content, { mode: 0o600 })
  return file
}

/** @returns a client that is closed when the test ends */
export function clientOf(issuer: string, options: Partial<AuthorizationClientOptions> = {}): AuthorizationClient {
  const client = authorizationClient({
    issuer,
    hosts: [],
    client: options.client ?? { id: CLIENT_ID, auth: 'basic', secretFile: fileOf(SECRET) },
    scopes: ['openid', 'offline_access', 'orders:read'],
    parameters: {},
    redirectUri: REDIRECT_URI,
    clock: systemClock,
    clockToleranceSeconds: 5,
    scheduler: systemScheduler,
    allowInsecureHttp: false,
    timeoutMs: 10_000,
    ...options,
  })
  onTestFinished(() => client.close())
  return client
}

/** @returns how a call failed, or what it gave, if it did not */
export async function failureOf(call: Promise<unknown>): Promise<Partial<OAuthFailure>> {
  try {
    return { message: `gave ${JSON.stringify(await call)}` }
  } catch (error) {
    if (!(error instanceof OAuthFailure)) throw error
    const { kind, code, message, retryAfterSeconds, cause } = error
    return { kind, code, message, retryAfterSeconds, ...(cause === undefined ? {} : { cause }) }
  }
}

interface Asked {
  readonly path: string
  readonly form: URLSearchParams
  readonly headers: IncomingHttpHeaders
}

export type ScriptedAnswer = (response: ServerResponse, asked: Asked) => void | Promise<void>

export interface ScriptedProvider {
  readonly issuer: string
  /** What it was asked by POST. */
  readonly asked: readonly Asked[]
  /** How often it was asked for its metadata. */
  readonly searches: () => number
  /** Its metadata document; a test may change it. */
  readonly metadata: Record<string, unknown>
  /** Answers the path in this way from now on. */
  answer(path: '/authorize' | '/jwks' | '/token' | '/par' | '/revoke' | '/metadata', answer: ScriptedAnswer): void
  /** Resolves when it was asked `count` times in all. */
  wasAsked(count: number): Promise<void>
}

const METADATA_PATH = '/.well-known/openid-configuration'

export async function scriptedProvider(): Promise<ScriptedProvider> {
  const asked: Asked[] = []
  const answers = new Map<string, ScriptedAnswer>()
  let searches = 0
  let waiting: readonly (() => void)[] = []
  const server = http.createServer((request, response) => {
    void (async () => {
      if (request.url === METADATA_PATH) {
        searches += 1
        await (answers.get('/metadata') ?? saysJson(metadata))(response, {
          path: '',
          form: new URLSearchParams(),
          headers: {},
        })
        return
      }
      const path = request.url ?? ''
      if (request.method !== 'POST') {
        // A query is for the test that reads it.
        const answer = answers.get(path.split('?', 1).join('')) ?? saysStatus(404)
        await answer(response, { path, form: new URLSearchParams(), headers: {} })
        return
      }
      const one = { path, form: new URLSearchParams(await text(request)), headers: request.headers }
      asked.push(one)
      for (const check of waiting) check()
      await (answers.get(path) ?? saysStatus(404))(response, one)
    })().catch(() => response.destroy())
  })
  const issuer = `http://${await listen(server, 0)}`
  onTestFinished(() => closeServer(server))
  const metadata: Record<string, unknown> = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    revocation_endpoint: `${issuer}/revoke`,
  }
  return {
    issuer,
    asked,
    searches: () => searches,
    metadata,
    answer: (path, answer) => void answers.set(path, answer),
    wasAsked(count) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const check = (): void => {
        if (asked.length >= count) resolve()
      }
      waiting = [...waiting, check]
      check()
      return promise
    },
  }
}

export function says(body: string | Buffer, headers: http.OutgoingHttpHeaders = {}, status = 200): ScriptedAnswer {
  return response => void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
}

export function saysJson(value: unknown, headers: http.OutgoingHttpHeaders = {}, status = 200): ScriptedAnswer {
  return response =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

/** Answers with this status, and with a page. */
export function saysStatus(status: number, headers: http.OutgoingHttpHeaders = {}): ScriptedAnswer {
  return says(`<h1>${MARK}</h1>`, { 'content-type': 'text/html', ...headers }, status)
}

const key = generateKeyPair('ES256')

/** An ID token that is right for the login, but for what is given. A member that is undefined is left out. */
export async function idTokenOf(
  issuer: string,
  nonce: string,
  claims: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1_000)
  const right = { iss: issuer, sub: 'ada', aud: CLIENT_ID, nonce, iat: now, exp: now + 300 }
  return await new SignJWT({ ...right, ...claims }).setProtectedHeader({ alg: 'ES256' }).sign((await key).privateKey)
}
