/**
 * Reads `Client-Cert`: one byte sequence, `:base64:` (RFC 9440 §2.2, RFC 9651 §3.3.5).
 *
 * It is no list, and has no parameters.
 */
import { base64Certificate, type ParsedCertificate } from './base64-certificate.ts'

/** @param value that of the one header line, without blanks around it */
export function certificateItem(value: string): ParsedCertificate {
  if (value.length < 2 || !value.startsWith(':') || !value.endsWith(':')) return { problem: 'no byte sequence' }
  return base64Certificate(value.slice(1, -1))
}
