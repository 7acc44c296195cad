/**
 * Compares the sections of the configuration that hold for every request: the listeners, the services behind, identity
 * headers and limits.
 *
 * A new key needs a row here.
 */
import type {
  Address,
  AdminConfig,
  IdentityConfig,
  LimitsConfig,
  ListenConfig,
  UpstreamConfig,
} from '../../config/schema/schema.ts'
import { isLoopback } from '../../lib/loopback.ts'
import {
  another,
  anyOf,
  asked,
  type Comparisons,
  type Difference,
  differencesOf,
  limit,
  limitMs,
  noMatter,
} from './strictness.ts'

type ListenTls = NonNullable<ListenConfig['tls']>
type AppProbe = AdminConfig['appProbes'][number]

const LISTEN_TLS: Comparisons<Partial<ListenTls>> = {
  clientCaFile: asked<string>(another, file => file),
  certFile: noMatter('It shows clients who we are and asks nothing of them.'),
  keyFile: noMatter('It belongs to the certificate.'),
}

export const LISTEN: Comparisons<ListenConfig> = {
  address: reachDifferences,
  tls: (name, before, after, around) => [
    ...tlsDifferences(name, before, after),
    ...differencesOf(LISTEN_TLS, before ?? {}, after ?? {}, around, `${name}.`),
  ],
  trustedProxies: anyOf,
}

/** The admin listener asks nobody for a token, so whoever reaches it may use it. */
export const ADMIN: Comparisons<Partial<AdminConfig>> = {
  listen: reachDifferences,
  appProbes: (name, before = [], after = []) => anyOf(name, before.map(probeText), after.map(probeText)),
}

export const UPSTREAM: Comparisons<UpstreamConfig> = {
  url: noMatter('It is compared at the routes that lead there.'),
  timeouts: noMatter('They bound the answer of the service to a request that got in.'),
  tls: another,
}

export const IDENTITY: Comparisons<IdentityConfig> = {
  headers: another,
  reserved: another,
  forwardToken: another,
  maxBytes: another,
}

export const LIMITS: Comparisons<LimitsConfig> = {
  tokenBytes: limit,
  headerBytes: limit,
  headers: limit,
  bodyBytes: limit,
  headersTimeout: limitMs,
  bodyIdleTimeout: limitMs,
  connections: limit,
}

/** Tells when TLS goes or comes: without it, whoever is on the way can read a token and use it. */
function tlsDifferences(name: string, before: unknown, after: unknown): readonly Difference[] {
  if ((before === undefined) === (after === undefined)) return []
  return after === undefined
    ? [{ direction: 'loosened', text: `no longer asks for ${name}` }]
    : [{ direction: 'tightened', text: `now asks for ${name}` }]
}

function reachDifferences(
  name: string,
  before: Address | undefined,
  after: Address | undefined,
): readonly Difference[] {
  const [from, to] = [placeOf(before), placeOf(after)]
  if (from.name === to.name) return []
  const direction = from.reach === to.reach ? 'changed' : from.reach < to.reach ? 'loosened' : 'tightened'
  return [{ direction, text: `${name}: ${from.name} → ${to.name}` }]
}

/** Says where a listener is, without its port. The larger the reach, the more machines and users can connect to it. */
function placeOf(address: Address | undefined): { readonly name: string; readonly reach: number } {
  if (address === undefined) return { name: 'nowhere', reach: 0 }
  if ('socketPath' in address) return { name: `unix:${address.socketPath}`, reach: 1 }
  const { host: name } = address
  if (name === '0.0.0.0' || name === '::') return { name, reach: 4 }
  const url = URL.parse(`http://${name.includes(':') ? `[${name}]` : name}`)
  return { name, reach: url !== null && isLoopback(url) ? 2 : 3 }
}

function probeText({ path, upstream }: AppProbe): string {
  return upstream === undefined ? path : `${path} of ${upstream}`
}
