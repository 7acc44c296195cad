/**
 * Reads percent-encoded PEM, as nginx writes it (`$ssl_client_escaped_cert`) and Envoy in `X-Forwarded-Client-Cert`.
 *
 * RFC 7468 §2 and §3 (PEM), RFC 3986 §2.1. Further certificates after the first are the chain, and are not looked at,
 * but for their form. Text before, between and after certificates is refused. An empty value names no certificate.
 */
import { base64Certificate, type ParsedCertificate } from './base64-certificate.ts'

/** @param value percent-encoded PEM, as it stands in the header */
export function certificatePem(value: string): ParsedCertificate {
  if (value === '') return { thumbprint: undefined }
  const text = percentDecoded(value)
  if (text === undefined) return { problem: 'no percent-encoding' }
  const [, body] = PEM.exec(text) ?? []
  if (body === undefined) return { problem: 'no PEM' }
  return base64Certificate(body.replaceAll('\r', '').replaceAll('\n', ''))
}

const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'
const BODY = '([A-Za-z0-9+/=\\r\\n]+)'
const PEM = new RegExp(`^${BEGIN}${BODY}${END}[\\r\\n]*(?:${BEGIN}${BODY}${END}[\\r\\n]*)*$`)

/** A plus stands for itself. PEM is ASCII, so whatever else is encoded is refused later. */
function percentDecoded(value: string): string | undefined {
  if (BLANK.test(value)) return undefined
  try {
    return decodeURIComponent(value)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

const BLANK = /[ \t]/
