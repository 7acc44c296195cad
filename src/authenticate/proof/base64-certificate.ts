/**
 * Reads a certificate in base64, which is DER, as its thumbprint.
 *
 * RFC 4648 §4 (base64), X.690 §8.1 and §10.1 (DER). Of the certificate only the outermost form is checked, so that a
 * proxy that cuts it short is noticed. What stands in it is not looked at: nobody's token has the thumbprint of other
 * bytes than those of the client's certificate.
 */
import { certificateThumbprint } from '../../lib/certificate-thumbprint.ts'

/**
 * Which certificate the value of a header names, by its thumbprint, which is undefined where the value names none. The
 * problem says why that cannot be told, in words that repeat nothing of the value.
 */
export type ParsedCertificate = { readonly thumbprint: string | undefined } | { readonly problem: string }

/** @param text base64 with its padding and nothing else */
export function base64Certificate(text: string): ParsedCertificate {
  const der = strictBase64(text)
  if (der === undefined) return { problem: 'no base64' }
  return isDerSequence(der) ? { thumbprint: certificateThumbprint(der) } : { problem: 'no certificate' }
}

/** @returns undefined for any other text than base64 with its padding */
function strictBase64(text: string): Buffer | undefined {
  if (text.length === 0 || text.length % 4 !== 0 || !BASE64.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  // The bits that no octet takes have to be 0 (§3.5).
  return bytes.toString('base64') === text ? bytes : undefined
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** Is true for one SEQUENCE with a definite length that ends where the bytes end. */
function isDerSequence(bytes: Uint8Array): boolean {
  const [tag, first] = bytes
  if (tag !== 0x30 || first === undefined) return false
  if (first < 0x80) return bytes.length === 2 + first
  const octets = first & 0x7f
  if (octets === 0 || octets > 3 || bytes.length < 2 + octets) return false
  let length = 0
  for (let i = 0; i < octets; i += 1) length = length * 256 + (bytes[2 + i] as number)
  const isShortest = length >= (octets === 1 ? 0x80 : 256 ** (octets - 1))
  return isShortest && bytes.length === 2 + octets + length
}
