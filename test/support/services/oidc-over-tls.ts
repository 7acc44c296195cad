/**
 * Holds what all issuers have in common that run oidc-provider over TLS and take certificates of clients.
 *
 * RFC 8705 §2.1 and §2.2 (clients that prove who they are by a certificate, signed or not).
 */
import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js'
import { Provider } from 'oidc-provider/lib/provider.js'
import { closeServer, listen } from '../../../src/demo/loopback.ts'
import type { Certificate, TestAuthority } from '../certificates.ts'

export interface TlsContext {
  readonly socket: TLSSocket
}

type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>

interface OidcOverTls {
  readonly issuer: string
  readonly provider: Provider
  /** Failures inside oidc-provider, which clients see as `server_error` only. */
  readonly errors: readonly Error[]
  /** Answers all requests in this way from now on; until then, oidc-provider does. */
  handleBy(handle: Handle): void
  close(): Promise<void>
}

interface OidcOptions {
  /** Begins the names of the certificate and of the signing key. */
  readonly name: string
  /** Signs the issuer's certificate. */
  readonly authority: TestAuthority
  /** What oidc-provider is to do besides what all issuers do. */
  readonly configuration: Readonly<Record<string, unknown>>
}

export async function startOidcOverTls({ name, authority, configuration }: OidcOptions): Promise<OidcOverTls> {
  const tls = authority.issue(`${name}-issuer`, ['DNS:localhost', 'IP:127.0.0.1'])
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const signingKey: JWK = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: `${name}-ES256` }
  const errors: Error[] = []
  // The port is part of the issuer's name, so the server listens before the provider is made.
  let handle: Handle = async (_request, response) => {
    response.writeHead(503).end()
  }
  const server = createServer(
    { cert: tls.cert, key: tls.key, ca: authority.cert, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      handle(request, response).catch((error: Error) => {
        errors.push(error)
        response.destroy()
      })
    },
  )
  const issuer = `https://localhost:${new URL(`https://${await listen(server, 0)}`).port}`
  const provider = new Provider(issuer, {
    adapter: createMemoryAdapter(),
    jwks: { keys: [signingKey] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clientBasedCORS: () => false,
    findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    ...configuration,
  })
  provider.silent = true
  provider.on('server_error', (_context, error) => errors.push(error))
  handle = provider.callback()
  return {
    issuer,
    provider,
    errors,
    handleBy(next) {
      handle = next
    },
    close: () => closeServer(server),
  }
}

/** What every issuer has of the features of oidc-provider: no pages, and tokens for machines. */
export const MACHINE_FEATURES = Object.freeze({
  devInteractions: { enabled: false },
  rpInitiatedLogout: { enabled: false },
  clientCredentials: { enabled: true },
})

/** The feature `mTLS`: certificates that the authority has signed, and such as nobody has. */
export const CLIENT_CERTIFICATES = Object.freeze({
  enabled: true,
  selfSignedTlsClientAuth: true,
  tlsClientAuth: true,
  getCertificate: (context: TlsContext) => context.socket.getPeerX509Certificate(),
  certificateAuthorized: (context: TlsContext) => context.socket.authorized,
  certificateSubjectMatches: (context: TlsContext, property: string, expected: string) =>
    property === 'tls_client_auth_san_dns' &&
    context.socket.getPeerX509Certificate()?.subjectAltName === `DNS:${expected}`,
})

/** Registers a certificate as RFC 8705 §2.2.2 does: as a key with `x5c`. */
export function certificateKey({ cert }: Certificate): object {
  const { publicKey, raw } = new X509Certificate(cert)
  return {
    ...publicKey.export({ format: 'jwk' }),
    kid: createHash('sha256').update(raw).digest('hex'),
    x5c: [raw.toString('base64')],
  }
}
