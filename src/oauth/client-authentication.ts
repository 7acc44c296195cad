/**
 * Proves to an authorization server who we are: adds to a form and its headers what a client shows there.
 *
 * RFC 6749 §2.3.1 (`basic`, form-encoded before base64, and `post`), RFC 7523 §2.2 (`private_key_jwt`, with the issuer
 * as its audience), RFC 8705 §2 (`tls`), RFC 6750 §2.1 (`bearer`, as RFC 7662 §2.1 allows for introspection).
 * Files are read for every request, so that a new secret counts as soon as it is there; what costs time to make of them
 * is remembered for as long as they stay the same. No message holds any content of a file.
 */
import type { ClientAuth, ModifyAssertionFunction } from 'oauth4webapi'
import type { TlsMaterial } from '../keys/fetch/kept-connections.ts'
import { readBearerToken, readLocalFile, usedFrom } from '../keys/fetch/local-file.ts'
import type { Clock } from '../lib/clock.ts'
import { type AssertionKey, assertionKey } from './assertion-key.ts'
import { clientCertificate, clientKey, requirePair, textOf } from './client-files.ts'
import { oauthLibrary } from './library.ts'

/** How a client proves who it is, as in the `client` block of the configuration. */
export type ClientCredentials =
  | { readonly id: string; readonly auth: 'basic' | 'post'; readonly secretFile: string }
  | {
      readonly id: string
      readonly auth: 'private_key_jwt'
      /** PEM, or a JWK whose `kid` is sent and whose `alg` is the default algorithm. */
      readonly keyFile: string
      readonly algorithm?: string | undefined
    }
  | { readonly id: string; readonly auth: 'tls'; readonly certFile: string; readonly keyFile: string }
  | { readonly id?: string | undefined; readonly auth: 'bearer'; readonly tokenFile: string }

interface ClientAuthenticationOptions {
  readonly client: ClientCredentials
  readonly issuer: string
  readonly clock: Clock
}

/** What has to go with the form: it is added to the headers, and shown on the connection. */
interface ClientProof {
  readonly headers: Readonly<Record<string, string>>
  readonly tls: TlsMaterial
}

interface ClientAuthentication {
  /**
   * Adds to the form what belongs there.
   *
   * @throws {FetchFailure} `local_file`: a file of the client cannot be used; the message names its option
   */
  proveIn(form: URLSearchParams): Promise<ClientProof>
}

export function clientAuthentication(options: ClientAuthenticationOptions): ClientAuthentication {
  const { client, issuer } = options
  const method = methodOf(options)
  return {
    async proveIn(form) {
      const { authenticate, tls = {}, authorization } = await method()
      const headers = new Headers(authorization === undefined ? {} : { authorization })
      await authenticate?.({ issuer }, { client_id: client.id ?? '' }, form, headers)
      return { headers: Object.fromEntries(headers), tls }
    },
  }
}

interface Means {
  readonly authenticate?: ClientAuth
  readonly tls?: TlsMaterial
  readonly authorization?: string
}

function methodOf({ client, clock }: ClientAuthenticationOptions): () => Means | Promise<Means> {
  switch (client.auth) {
    case 'basic':
      return () => ({ authorization: basic(client.id, secretIn(client.secretFile)) })
    case 'post':
      return async () => {
        const secret = secretIn(client.secretFile)
        return { authenticate: (await oauthLibrary()).ClientSecretPost(secret) }
      }
    case 'private_key_jwt': {
      const keyOf = rememberLast((content: string) =>
        usedFrom('client.keyFile', () => assertionKey(content, client.algorithm)),
      )
      return async () => {
        const key = await keyOf(contentOf(client.keyFile, 'client.keyFile'))
        return { authenticate: await assertionBy(key, clock) }
      }
    }
    case 'tls': {
      const checked = rememberLast(checkPair)
      return async () => {
        const pair = {
          cert: contentOf(client.certFile, 'client.certFile'),
          key: contentOf(client.keyFile, 'client.keyFile'),
        }
        checked(JSON.stringify(pair))
        return { authenticate: (await oauthLibrary()).TlsClientAuth(), tls: pair }
      }
    }
    case 'bearer':
      return () => ({ authorization: `Bearer ${readBearerToken(client.tokenFile, 'client.tokenFile')}` })
  }
}

/**
 * Servers that decode read every encoding in the same way, and those that do not take what needs none. So nothing is
 * escaped that `application/x-www-form-urlencoded` leaves as it is: `-`, `_`, `.` and `*`.
 */
function basic(id: string, secret: string): string {
  const [user, password] = [id, secret].map(text => new URLSearchParams([['', text]]).toString().slice('='.length))
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

function contentOf(path: string, option: string): string {
  const content = readLocalFile(path, option)
  return usedFrom(option, () => textOf(content))
}

function secretIn(path: string): string {
  return contentOf(path, 'client.secretFile')
}

/** Its times are those of our clock, and `nbf`, which servers judge without tolerance, is left out. */
async function assertionBy({ key, kid, algorithm }: AssertionKey, clock: Clock): Promise<ClientAuth> {
  const { PrivateKeyJwt, modifyAssertion } = await oauthLibrary()
  const modify: ModifyAssertionFunction = (header, payload) => {
    const now = Math.floor(clock.nowMs() / 1_000)
    Object.assign(header, { alg: algorithm })
    Object.assign(payload, { iat: now, exp: now + ASSERTION_SECONDS, nbf: undefined })
  }
  return PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, { [modifyAssertion]: modify })
}

const ASSERTION_SECONDS = 60

/** TLS would fail with a code that says nothing of the files. */
function checkPair(pair: string): true {
  const { cert, key } = JSON.parse(pair) as { readonly cert: string; readonly key: string }
  const certificate = usedFrom('client.certFile', () => clientCertificate(cert))
  usedFrom('client.keyFile', () => requirePair(certificate, clientKey(key)))
  return true
}

/** Remembers what was made of the last content. A failure is not remembered. */
function rememberLast<T>(make: (content: string) => T): (content: string) => T {
  let last: { readonly content: string; readonly value: T } | undefined
  return content => {
    if (last?.content !== content) last = { content, value: make(content) }
    return last.value
  }
}
