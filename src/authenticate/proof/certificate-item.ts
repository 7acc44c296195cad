/**
 * Reads `Client-Cert`: one byte sequence, `:base64:` (RFC 9440 §2.2, RFC 9651 §3.3.5).
 *
 * It is no list, and has no parameters.
 */
import { certificateThumbprint, isDerSequence, type ParsedCertificate, strictBase64 } from './certificate-thumbprint.ts'

export function certificateItem(value: string): ParsedCertificate {
  if (value.length < 2 || !value.startsWith(':') || !value.endsWith(':')) return { problem: 'no byte sequence' }
  const der = strictBase64(value.slice(1, -1))
  if (der === undefined) return { problem: 'no base64' }
  return isDerSequence(der) ? { thumbprint: certificateThumbprint(der) } : { problem: 'no certificate' }
}
