/**
 * Takes the certificate out of `X-Forwarded-Client-Cert`: that of one element, counted from the right, because clients
 * and proxies farther away write to the left.
 *
 * Attack: Envoy writes `URI` and `DNS` as they stand in the certificate, and quotes them never. Where it lets
 * certificates in that nobody has verified, `DNS:a,Hash=…` in one of them becomes an element of its own, as does
 * `DNS:"a",Hash=…`. That element stands to the right of the one that it came from, so nothing is believed that has such
 * a value before it.
 */
import type { ParsedCertificate } from './base64-certificate.ts'
import { type CertificateElement, certificateElements } from './certificate-elements.ts'
import { certificatePem } from './certificate-pem.ts'

/** @param hops which element counts, from the right; the last one is 1 */
export function forwardedCertificate(value: string, hops: number): ParsedCertificate {
  const elements = certificateElements(value)
  if (elements === undefined) return { problem: 'no list of elements' }
  const index = elements.length - hops
  const element = elements[index]
  if (element === undefined) return { thumbprint: undefined }
  return elements.slice(0, index).some(isOpen) ? { problem: OPEN } : namedBy(element)
}

const OPEN = 'it follows a URI or DNS, which could hold it; let the proxy write neither'

/** Is true for an element with a value that its certificate could continue. */
function isOpen(element: CertificateElement): boolean {
  return element.some(({ key }) => key === 'uri' || key === 'dns')
}

function namedBy(element: CertificateElement): ParsedCertificate {
  const named = element.filter(({ key }) => key === 'hash' || key === 'cert')
  const [hash, certificate] = ['hash', 'cert'].map(key => named.find(each => each.key === key)?.value)
  if (named.length > (hash === undefined ? 0 : 1) + (certificate === undefined ? 0 : 1))
    return { problem: 'one key twice' }
  const last = named.at(-1)
  if (last !== undefined && isOpen(element.slice(0, element.indexOf(last)))) return { problem: OPEN }
  if (hash !== undefined && !SHA_256.test(hash)) return { problem: 'no hash' }
  const hashed = hash === undefined ? undefined : Buffer.from(hash, 'hex').toString('base64url')
  if (certificate === undefined) return { thumbprint: hashed }
  const parsed = certificatePem(certificate)
  if ('problem' in parsed) return parsed
  if (parsed.thumbprint === undefined) return { problem: 'no certificate' }
  return hashed === undefined || hashed === parsed.thumbprint ? parsed : { problem: 'hash and certificate disagree' }
}

const SHA_256 = /^[0-9a-f]{64}$/i
