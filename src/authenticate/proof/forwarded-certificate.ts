/**
 * Takes the certificate out of `X-Forwarded-Client-Cert`: that of one element, counted from the right, because clients
 * and proxies farther away write to the left.
 *
 * Only `Hash` and `Cert` are looked at, in Envoy's words. Envoy writes `URI` and `DNS` as they stand in the certificate,
 * without quotes. So where it lets certificates in that nobody has verified, it must not be told to write these two:
 * what they hold could pass for an element.
 */
import { type CertificateElement, certificateElements } from './certificate-elements.ts'
import { certificatePem } from './certificate-pem.ts'
import type { ParsedCertificate } from './certificate-thumbprint.ts'

/** @param hops which element counts, from the right; the last one is 1 */
export function forwardedCertificate(value: string, hops: number): ParsedCertificate {
  const elements = certificateElements(value)
  if (elements === undefined) return { problem: 'no list of elements' }
  const element = elements.at(-hops)
  return element === undefined ? { thumbprint: undefined } : namedBy(element)
}

function namedBy(element: CertificateElement): ParsedCertificate {
  const [hashes, certificates] = [valuesOf(element, 'hash'), valuesOf(element, 'cert')]
  if (hashes.length > 1 || certificates.length > 1) return { problem: 'one key twice' }
  const [hash, certificate] = [hashes[0], certificates[0]]
  if (hash !== undefined && !SHA_256.test(hash)) return { problem: 'no hash' }
  const hashed = hash === undefined ? undefined : Buffer.from(hash, 'hex').toString('base64url')
  if (certificate === undefined) return { thumbprint: hashed }
  const parsed = certificatePem(certificate)
  if ('problem' in parsed) return parsed
  if (parsed.thumbprint === undefined) return { problem: 'no certificate' }
  if (hashed !== undefined && hashed !== parsed.thumbprint) return { problem: 'hash and certificate disagree' }
  return parsed
}

function valuesOf(element: CertificateElement, key: string): readonly string[] {
  return element.flatMap(([each, value]) => (each === key ? [value] : []))
}

const SHA_256 = /^[0-9a-f]{64}$/i
