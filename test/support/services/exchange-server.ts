/**
 * Starts oidc-provider as an authorization server that exchanges tokens (RFC 8693), with what it issues noted.
 *
 * oidc-provider has no such grant of its own, so that it is registered here: it authenticates the client, reads the
 * form and words errors, and the grant judges the subject token and signs what is issued. Callers are clients who get
 * their own tokens, as JWTs for {@link CALLER_AUDIENCE}.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, customFetch, jwtVerify, SignJWT } from 'jose'
import { AccessDenied, InvalidGrant, InvalidTarget } from 'oidc-provider/lib/helpers/errors.js'
import { Agent, fetch as fetchBy } from 'undici'
import type { TestAuthority } from '../certificates.ts'
import { MACHINE_FEATURES, startOidcOverTls } from './oidc-over-tls.ts'

export const CALLER_AUDIENCE = 'https://api.example.com'
export const SERVICE_AUDIENCE = 'https://billing'

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const SECRET = 's3cret: %41+&=/?~'

interface Exchanged {
  readonly form: Readonly<Record<string, string | undefined>>
  readonly client: string
}

/** What the server does with the next exchanges, until it is told otherwise. */
export interface ExchangeAnswer {
  /** Members over those of a good answer; one that is undefined is left out. */
  readonly members?: Readonly<Record<string, unknown>>
  /** Lives so long; 300 by default. */
  readonly lifeSeconds?: number
  readonly error?: 'invalid_grant' | 'invalid_target' | 'access_denied'
  /** Begins before the answer. */
  readonly waitFor?: Promise<unknown>
}

export interface ExchangeServer {
  readonly issuer: string
  readonly caFile: string
  readonly clients: Readonly<Record<'assertion' | 'secret', Readonly<Record<string, string>>>>
  /** Every exchange that came so far, with what was sent. */
  readonly exchanges: Exchanged[]
  readonly secret: string
  answer: ExchangeAnswer
  /** A token of this caller. */
  token(caller: 'alice' | 'bob'): Promise<string>
  /** Answers every request in this way, until it is called without one. */
  handleBy(handle?: (response: ServerResponse) => void): void
  close(): Promise<void>
}

export async function startExchangeServer(authority: TestAuthority): Promise<ExchangeServer> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-exchange-'))
  const file = (name: string, content: string): string => {
    const path = join(folder, name)
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  const assertionKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuedBy = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = (key: typeof assertionKeys.publicKey) => ({
    ...key.export({ format: 'jwk' }),
    kid: 'gateway',
    alg: 'ES256',
  })
  const exchanging = { grant_types: [GRANT], response_types: [], redirect_uris: [] }
  const calling = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [], client_secret: SECRET }
  const server = await startOidcOverTls({
    name: 'exchange',
    authority,
    configuration: {
      clients: [
        {
          client_id: 'gateway',
          token_endpoint_auth_method: 'private_key_jwt',
          token_endpoint_auth_signing_alg: 'ES256',
          jwks: { keys: [jwk(assertionKeys.publicKey)] },
          ...exchanging,
        },
        { client_id: 'gateway-secret', client_secret: SECRET, ...exchanging },
        { client_id: 'alice', ...calling },
        { client_id: 'bob', ...calling },
      ],
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      clientAuthMethods: ['client_secret_basic', 'private_key_jwt'],
      enabledJWA: { idTokenSigningAlgValues: ['ES256'], clientAuthSigningAlgValues: ['ES256'] },
      scopes: ['billing:read'],
      ttl: { ClientCredentials: 3_600 },
      features: {
        ...MACHINE_FEATURES,
        resourceIndicators: {
          enabled: true,
          defaultResource: () => CALLER_AUDIENCE,
          getResourceServerInfo: (_context: unknown, audience: string) => ({
            scope: '',
            audience,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'ES256' } },
          }),
        },
      },
    },
  })
  const { issuer, provider } = server
  const agent = new Agent({ connect: { ca: authority.cert } })
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`), {
    [customFetch]: ((url: string, init: object) => fetchBy(url, { ...init, dispatcher: agent } as object)) as never,
  })
  const exchanges: Exchanged[] = []
  const made: Pick<ExchangeServer, 'answer'> = { answer: {} }

  async function exchange(oidc: GrantContext['oidc']): Promise<object> {
    const form = { ...oidc.params }
    exchanges.push({ form, client: oidc.client.clientId })
    const { members = {}, lifeSeconds = 300, error, waitFor } = made.answer
    await waitFor
    const { sub } = await verified(form.subject_token)
    if (error === 'invalid_grant') throw new InvalidGrant('not now')
    if (error === 'access_denied') throw new AccessDenied('not you')
    if (error === 'invalid_target' || form.audience !== SERVICE_AUDIENCE) throw new InvalidTarget('not there')
    const now = Math.floor(Date.now() / 1_000)
    const issued = new SignJWT({ scope: form.scope, act: { sub: oidc.client.clientId }, n: exchanges.length })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(issuer)
      .setSubject(String(sub))
      .setAudience(SERVICE_AUDIENCE)
      .setExpirationTime(now + lifeSeconds)
    return {
      access_token: await issued.sign(issuedBy.privateKey),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: lifeSeconds,
      ...members,
    }
  }

  async function verified(token = '') {
    try {
      return (await jwtVerify(token, keys, { issuer, audience: CALLER_AUDIENCE })).payload
    } catch {
      throw new InvalidGrant('the subject token is not good')
    }
  }

  const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope']
  ;(provider as unknown as GrantRegistry).registerGrantType(
    GRANT,
    async context => {
      context.body = await exchange(context.oidc)
    },
    parameters,
    [],
  )
  const answers = provider.callback()
  return {
    issuer,
    caFile: file('ca.pem', authority.cert),
    clients: {
      assertion: {
        id: 'gateway',
        auth: 'private_key_jwt',
        keyFile: file('client.jwk', JSON.stringify(jwk(assertionKeys.privateKey))),
      },
      secret: { id: 'gateway-secret', auth: 'basic', secretFile: file('secret', `${SECRET}\n`) },
    },
    exchanges,
    secret: SECRET,
    get answer() {
      return made.answer
    },
    set answer(next) {
      made.answer = next
    },
    async token(caller) {
      const credentials = btoa(`${caller}:${encodeURIComponent(SECRET)}`)
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      request(
        `${issuer}/token`,
        {
          method: 'POST',
          ca: authority.cert,
          agent: false,
          headers: { authorization: `Basic ${credentials}`, 'content-type': 'application/x-www-form-urlencoded' },
        },
        response => text(response).then(resolve, reject),
      )
        .on('error', reject)
        .end('grant_type=client_credentials')
      return String(JSON.parse(await promise).access_token)
    },
    handleBy(handle) {
      server.handleBy(handle === undefined ? answers : async (_request, response) => handle(response))
    },
    async close() {
      await server.close()
      await agent.destroy()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface GrantContext {
  readonly oidc: {
    readonly params: Readonly<Record<string, string | undefined>>
    readonly client: { readonly clientId: string }
  }
  body: unknown
}

interface GrantRegistry {
  registerGrantType(
    name: string,
    handler: (context: GrantContext) => Promise<void>,
    parameters: readonly string[],
    repeated: readonly string[],
  ): void
}
