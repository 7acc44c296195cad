/**
 * Says whose quota a request spends: the parts of a key become one text, which no other parts can make.
 *
 * Each part carries its kind and its length, so that `ab` and `c` are not `a` and `bc`. A caller without a claim shares
 * the quota of all who lack it, and is never without limit. Clients with IPv6 count by /64, since each of them has as
 * many addresses as it likes there.
 */
import { isIPv6 } from 'node:net'
import { type ClaimReader, claimReader } from '../claim-reader.ts'
import type { JsonValue, Principal, RequestFacts } from '../types.ts'

export type KeyPart = { readonly claim: string } | 'provider' | 'route' | 'client'

/** What keys are made of. */
interface KeyOptions {
  readonly parts: readonly KeyPart[]
  readonly route: string
  readonly clientAddress: (facts: Pick<RequestFacts, 'peer' | 'rawHeaders'>) => string | undefined
}

interface KeyReader {
  /** Whether all requests of a principal to the route have one key. */
  readonly isOfPrincipal: boolean
  /** @param principal undefined for anonymous callers, who share what claims make */
  read(principal: Principal | undefined, facts: RequestFacts): string
}

type PartReader = (principal: Principal | undefined, facts: RequestFacts) => string

export function keyReader({ parts, route, clientAddress }: KeyOptions): KeyReader {
  const readers = parts.map((part): PartReader => {
    if (part === 'route') return fixed(`r${withLength(route)}`)
    if (part === 'provider') return principal => `p${withLength(principal?.provider ?? '')}`
    if (part === 'client') return (_, facts) => `c${withLength(networkOf(clientAddress(facts) ?? ''))}`
    const read = claimReader(part.claim)
    return principal => claimText(read, principal)
  })
  const [only] = readers
  return {
    isOfPrincipal: !parts.includes('client'),
    read:
      readers.length === 1 && only !== undefined
        ? only
        : (principal, facts) => {
            let text = ''
            for (const read of readers) text += read(principal, facts)
            return text
          },
  }
}

function fixed(text: string): PartReader {
  return () => text
}

function withLength(text: string): string {
  return `${text.length}:${text}`
}

/** Another type is another value: `7` and `"7"` are two callers. */
function claimText(read: ClaimReader, principal: Principal | undefined): string {
  const value: JsonValue | undefined = principal && read(principal.claims)
  if (value === undefined || value === null) return '-'
  return typeof value === 'string' ? `s${withLength(value)}` : `j${withLength(JSON.stringify(value))}`
}

/** @returns an address of IPv4 as it is, and the /64 of one of IPv6 */
export function networkOf(address: string): string {
  if (!address.includes(':') || !isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const first = head.split(':').filter(Boolean)
  const last = tail?.split(':').filter(Boolean) ?? []
  const groups = tail === undefined ? first : [...first, ...Array(8 - first.length - widthOf(last)).fill('0'), ...last]
  const network = groups.slice(0, 4).map(group => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}

/** A tail may end in an address of IPv4, which is as long as two groups. */
function widthOf(groups: readonly string[]): number {
  return groups.length + (groups.at(-1)?.includes('.') === true ? 1 : 0)
}
