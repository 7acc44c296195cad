/**
 * Reads percent-encoded PEM, as nginx writes it (`$ssl_client_escaped_cert`) and Envoy in `X-Forwarded-Client-Cert`.
 *
 * RFC 7468 §2 and §3 (PEM), RFC 3986 §2.1. Further certificates after the first are the chain, and are not looked at,
 * but for their form. Text before, between and after certificates is refused. An empty value names no certificate.
 */
import { certificateThumbprint, isDerSequence, type ParsedCertificate, strictBase64 } from './certificate-thumbprint.ts'

export function certificatePem(value: string): ParsedCertificate {
  if (value === '') return { thumbprint: undefined }
  const text = percentDecoded(value)
  if (text === undefined) return { problem: 'no percent-encoding' }
  const [, body] = PEM.exec(text) ?? []
  if (body === undefined) return { problem: 'no PEM' }
  const der = strictBase64(body.replace(BLANKS, ''))
  if (der === undefined) return { problem: 'no base64' }
  return isDerSequence(der) ? { thumbprint: certificateThumbprint(der) } : { problem: 'no certificate' }
}

const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'
const BODY = '([A-Za-z0-9+/=\\s]+)'
const PEM = new RegExp(`^${BEGIN}${BODY}${END}\\s*(?:${BEGIN}${BODY}${END}\\s*)*$`)
const BLANKS = /\s+/g

/** A comma, as between the members of a list, is part of no PEM. A plus is one, as nginx, Envoy and HAProxy have it. */
function percentDecoded(value: string): string | undefined {
  if (NOT_ENCODED.test(value)) return undefined
  return value.replace(ENCODED, (_, octet: string) => String.fromCharCode(Number.parseInt(octet, 16)))
}

const NOT_ENCODED = /[ \t]|%(?![0-9A-Fa-f]{2})/
const ENCODED = /%([0-9A-Fa-f]{2})/g
