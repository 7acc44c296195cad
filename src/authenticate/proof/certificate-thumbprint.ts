/**
 * Makes the thumbprint of a certificate in DER, which tokens are bound by (RFC 8705 §3.1), and knows its outermost
 * form.
 *
 * The certificate itself is not looked at: of another text than the client's certificate, nobody's token has the hash.
 */
import { hash } from 'node:crypto'

/** What the value of a header names, or why that cannot be told, in words that repeat nothing of it. */
export type ParsedCertificate = { readonly thumbprint: string | undefined } | { readonly problem: string }

/** @returns SHA-256 in base64url */
export function certificateThumbprint(der: Uint8Array): string {
  return hash('sha256', der, 'base64url')
}

/** Is true for one SEQUENCE with a definite length that ends where the bytes end (X.690 §8.1, §10.1). */
export function isDerSequence(bytes: Uint8Array): boolean {
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

/** Decodes base64 with its padding and nothing else (RFC 4648 §4); undefined for any other text. */
export function strictBase64(text: string): Buffer | undefined {
  if (text.length === 0 || text.length % 4 !== 0 || !BASE64.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  // The bits that no octet takes have to be 0 (§3.5).
  return bytes.toString('base64') === text ? bytes : undefined
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
