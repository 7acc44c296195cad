/**
 * Says whose quota a request spends: the parts of a key become one text, which no other parts can make.
 *
 * Each part carries its kind and its length, so that `ab` and `c` are not `a` and `bc`. A caller without a claim shares
 * the quota of all who lack it, and is never without limit. Clients with IPv6 count by /64, since each of them has as
 * many addresses as it likes there; behind NAT64, where one network holds all clients, by their addresses of IPv4. A
 * long claim counts by its hash, so that a key takes no more memory than others.
 */
import { hash } from 'node:crypto'
import { type ClaimReader, claimReader } from '../claim-reader.ts'
import { translatedIpv4 } from '../lib/embedded-ipv4.ts'
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
  return typeof value === 'string' ? `s${bounded(value)}` : `j${bounded(JSON.stringify(value))}`
}

/** Subjects are shorter, and a hash costs more than comparing them. */
const LONGEST_CLAIM = 64

/** What follows `#` has one length, and is no length itself. */
function bounded(text: string): string {
  return text.length <= LONGEST_CLAIM ? withLength(text) : `#${hash('sha256', text, 'base64url')}`
}

/** Groups of 16 bits: of an address of IPv6, and of its network. */
const [GROUPS, NETWORK_GROUPS] = [8, 4]

/** @returns an address of IPv4, also where NAT64 has made one of IPv6 of it, else the /64, however that is written */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const translated = translatedIpv4(address)
  if (translated !== undefined) return translated
  const written = endOfWritten(address)
  return `${written === undefined ? networkWrittenOut(address) : address.slice(0, written)}::/64`
}

const [COLON, ZERO, UPPER_A, UPPER_F] = [58, 48, 65, 70]

/** @returns where the network ends that is written as we would, like nearly all of them; undefined otherwise */
function endOfWritten(address: string): number | undefined {
  let groups = 0
  let before = COLON
  for (let at = 0; at < address.length; at += 1) {
    const code = address.charCodeAt(at)
    if (code === COLON) {
      groups += 1
      if (before === COLON) return undefined
      if (groups === NETWORK_GROUPS) return at
    } else if (before === COLON && code === ZERO && address.charCodeAt(at + 1) !== COLON) return undefined
    else if (code >= UPPER_A && code <= UPPER_F) return undefined
    before = code
  }
  return undefined
}

function networkWrittenOut(address: string): string {
  const gap = address.indexOf('::')
  let text = gap === 0 ? zeros(address, gap, 0) : ''
  let from = gap === 0 ? 2 : 0
  for (let groups = text.length / 2; groups < NETWORK_GROUPS; groups += 1) {
    const end = address.indexOf(':', from)
    text += `${shortGroup(address.slice(from, end === -1 ? undefined : end))}:`
    from = end + 1
    if (end === -1 || end !== gap) continue
    const filled = zeros(address, gap, groups + 1)
    text += filled
    groups += filled.length / 2
    from = gap + 2
  }
  return text.slice(0, -1)
}

/** Writes those groups out that `::` stands for, as far as the network goes. */
function zeros(address: string, gap: number, before: number): string {
  const tail = address.slice(gap + 2)
  // A tail may end in an address of IPv4, which is as long as two groups.
  const after = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0)
  return '0:'.repeat(Math.max(0, Math.min(GROUPS - before - after, NETWORK_GROUPS - before)))
}

function shortGroup(group: string): string {
  return group.replace(/^0+(?=.)/, '').toLowerCase()
}
