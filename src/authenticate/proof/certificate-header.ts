/**
 * Reads the client's certificate from the header in which a trusted proxy names it, as a thumbprint.
 *
 * RFC 9440 §2 (`Client-Cert`), Envoy's `X-Forwarded-Client-Cert`, and PEM in a header of any name. Nobody else than a
 * trusted proxy is believed. Only the exact name counts, in either case: other spellings are removed like those of
 * every name of the gateway, and are no second line. What a proxy names need not be verified by anybody, so it proves a
 * binding and never an identity.
 */
import { Denial } from '../../errors.ts'
import type { RequestFacts } from '../../types.ts'
import type { ParsedCertificate } from './base64-certificate.ts'
import { certificateItem } from './certificate-item.ts'
import { certificatePem } from './certificate-pem.ts'
import { forwardedCertificate } from './forwarded-certificate.ts'

/** Names of the headers whose format is known by their name. */
export const CERTIFICATE_HEADERS = ['Client-Cert', 'X-Forwarded-Client-Cert'] as const

export type CertificateHeader =
  | { readonly name: 'Client-Cert'; readonly format: 'rfc9440' }
  | {
      readonly name: 'X-Forwarded-Client-Cert'
      readonly format: 'xfcc'
      /** Which element counts, from the right. */
      readonly hops: number
    }
  | { readonly name: string; readonly format: 'pem' }

interface CertificateHeaderOptions {
  readonly header: CertificateHeader
  /** Whether a peer at this address is believed. */
  readonly trusts: (address: string | undefined) => boolean
}

/**
 * Gives the thumbprint in base64url; undefined when no trusted proxy names a certificate.
 *
 * Throws a {@link Denial} with `request_malformed`: a trusted proxy names one, and it cannot be told which.
 */
type CertificateReader = (facts: RequestFacts) => string | undefined

export function certificateHeader({ header, trusts }: CertificateHeaderOptions): CertificateReader {
  const { name } = header
  const lowerCaseName = name.toLowerCase()
  const parse = parserOf(header)
  // The header of a request is read twice, for its form and for its token, and one client often sends several requests
  // in a row. So the last value that was read is kept.
  let last: { readonly value: string; readonly thumbprint: string | undefined } | undefined

  return ({ rawHeaders, peer }) => {
    if (!trusts(peer.address)) return undefined
    let value: string | undefined
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const each = rawHeaders[i] as string
      if (each.length !== lowerCaseName.length || each.toLowerCase() !== lowerCaseName) continue
      if (value !== undefined) throw malformed(name, 'more than one line')
      value = rawHeaders[i + 1]
    }
    if (value === undefined) return undefined
    if (last?.value === value) return last.thumbprint
    const parsed = parse(value)
    if ('problem' in parsed) throw malformed(name, parsed.problem)
    last = { value, thumbprint: parsed.thumbprint }
    return parsed.thumbprint
  }
}

function parserOf(header: CertificateHeader): (value: string) => ParsedCertificate {
  switch (header.format) {
    case 'rfc9440':
      return certificateItem
    case 'pem':
      return certificatePem
    case 'xfcc':
      return value => forwardedCertificate(value, header.hops)
  }
}

function malformed(name: string, problem: string): Denial {
  return new Denial('request_malformed', { evidence: { what: name, problem } })
}
