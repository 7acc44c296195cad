/** Tests what `policyDiff` finds in `revocation` and `store`: which of two configurations takes fewer tokens back. */
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { HEAD } from '../support.ts'
import { changes, compared } from './support.ts'

interface Sections {
  readonly revocation?: string
  readonly store?: string
  /** `revocation` of the route. */
  readonly route?: string
}

function configOf({ revocation, store, route }: Sections): Config {
  const own = route === undefined ? '' : `, revocation: ${route}`
  const text = [
    `${HEAD.replace('audiences:', 'maxLifetime: 1h, audiences:')}admin: { listen: 127.0.0.1:9090 }`,
    `routes: [{ id: a, path: /a${own} }]`,
    ...Object.entries({ revocation, store }).flatMap(([name, block]) =>
      block === undefined ? [] : [`${name}: ${block}`],
    ),
    '',
  ].join('\n')
  return loadConfig({ text, file: '/etc/sallyport.yaml', env: {}, namedFiles: 'unread' })
}

const STORE = '{ url: redis://127.0.0.1:6379 }'
const filed = (rest: string): Sections => ({ revocation: `{ file: a.yaml${rest} }` })
const stored = (rest: string, store = STORE): Sections => ({
  revocation: `{ whenStale: refuse, store: {}${rest} }`,
  store,
})
const logout = (rest: string) => `, backchannelLogout: [{ provider: main, clientId: shop, path: /out${rest} }]`
const signals = (audience: string) =>
  `, signals: [{ provider: main, audience: ${audience}, path: /in, tokenFile: secret }]`
const choosing = (whenStale: string, route?: string): Sections => ({
  revocation: `{ whenStale: ${whenStale}, store: {} }`,
  store: STORE,
  ...(route === undefined ? {} : { route: `{ whenStale: ${route} }` }),
})

/** Each row is judged from left to right, and the other way round. */
test.each<readonly [Sections, Sections, readonly string[], readonly string[]]>([
  [
    {},
    filed(''),
    ['tightened revocation: now looks at revocations'],
    ['loosened revocation: no longer looks at revocations'],
  ],
  [
    filed(''),
    filed(', api: { tokenFile: secret }'),
    ['tightened revocation: hears of revocations by: also api'],
    ['loosened revocation: hears of revocations by: no longer api'],
  ],
  [
    filed(''),
    { revocation: '{ file: a.yaml, whenStale: refuse, store: {} }', store: STORE },
    ['tightened revocation: hears of revocations by: also store; whenStale: allow → refuse'],
    ['loosened revocation: hears of revocations by: no longer store; whenStale: refuse → allow'],
  ],
  [
    filed(''),
    { revocation: '{ file: a.yaml, whenStale: allow, store: {} }', store: STORE },
    ['tightened revocation: hears of revocations by: also store'],
    ['loosened revocation: hears of revocations by: no longer store'],
  ],
  [
    choosing('allow'),
    choosing('refuse'),
    ['tightened revocation: whenStale: allow → refuse'],
    ['loosened revocation: whenStale: refuse → allow'],
  ],
  [
    choosing('refuse', 'allow'),
    choosing('refuse'),
    ['tightened a: revocation.whenStale: allow → refuse'],
    ['loosened a: revocation.whenStale: refuse → allow'],
  ],
  // What the section says changes nothing for a route that says the same itself.
  [choosing('allow', 'allow'), choosing('allow'), [], []],
  [
    stored(', maxStale: 1m'),
    stored(', maxStale: 2m'),
    ['loosened revocation: maxStale: 1m → 2m'],
    ['tightened revocation: maxStale: 2m → 1m'],
  ],
  [
    stored(''),
    stored(', shortLived: 5m'),
    ['loosened revocation: shortLived: 0s → 5m'],
    ['tightened revocation: shortLived: 5m → 0s'],
  ],
  [
    stored(''),
    stored(', keep: 48h'),
    ['tightened revocation: keep: 24h → 48h'],
    ['loosened revocation: keep: 48h → 24h'],
  ],
  [
    stored(''),
    stored(', entries: 2000'),
    ['loosened revocation: entries: 1000000 → 2000'],
    ['tightened revocation: entries: 2000 → 1000000'],
  ],
  [
    filed(''),
    filed(', claims: { session: session_id }'),
    ['changed revocation: claims.session: sid → session_id'],
    ['changed revocation: claims.session: session_id → sid'],
  ],
  [
    stored(''),
    stored(', cacheFile: /var/cache/revoked'),
    ['tightened revocation: cacheFile: knows after a restart what it knew'],
    ['loosened revocation: cacheFile: forgets with a restart what it knew'],
  ],
  [
    stored(', cacheFile: /var/cache/a'),
    stored(', cacheFile: /var/cache/b'),
    ['changed revocation: cacheFile is another'],
    ['changed revocation: cacheFile is another'],
  ],
  [
    filed(''),
    { revocation: '{ file: b.yaml }' },
    ['changed revocation: file is another'],
    ['changed revocation: file is another'],
  ],
  [
    stored(''),
    { revocation: '{ whenStale: refuse, store: { stream: other } }', store: STORE },
    ['changed revocation: store is another'],
    ['changed revocation: store is another'],
  ],
  [filed(', api: { tokenFile: one }'), filed(', api: { tokenFile: other }'), [], []],
  [
    filed(''),
    filed(logout('')),
    ['tightened revocation: backchannelLogout: also /out of main for shop (session)'],
    ['loosened revocation: backchannelLogout: no longer /out of main for shop (session)'],
  ],
  [
    filed(signals('us')),
    filed(''),
    ['loosened revocation: signals: no longer /in of main for us'],
    ['tightened revocation: signals: also /in of main for us'],
  ],
  [
    stored(''),
    stored('', '{ url: redis://127.0.0.1:6379, username: u, passwordFile: p, timeout: 1s }'),
    ['changed store: username is another; passwordFile is another'],
    ['changed store: username is another; passwordFile is another'],
  ],
  [
    stored(''),
    stored('', '{ url: redis://127.0.0.1:6380/2, prefix: other }'),
    ['changed store: url: 127.0.0.1:6379/0 → 127.0.0.1:6380/2; prefix is another'],
    ['changed store: url: 127.0.0.1:6380/2 → 127.0.0.1:6379/0; prefix is another'],
  ],
  [
    stored('', '{ url: redis://127.0.0.1:6379 }'),
    stored('', '{ url: rediss://127.0.0.1:6379 }'),
    ['tightened store: url, TLS: false → true'],
    ['loosened store: url, TLS: true → false'],
  ],
  [
    stored('', '{ url: rediss://r, tls: { serverName: a } }'),
    stored('', '{ url: rediss://r, tls: { serverName: b }, allowInsecureRedis: true }'),
    ['loosened store: allowInsecureRedis: false → true', 'changed store: tls is another'],
    ['changed store: tls is another', 'tightened store: allowInsecureRedis: true → false'],
  ],
  [
    stored('', '{ url: rediss://r, topology: sentinel, nodes: ["a:1"] }'),
    stored('', '{ url: rediss://r, topology: sentinel, nodes: ["a:1", "b:1"] }'),
    ['loosened store: nodes: or b:1'],
    ['tightened store: nodes: not b:1 any more'],
  ],
  [
    stored('', '{ url: rediss://r, topology: sentinel, nodes: ["a:1"] }'),
    stored('', '{ url: rediss://r, topology: cluster, nodes: ["a:1"] }'),
    ['changed store: topology is another'],
    ['changed store: topology is another'],
  ],
])('%j → %j', (before, after, expected, back) => {
  const [old, next] = [configOf(before), configOf(after)]
  expect(changes(old, next)).toEqual(expected)
  expect(changes(next, old)).toEqual(back)
  expect(changes(next, next)).toEqual([])
})

describe('a change that lets in what was revoked names it', () => {
  test.each<readonly [Sections, Sections, string]>([
    [filed(''), filed(', claims: { session: session_id }'), 'tokens of a revoked session that name it in sid alone'],
    [
      stored(''),
      stored('', '{ url: redis://127.0.0.1:7000 }'),
      'tokens that are revoked in the store at 127.0.0.1:6379/0 alone',
    ],
  ])('%j → %j', (before, after, witness) => {
    const [change] = policyDiff(compared(configOf(before)), compared(configOf(after)))
    expect(change?.witness).toBe(witness)
  })
})

test.each(['clientId: other, path: /out', 'clientId: shop, path: /out, covers: subject'])(
  'a logout endpoint with %s is another',
  keys => {
    const other = filed(`, backchannelLogout: [{ provider: main, ${keys} }]`)
    expect(changes(configOf(filed(logout(''))), configOf(other))).toEqual([
      expect.stringContaining('loosened revocation: backchannelLogout: no longer /out of main for shop (session)'),
      expect.stringContaining('tightened revocation: backchannelLogout: also /out of main for '),
    ])
  },
)
