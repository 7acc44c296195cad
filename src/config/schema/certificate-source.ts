/**
 * Says where client certificates come from, of a configuration that leaves out what has a default.
 *
 * It is one place for a whole configuration: what a proxy shows to us is its own certificate, and no client's.
 */
import type { CertificateHeader } from '../../authenticate/proof/certificate-header.ts'
import type { Config, ListenConfig } from './schema.ts'

/** What is asked of clients in the handshake; undefined: nothing. */
type AskedCertificate = NonNullable<NonNullable<ListenConfig['tls']>['clientCertificate']> | undefined

type CertificateSource =
  | { readonly from: 'connection' }
  | { readonly from: 'header'; readonly header: CertificateHeader; readonly forward: boolean }

export function askedCertificate(tls: ListenConfig['tls']): AskedCertificate {
  return tls?.clientCertificate ?? (tls?.clientCaFile === undefined ? undefined : 'required')
}

/** @returns undefined where nobody names certificates */
export function certificateSource(
  listen: Pick<ListenConfig, 'tls'> | undefined,
  block: Config['clientCertificate'],
): CertificateSource | undefined {
  if (block?.from !== 'header') return askedCertificate(listen?.tls) === undefined ? undefined : { from: 'connection' }
  const { header = 'Client-Cert', hops = 1, forward = false } = block
  return { from: 'header', header: typeof header === 'string' ? headerOf(header, hops) : header, forward }
}

function headerOf(name: 'Client-Cert' | 'X-Forwarded-Client-Cert', hops: number): CertificateHeader {
  return name === 'Client-Cert' ? { name, format: 'rfc9440' } : { name, format: 'xfcc', hops }
}
