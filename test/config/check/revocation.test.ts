/** Tests the rules of `revocation` and `store` that span sections. */
import { describe, expect, test } from 'vitest'
import { load, problemsOf } from '../support.ts'

interface Parts {
  readonly provider?: string
  readonly store?: string
  readonly revocation?: string
  readonly admin?: string
  readonly routes?: string
}

const STORE = '{ url: redis://127.0.0.1:6379 }'

function textOf({
  provider = ', maxLifetime: 1h',
  store,
  revocation,
  admin,
  routes = '{ id: all, path: /** }',
}: Parts) {
  return [
    'listen: 127.0.0.1:8080',
    `providers: { main: { type: jwt, issuer: https://auth.example.com/, audiences: [x]${provider} } }`,
    'upstreams: { app: "http://127.0.0.1:3000" }',
    `routes: [${routes}]`,
    ...Object.entries({ store, revocation, admin }).flatMap(([name, text]) =>
      text === undefined ? [] : [`${name}: ${text}`],
    ),
    '',
  ].join('\n')
}

/** The problems without their places. */
function told(parts: Parts): readonly string[] {
  return problemsOf(textOf(parts)).map(problem => problem.replace(/^\d+:\d+ /, ''))
}

const LOGOUT = '{ provider: main, clientId: shop, path: /oauth/logout }'
const signals = (rest: string) => `{ audience: us, tokenFile: /etc/sallyport/secret, ${rest} }`

describe('what is fine', () => {
  test.each<readonly [string, Parts]>([
    ['a store', { store: STORE, revocation: '{ whenStale: refuse, store: {} }' }],
    ['endpoints without a store', { revocation: `{ backchannelLogout: [${LOGOUT}] }` }],
    [
      'a route that decides for itself',
      {
        store: STORE,
        revocation: '{ whenStale: refuse, shortLived: 5m, store: {}, cacheFile: /var/cache/revoked }',
        routes: '{ id: all, path: /**, revocation: { whenStale: allow } }',
      },
    ],
    [
      'an endpoint below a parameter and a subtree',
      {
        revocation: `{ backchannelLogout: [${LOGOUT}] }`,
        routes: '{ id: all, path: /** }, { id: one, path: "/oauth/:what" }',
      },
    ],
    [
      'a provider whose tokens live as long as entries',
      { provider: ', maxLifetime: 24h', revocation: `{ backchannelLogout: [${LOGOUT}] }` },
    ],
  ])('%s', (_, parts) => {
    expect(load(textOf(parts)).revocation).toBeDefined()
  })
})

test.each<readonly [string, Parts, readonly string[]]>([
  [
    'a block without a source',
    { revocation: '{}' },
    [
      'revocation: has no source, so that nothing is ever revoked; add `file`, `store`, `api`, `backchannelLogout` or `signals`',
    ],
  ],
  [
    'a store without the choice',
    { store: STORE, revocation: '{ store: {} }' },
    [
      'revocation.whenStale: is missing; write `refuse` (503 while the store is away) or `allow` (whoever was revoked meanwhile gets in)',
    ],
  ],
  [
    'a choice without a store',
    { revocation: `{ whenStale: allow, shortLived: 5m, backchannelLogout: [${LOGOUT}] }` },
    [
      'revocation.whenStale: has no effect without `revocation.store`: nothing else falls silent; leave `whenStale` out',
      'revocation.shortLived: has no effect without `revocation.store`: nothing else falls silent; leave `shortLived` out',
    ],
  ],
  [
    'a choice of a route without a store',
    {
      revocation: `{ backchannelLogout: [${LOGOUT}] }`,
      routes: '{ id: all, path: /**, revocation: { whenStale: allow } }',
    },
    [
      'routes[0].revocation.whenStale: has no effect without `revocation.store`: nothing else falls silent; leave `whenStale` out',
    ],
  ],
  [
    'a choice of a route without the section',
    { routes: '{ id: all, path: /**, revocation: { whenStale: allow } }' },
    ['routes[0].revocation: has no effect without the section `revocation`; add that, or leave it out'],
  ],
  [
    'a choice of a public route',
    {
      store: STORE,
      revocation: '{ whenStale: refuse, store: {} }',
      routes: '{ id: all, path: /**, access: public, revocation: { whenStale: allow } }',
    },
    ['routes[0].revocation: has no effect with `access: public`, which does not look at tokens; leave it out'],
  ],
  [
    'a stream without a store',
    { revocation: '{ whenStale: refuse, store: {} }' },
    ['revocation.store: needs the section `store`, which says where the store is; add it'],
  ],
  [
    'a store that nobody uses',
    { store: STORE },
    [
      'store: has no effect: nothing uses it; write `revocation.store: {}`, `dpop.replay.store: true` or `store: true` in one of `rateLimits`, or leave it out',
    ],
  ],
  [
    'a cache of what is in a file',
    { revocation: '{ file: /etc/sallyport/revoked.yaml, cacheFile: /var/cache/revoked }' },
    [
      'revocation.cacheFile: has no effect with `file` alone, which is read at each start; leave it out',
      'revocation.file: cannot be read: there is no such file or folder (ENOENT); check the path, which starts at the folder of this file, and the permissions',
    ],
  ],
  [
    'tokens that may live for ever',
    { provider: '', revocation: `{ keep: 90m, backchannelLogout: [${LOGOUT}] }` },
    [
      'providers.main.maxLifetime: is missing; set it, to `90m` at most: a token that outlives `revocation.keep` is revoked for a time only',
    ],
  ],
  [
    'tokens that live longer than entries',
    { provider: ', maxLifetime: 48h', revocation: `{ backchannelLogout: [${LOGOUT}] }` },
    [
      'revocation.keep: must be at least `48h`, the `maxLifetime` of provider `main`: its tokens are revoked for a time only; raise it, or lower that',
    ],
  ],
  [
    'an endpoint of nobody',
    { revocation: '{ backchannelLogout: [{ provider: mian, clientId: shop, path: /out }] }' },
    ['revocation.backchannelLogout[0].provider: names no provider; there is main. Did you mean "main"?'],
  ],
  [
    'two endpoints with one path',
    { revocation: `{ backchannelLogout: [${LOGOUT}, ${LOGOUT}] }` },
    ['revocation.backchannelLogout[1].path: is the path of `revocation.backchannelLogout[0]`, too; give each its own'],
  ],
  [
    'the path of a route',
    {
      revocation: `{ backchannelLogout: [${LOGOUT}] }`,
      routes: '{ id: all, path: /**}, { id: out, path: /oauth/logout, methods: [GET] }',
    },
    [
      'revocation.backchannelLogout[0].path: is the path of route `out`, which would get no request; change one of them',
    ],
  ],
  [
    'nearly the path of a route',
    {
      revocation: `{ backchannelLogout: [${LOGOUT}] }`,
      routes: '{ id: all, path: /**}, { id: out, path: /OAuth/logout }',
    },
    [
      'revocation.backchannelLogout[0].path: is read like the path of route `out` by services that ignore case; change one of them',
    ],
  ],
])('%s is refused', (_, parts, problems) => {
  expect(told(parts).toSorted()).toEqual([...problems].toSorted())
})

test('an API without the admin listener is refused, and no signal takes the path of a logout', () => {
  const problems = told({
    revocation: `{ api: { tokenFile: /nowhere/a }, backchannelLogout: [${LOGOUT}], signals: [${signals('provider: main, path: /oauth/logout')}] }`,
  })
  expect(problems).toContain('revocation.api: is served on the admin listener; add the section `admin`')
  expect(problems).toContain(
    'revocation.signals[0].path: is the path of `revocation.backchannelLogout[0]`, too; give each its own',
  )
})

test('a section that is wrong is reported once, and not again by those that refer to it', () => {
  expect(
    told({
      store: STORE,
      revocation: '{ whenStale: perhaps, store: {} }',
      routes: '{ id: all, path: /**, revocation: { whenStale: allow } }',
    }),
  ).toEqual(['revocation.whenStale: must be one of `refuse`, `allow`.'])
  expect(told({ store: '{ url: ftp://x }', revocation: '{ whenStale: refuse, store: {} }' })).toHaveLength(1)
})
