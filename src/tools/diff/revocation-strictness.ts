/**
 * Compares the sections `revocation` and `store`: which of two configurations hears of fewer revocations.
 *
 * A new key needs a row here.
 */
import type { RevocationConfig, StoreConfig } from '../../config/schema/schema.ts'
import {
  allOf,
  another,
  anyOf,
  type Compare,
  type Comparisons,
  type Difference,
  differencesOf,
  limit,
  limitMs,
  noMatter,
  otherwise,
  ranked,
} from './strictness.ts'

/** What becomes of requests while revocations may be missing; `off`: revocations are not looked at. */
export const WHEN_STALE: Compare<'off' | 'allow' | 'refuse'> = ranked({ off: 0, allow: 1, refuse: 2 })

const SOURCES = ['file', 'store', 'api', 'backchannelLogout', 'signals'] as const

/** Without the section no token is taken back. */
export function revocationDifferences(
  before: RevocationConfig | undefined,
  after: RevocationConfig | undefined,
): readonly Difference[] {
  if (before === undefined && after === undefined) return []
  if (before === undefined) return [{ direction: 'tightened', text: 'now looks at revocations' }]
  if (after === undefined) return [{ direction: 'loosened', text: 'no longer looks at revocations' }]
  return [
    ...allOf('hears of revocations by', sourcesOf(before), sourcesOf(after)),
    ...differencesOf(REVOCATION, before, after, { before, after }),
  ]
}

function sourcesOf(revocation: RevocationConfig): readonly string[] {
  return SOURCES.filter(source => revocation[source] !== undefined)
}

const REVOCATION: Comparisons<RevocationConfig> = {
  whenStale: (name, before = 'refuse', after = 'refuse', around) => WHEN_STALE(name, before, after, around),
  maxStale: limitMs,
  shortLived: (name, before = 0, after = 0) => limitMs(name, before, after),
  keep: (name, before, after) =>
    limitMs(name, after, before).map(difference => ({ ...difference, text: `${name} in ms: ${before} → ${after}` })),
  entries: (name, before, after) =>
    limit(name, after, before).map(difference => ({ ...difference, text: `${name}: ${before} → ${after}` })),
  claims: another,
  cacheFile: otherwise,
  file: ofSource,
  store: ofSource,
  api: noMatter('It says who may revoke, and lets nobody in.'),
  backchannelLogout: (name, before = [], after = []) => allOf(name, before.map(endpointText), after.map(endpointText)),
  signals: (name, before = [], after = []) => allOf(name, before.map(endpointText), after.map(endpointText)),
}

/** A source that comes or goes is told apart. */
function ofSource(name: string, before: unknown, after: unknown): readonly Difference[] {
  return before === undefined || after === undefined ? [] : otherwise(name, before, after)
}

function endpointText({ provider, path }: { readonly provider: string; readonly path: string }): string {
  return `${path} of ${provider}`
}

/** A store that comes or goes is told as a source of revocations. */
export function storeDifferences(
  before: StoreConfig | undefined,
  after: StoreConfig | undefined,
): readonly Difference[] {
  if (before === undefined || after === undefined) return []
  return differencesOf(STORE, before, after, { before, after })
}

/** Whoever controls the store can undo revocations. */
const STORE: Comparisons<StoreConfig> = {
  url: another,
  topology: another,
  nodes: (name, before = [], after = []) => anyOf(name, before.map(nodeText), after.map(nodeText)),
  username: otherwise,
  passwordFile: otherwise,
  tls: another,
  prefix: another,
  timeout: noMatter('It bounds how long a command takes, and no request waits for one.'),
  allowInsecureRedis: ranked({ true: 0, false: 1 }),
}

function nodeText({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`
}
