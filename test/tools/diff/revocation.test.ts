/** Tests what `policyDiff` finds in `revocation` and `store`: which configuration hears of fewer revocations. */
import { expect, test } from 'vitest'
import type { Config, RevocationConfig, StoreConfig } from '../../../src/config/schema/schema.ts'
import { configOf } from '../support.ts'
import { changes } from './support.ts'

const BASE = configOf('{ id: a, path: /a }')
const REVOCATION: RevocationConfig = {
  maxStale: 60_000,
  keep: 86_400_000,
  entries: 1_000_000,
  claims: { session: 'sid' },
  file: '/revoked.yaml',
}
const STORE: StoreConfig = {
  url: { host: 'redis', port: 6379, isTls: true, database: 0 },
  topology: 'single',
  prefix: 'sallyport',
  timeout: 500,
  allowInsecureRedis: false,
}
const revoking = (rest: Partial<RevocationConfig> = {}): Config => ({ ...BASE, revocation: { ...REVOCATION, ...rest } })
const storing = (rest: Partial<StoreConfig> = {}): Config => ({
  ...revoking({ store: { stream: 'revocations' }, whenStale: 'refuse' }),
  store: { ...STORE, ...rest },
})
const endpoint = { provider: 'main', clientId: 'shop', path: '/logout', covers: 'session' } as const

test.each<readonly [Config, Config, readonly string[]]>([
  [BASE, revoking(), ['tightened revocation: now looks at revocations']],
  [revoking(), BASE, ['loosened revocation: no longer looks at revocations']],
  [revoking(), revoking(), []],
  [revoking(), revoking({ api: { tokenFile: '/a' } }), ['tightened revocation: hears of revocations by: also api']],
  [revoking({ api: { tokenFile: '/a' } }), revoking({ api: { tokenFile: '/b' } }), []],
  [revoking(), revoking({ file: '/other.yaml' }), ['changed revocation: file is another']],
  [revoking(), revoking({ maxStale: 90_000 }), ['loosened revocation: maxStale in ms: 60000 → 90000']],
  [revoking(), revoking({ shortLived: 1000 }), ['loosened revocation: shortLived in ms: 0 → 1000']],
  [revoking(), revoking({ keep: 1000 }), ['loosened revocation: keep in ms: 86400000 → 1000']],
  [revoking({ entries: 1000 }), revoking(), ['tightened revocation: entries: 1000 → 1000000']],
  [revoking(), revoking({ claims: { session: 'sess' } }), ['changed revocation: claims is another']],
  [
    revoking({ backchannelLogout: [endpoint] }),
    revoking({ backchannelLogout: [{ ...endpoint, path: '/other' }] }),
    [
      'loosened revocation: backchannelLogout: no longer /logout of main',
      'tightened revocation: backchannelLogout: also /other of main',
    ],
  ],
  [
    storing(),
    { ...storing(), revocation: { ...storing().revocation, ...REVOCATION, store: undefined } },
    ['loosened revocation: hears of revocations by: no longer store'],
  ],
  [storing(), storing({ prefix: 'other' }), ['changed store: prefix is another']],
  [storing(), storing({ allowInsecureRedis: true }), ['loosened store: allowInsecureRedis: false → true']],
  [storing(), storing({ timeout: 1000 }), []],
  [storing(), storing({ username: 'a' }), ['changed store: username is another']],
  [
    storing({ nodes: [{ host: 'a', port: 1 }] }),
    storing({ nodes: [{ host: 'b', port: 1 }] }),
    ['loosened store: nodes: or b:1', 'tightened store: nodes: not a:1 any more'],
  ],
])('case %#', (before, after, expected) => {
  expect(changes(before, after)).toEqual(expected)
})

test('what becomes of requests while revocations may be missing is told where it is said', () => {
  const [route] = BASE.routes
  if (route === undefined) throw new Error('there is no route')
  const allowing = { ...storing(), routes: [{ ...route, revocation: { whenStale: 'allow' as const } }] }
  expect(changes(storing(), allowing)).toEqual([expect.stringContaining('loosened a')])
  expect(
    changes(storing(), {
      ...storing(),
      revocation: { ...REVOCATION, store: { stream: 'revocations' }, whenStale: 'allow' },
    }),
  ).toEqual(['loosened revocation: whenStale: refuse → allow'])
})
