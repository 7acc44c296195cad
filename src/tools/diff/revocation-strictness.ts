/**
 * Compares the sections `revocation` and `store`: which of two configurations hears of fewer revocations.
 *
 * A new key needs a row here. What stands in files is not compared: an entry that leaves `revocation.file` lets its
 * tokens in again, and shows here as nothing.
 */
import { withoutSessionEndpoints, writtenRevocation } from '../../config/schema/filled-in-revocation.ts'
import type { Config, RevocationConfig, StoreConfig } from '../../config/schema/schema.ts'
import { durationText } from '../../config/schema/units.ts'
import {
  allOf,
  another,
  anyOf,
  type Compare,
  type Comparisons,
  type Difference,
  differencesOf,
  limitMs,
  noMatter,
  otherwise,
  ranked,
} from './strictness.ts'

/** What becomes of requests while revocations may be missing. */
export const WHEN_STALE: Compare<'allow' | 'refuse'> = ranked({ allow: 0, refuse: 1 })

/** Without a store nothing ever seems to be missing, so that no request is refused for it. */
export function whenStaleIn(
  revocation: RevocationConfig | undefined,
  ofRoute: 'allow' | 'refuse' | undefined,
): 'allow' | 'refuse' {
  return revocation?.store === undefined ? 'allow' : (ofRoute ?? revocation.whenStale ?? 'refuse')
}

/** Endpoints are left out, since each of them is compared by itself. */
const SOURCES = ['file', 'store', 'api'] as const

/**
 * Compares what people have written. A section that is there for sessions alone is no change of theirs when sessions
 * come or go. Against one that is written it counts, since entries in it are in force, too.
 */
export function revocationDifferences(old: Config, next: Config): readonly Difference[] {
  const [before, after] = [writtenRevocation(old), writtenRevocation(next)]
  return sectionDifferences(
    before ?? (after && withoutSessionEndpoints(old)),
    after ?? (before && withoutSessionEndpoints(next)),
  )
}

/** Without the section no token is taken back. */
function sectionDifferences(
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

const REVOCATION: Comparisons<RevocationConfig, RevocationConfig> = {
  whenStale: (name, _before, _after, around) =>
    WHEN_STALE(name, whenStaleIn(around.before, undefined), whenStaleIn(around.after, undefined), around),
  maxStale: limitMs,
  shortLived: (name, before = 0, after = 0) => limitMs(name, before, after),
  keep: (name, before, after) => atLeast(name, before, after, durationText),
  entries: (name, before, after) => atLeast(name, before, after, String),
  claims: (name, before, after) =>
    before.session === after.session
      ? []
      : [
          {
            direction: 'changed',
            text: `${name}.session: ${before.session} → ${after.session}`,
            witness: `tokens of a revoked session that name it in ${before.session} alone`,
          },
        ],
  cacheFile(name, before, after) {
    if (before !== undefined && after !== undefined) return otherwise(name, before, after)
    if (after !== undefined) return [{ direction: 'tightened', text: `${name}: knows after a restart what it knew` }]
    return before === undefined ? [] : [{ direction: 'loosened', text: `${name}: forgets with a restart what it knew` }]
  },
  file: inBoth(otherwise),
  store: inBoth(another),
  api: noMatter('It says who may revoke, and lets nobody in.'),
  backchannelLogout: (name, before = [], after = []) => allOf(name, before.map(logoutText), after.map(logoutText)),
  signals: (name, before = [], after = []) => allOf(name, before.map(signalsText), after.map(signalsText)),
}

/** Compares lower bounds: what is kept for a shorter time, or has less room, revokes less. */
function atLeast(name: string, before: number, after: number, text: (bound: number) => string): readonly Difference[] {
  if (before === after) return []
  return [{ direction: after < before ? 'loosened' : 'tightened', text: `${name}: ${text(before)} → ${text(after)}` }]
}

/** Compares a source that both have. Where only one has it, the list of sources tells of that. */
function inBoth<Value>(compare: (name: string, before: Value, after: Value) => readonly Difference[]) {
  return (name: string, before: Value | undefined, after: Value | undefined): readonly Difference[] =>
    before === undefined || after === undefined ? [] : compare(name, before, after)
}

type LogoutEndpoint = NonNullable<RevocationConfig['backchannelLogout']>[number]
type SignalsEndpoint = NonNullable<RevocationConfig['signals']>[number]

function logoutText({ provider, path, clientId, covers }: LogoutEndpoint): string {
  return `${path} of ${provider} for ${clientId} (${covers})`
}

function signalsText({ provider, path, audience }: SignalsEndpoint): string {
  return `${path} of ${provider} for ${audience}`
}

/** Compares two stores. Where there is only one, the sources of `revocation` tell of that. */
export function storeDifferences(
  before: StoreConfig | undefined,
  after: StoreConfig | undefined,
): readonly Difference[] {
  if (before === undefined || after === undefined) return []
  return differencesOf(STORE, before, after, { before, after })
}

/** Whoever controls the store can undo revocations. */
const STORE: Comparisons<StoreConfig> = {
  url(name, before, after) {
    const [from, to] = [nodeText(before), nodeText(after)]
    const isSame = from === to && before.database === after.database
    return [
      ...(isSame
        ? []
        : [
            {
              direction: 'changed' as const,
              text: `${name}: ${from}/${before.database} → ${to}/${after.database}`,
              witness: `tokens that are revoked in the store at ${from}/${before.database} alone`,
            },
          ]),
      ...ranked<boolean>({ true: 1, false: 0 })(`${name}, TLS`, before.isTls, after.isTls, { before, after }),
    ]
  },
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
