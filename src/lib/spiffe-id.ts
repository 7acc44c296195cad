/**
 * Reads SPIFFE IDs: `spiffe://TRUST-DOMAIN/PATH`, the name of a workload.
 *
 * SPIFFE-ID §2.1 (trust domain), §2.2 (path), §2.3 (length). Nothing is normalised: what has another spelling than the
 * standard's is no SPIFFE ID, so that no two texts name one workload. Whether a workload may do something is not asked
 * here.
 */

/** 255 bytes are what a host name of a URI may have. */
const LONGEST_TRUST_DOMAIN = 255
const LONGEST_ID = 2048
const SCHEME = 'spiffe://'

/** Whether this is the name of a trust domain. */
export function isTrustDomain(text: string): boolean {
  return text.length <= LONGEST_TRUST_DOMAIN && /^[a-z0-9._-]+$/.test(text)
}

/** The SPIFFE ID of a trust domain itself. */
export function trustDomainId(trustDomain: string): string {
  return SCHEME + trustDomain
}

/**
 * @returns what stands in the place of the trust domain, up to the slash after it; undefined where a text does not
 * begin like the SPIFFE ID of a workload
 */
export function trustDomainIn(text: string): string | undefined {
  if (!text.startsWith(SCHEME)) return undefined
  const end = text.indexOf('/', SCHEME.length)
  return end < 0 ? undefined : text.slice(SCHEME.length, end)
}

/** @returns why this is no SPIFFE ID of a workload; undefined where it is one */
export function workloadIdProblem(text: string): string | undefined {
  const trustDomain = trustDomainIn(text)
  if (trustDomain === undefined || !isTrustDomain(trustDomain)) return 'no SPIFFE ID of a workload'
  // All characters that are left after the next check are one byte long.
  if (text.length > LONGEST_ID) return `a SPIFFE ID of more than ${LONGEST_ID} bytes`
  const segments = text.slice(SCHEME.length + trustDomain.length + 1).split('/')
  if (segments.some(segment => segment === '')) return 'a SPIFFE ID with an empty segment in its path'
  if (segments.some(segment => segment === '.' || segment === '..')) return 'a SPIFFE ID with `.` or `..` in its path'
  if (!segments.every(segment => /^[A-Za-z0-9._-]+$/.test(segment)))
    return 'a SPIFFE ID with another character in its path than letters, digits, `.`, `_` and `-`'
  return undefined
}
