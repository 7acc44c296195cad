/**
 * Shows a client certificate with a request that nobody sends, in the way in which the configuration gets to know of
 * certificates: on the connection, or in the header of a trusted proxy.
 *
 * RFC 8705 §3. Whether an authority has signed the certificate is not judged here, since no connection is made.
 */
import { X509Certificate } from 'node:crypto'
import { certificateSource } from '../../config/schema/certificate-source.ts'
import type { Config } from '../../config/schema/schema.ts'
import { certificateThumbprint } from '../../lib/certificate-thumbprint.ts'
import type { Claims, Peer, RequestFacts } from '../../types.ts'
import { SOMEBODY } from './trial.ts'

/** @param text PEM, of which the first certificate counts @throws {SyntaxError} it holds none */
export function readCertificate(text: string): X509Certificate {
  try {
    return new X509Certificate(text)
  } catch {
    throw new SyntaxError('holds no PEM certificate')
  }
}

/**
 * A request that comes from nobody in particular comes from a trusted proxy, where the header of one tells.
 *
 * @returns undefined where the configuration asks for no certificates
 */
export function withCertificate(
  facts: RequestFacts,
  certificate: X509Certificate,
  { listen, clientCertificate }: Config,
): RequestFacts | undefined {
  const source = certificateSource(listen, clientCertificate)
  if (source === undefined) return undefined
  const { peer, rawHeaders } = facts
  if (source.from === 'connection')
    return {
      ...facts,
      peer: { ...peer, protocol: 'https', certificateThumbprint: certificateThumbprint(certificate.raw) },
    }
  const { header } = source
  return {
    ...facts,
    peer: peer === SOMEBODY ? proxyOf(listen?.trustedProxies ?? [], peer) : peer,
    rawHeaders: [
      ...rawHeaders,
      header.name,
      HEADER_VALUES[header.format](certificate, 'hops' in header ? header.hops : 1),
    ],
  }
}

/** Binds a token, unless its claims say what it is bound to. @param certificate undefined: to one that nobody has */
export function certificateBinding({ cnf }: Claims, certificate: X509Certificate | undefined): Claims {
  const isBlock = typeof cnf === 'object' && cnf !== null && !Array.isArray(cnf)
  if (cnf !== undefined && (!isBlock || Object.hasOwn(cnf, 'x5t#S256'))) return {}
  const thumbprint = certificate === undefined ? NOBODYS : certificateThumbprint(certificate.raw)
  return { cnf: { ...(isBlock ? (cnf as Claims) : {}), 'x5t#S256': thumbprint } }
}

/** No certificate is known that has this thumbprint. */
const NOBODYS = 'A'.repeat(43)

/** A range begins with an address of it. */
function proxyOf([proxy]: readonly string[], peer: Peer): Peer {
  return { ...peer, address: proxy === 'unix:' ? undefined : proxy?.split('/', 1)[0] }
}

const HEADER_VALUES: Readonly<
  Record<'rfc9440' | 'xfcc' | 'pem', (certificate: X509Certificate, hops: number) => string>
> = {
  rfc9440: ({ raw }) => `:${raw.toString('base64')}:`,
  pem: certificate => encodeURIComponent(certificate.toString()),
  xfcc: ({ fingerprint256 }, hops) =>
    `Hash=${fingerprint256.replaceAll(':', '').toLowerCase()}${',By=proxy'.repeat(hops - 1)}`,
}
