/**
 * Makes the thumbprint of a certificate, by which tokens are bound to it (RFC 8705 §3.1, `x5t#S256`).
 */
import { hash } from 'node:crypto'

/** @param der the certificate as it goes over the wire, in DER @returns SHA-256 in base64url */
export function certificateThumbprint(der: Uint8Array): string {
  return hash('sha256', der, 'base64url')
}
