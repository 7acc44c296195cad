/** Tests the rules of providers of `type: session`, and of routes with them. */
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { providerTraits } from '../../../src/config/schema/provider-traits.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { ConfigError } from '../../../src/errors.ts'

/** Settings of the provider `browser`; `undefined` leaves one out that is there otherwise. */
type Settings = Readonly<Record<string, unknown>>

interface Parts {
  readonly browser?: Settings
  readonly providers?: Readonly<Record<string, Settings>>
  readonly routes?: readonly Settings[]
  readonly rest?: Settings
}

const MAIN = { type: 'jwt', issuer: 'https://auth.example.com/', audiences: ['https://api.example.com'] }
const BROWSER = {
  type: 'session',
  issuer: 'https://auth.example.com/',
  client: { id: 'shop', auth: 'basic', secretFile: '/client' },
  scopes: ['openid', 'offline_access'],
  principal: 'main',
  publicUrl: 'https://shop.example.com',
  keyFiles: ['/key'],
}
const STORE = { url: 'redis://127.0.0.1:6379' }
const ALL = { id: 'all', path: '/**', providers: ['browser'] }

function load(
  { browser = {}, providers = { main: MAIN }, routes = [ALL], rest = {} }: Parts,
  files: Readonly<Record<string, string>> = {},
): Config {
  const text = JSON.stringify({
    listen: '127.0.0.1:8080',
    upstreams: { app: 'http://127.0.0.1:3000' },
    providers: { ...providers, browser: { ...BROWSER, ...browser } },
    routes,
    ...rest,
  })
  const readFile = (file: string) => Buffer.from(files[file] ?? 's'.repeat(32))
  return loadConfig({ text, file: '/etc/sallyport/sallyport.yaml', env: {}, readFile })
}

/** The problems, each with its path. */
function told(parts: Parts, files: Readonly<Record<string, string>> = {}): readonly string[] {
  try {
    load(parts, files)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path.join('.')}: ${message}`)
  }
}

describe('what is fine', () => {
  test.each<readonly [string, Parts]>([
    ['a provider with the least that it needs', {}],
    ['the ID token as the one who says who it is', { browser: { principal: 'idToken' }, providers: {} }],
    ['a route that takes both', { routes: [{ ...ALL, providers: ['browser', 'main'], require: { roles: ['a'] } }] }],
    ['pages that are sent to the login', { routes: [{ ...ALL, anonymous: 'login' }] }],
    ['a route of tokens alone beside it', { routes: [ALL, { id: 'api', path: '/api/**' }] }],
    [
      'sessions in the store, with several processes',
      { browser: { store: 'shared' }, rest: { store: STORE, workers: 4 } },
    ],
    ['a section of revocations that only says how long', { rest: { revocation: { keep: '12h' } } }],
    [
      'a choice for the silence of the store, which shared sessions use',
      {
        browser: { store: 'shared' },
        rest: { store: STORE, revocation: { whenStale: 'refuse', shortLived: '5m' } },
        routes: [{ ...ALL, revocation: { whenStale: 'allow' } }],
      },
    ],
    [
      'a choice of a route alone for the silence of the store',
      {
        browser: { store: 'shared' },
        rest: { store: STORE },
        routes: [{ ...ALL, revocation: { whenStale: 'refuse' } }],
      },
    ],
    [
      'the longest that the lifetimes may be',
      { browser: { lifetime: { idle: '20m', absolute: '20m', refreshBefore: '19m', grace: '10m' } } },
    ],
    [
      'parameters for a fresh login',
      { browser: { parameters: { max_age: '3600', acr_values: 'gold', prompt: 'login' } } },
    ],
    [
      'a page of the same site that may read the answers',
      {
        browser: { allowOrigins: ['https://app.example.com'] },
        rest: { cors: { origins: ['https://*.example.com'], credentials: true } },
        routes: [ALL, { id: 'pages', path: '/pages/**', providers: ['browser'], cors: 'off' }],
      },
    ],
    [
      'two logins of two hosts with paths of their own',
      { providers: { main: MAIN, staff: { ...BROWSER, publicUrl: 'https://staff.example.com', paths: '/staff' } } },
    ],
    ['a parameter and a subtree around the endpoints', { routes: [ALL, { ...ALL, id: 'one', path: '/auth/:what' }] }],
    [
      'ways to prove a key where tokens come, too',
      {
        routes: [{ ...ALL, providers: ['browser', 'main'], require: { proof: 'dpop' } }],
        rest: { dpop: { baseUrls: ['https://shop.example.com'] } },
      },
    ],
  ])('%s', (_, parts) => {
    expect(told(parts)).toEqual([])
  })
})

describe('a setting of the provider is refused', () => {
  test.each<readonly [Settings, string, string]>([
    [
      { issuer: 'https://auth.example.com/{tid}' },
      'issuer',
      'is one provider, where people log in; write its `issuer`, byte for byte',
    ],
    [
      { issuer: 'https://*.example.com/' },
      'issuer',
      'is one provider, where people log in; write its `issuer`, byte for byte',
    ],
    [
      { issuer: 'http://auth.example.com/' },
      'issuer',
      'must be an `https:` URL (or set `allowInsecureHttp: true` beside it to trust the network)',
    ],
    [{ issuer: 'https://me@auth.example.com/' }, 'issuer', 'carries credentials; leave out the part before `@`'],
    [
      { issuer: 'https://auth.example.com/.well-known/openid-configuration' },
      'issuer',
      'is where the metadata are, and they name the `issuer`; mostly it is this without `/.well-known/openid-configuration`',
    ],
    [{ scopes: ['profile'] }, 'scopes', 'lacks `openid`, without which there is no ID token; add it'],
    [{ scopes: ['openid', 'email', 'email'] }, 'scopes.2', 'is listed already; leave it out'],
    [
      { resource: 'orders' },
      'resource',
      'must be a URL like `https://api.example.com`; a provider that knows its APIs by name wants `parameters: { audience: … }`',
    ],
    [{ resource: 'https://api.example.com/#x' }, 'resource', 'has a fragment; leave out `#` and what follows'],
    [{ resource: 'https://me@api.example.com/' }, 'resource', 'carries credentials; leave out the part before `@`'],
    [
      { publicUrl: 'http://shop.example.com' },
      'publicUrl',
      'must be `https:`, or `http:` to this machine: browsers keep such cookies nowhere else',
    ],
    [
      { publicUrl: 'https://shop.example.com/app' },
      'publicUrl',
      'must end after the host and its port: it says where browsers find the gateway',
    ],
    [{ publicUrl: 'https://me@shop.example.com' }, 'publicUrl', 'carries credentials; leave out the part before `@`'],
    [{ publicUrl: 'shop.example.com' }, 'publicUrl', 'is no URL; write `https://shop.example.com`'],
    [{ paths: '/' }, 'paths', 'must not end with `/`: `login` and others follow it; write `/auth`'],
    [{ paths: '/sign/in/' }, 'paths', 'must not end with `/`: `login` and others follow it; write `/sign/in`'],
    [{ keyFiles: ['/new', '/old', '/new'] }, 'keyFiles.2', 'is listed already; leave it out'],
    [
      { lifetime: { absolute: '20m' } },
      'lifetime.idle',
      'must not be longer than `absolute`, which is `20m` (left out, it is `30m`); lower it, or raise that',
    ],
    [
      { lifetime: { idle: '1m', absolute: '1m' } },
      'lifetime.refreshBefore',
      'must be shorter than `absolute`, which is `1m` (left out, it is `1m`); lower it, or raise that',
    ],
    [
      { lifetime: { refreshBefore: '12h' } },
      'lifetime.refreshBefore',
      'must be shorter than `absolute`, which is `12h`; lower it, or raise that',
    ],
    [
      { lifetime: { idle: '5m', absolute: '5m', grace: '5m' } },
      'lifetime.grace',
      'must be shorter than `absolute`, which is `5m`; lower it, or raise that',
    ],
    [
      { afterLogout: '/auth/logout' },
      'afterLogout',
      'is an endpoint of the provider itself, which shows nothing; name a page',
    ],
    [
      { afterLogout: '/auth/callback?x=1' },
      'afterLogout',
      'is an endpoint of the provider itself, which shows nothing; name a page',
    ],
    [
      { afterLogout: 'https://www.example.com/' },
      'afterLogout',
      'must be a path of the gateway, like `/` or `/goodbye`',
    ],
    [
      { parameters: { prompt: 'login none' } },
      'parameters.prompt',
      '`none` shows no login page, so that nobody can log in; write `login`, `consent` or `select_account`',
    ],
    [{ parameters: { max_age: '1h' } }, 'parameters.max_age', "must be whole seconds in quotes, like `'3600'`"],
    [{ parameters: { scope: 'a' } }, 'parameters', 'is said by the gateway itself; leave it out'],
    [
      { client: { id: 'shop', auth: 'bearer', tokenFile: '/t' } },
      'client.auth',
      'must be one of `basic`, `post`, `private_key_jwt`, `tls`.',
    ],
  ])('%j', (browser, path, message) => {
    const found = told({ browser })
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(new RegExp(`^providers\\.browser\\.${path.replaceAll('.', '\\.')}(?:\\.\\w+)?: `))
    expect(found[0]?.endsWith(`: ${message}`)).toBe(true)
  })

  test('`access_type: offline` beside the scope that asks for the same', () => {
    expect(told({ browser: { parameters: { access_type: 'offline' } } })).toEqual([
      'providers.browser.parameters.access_type: asks for what `offline_access` in `scopes` asks for; leave out the one that the provider does not know',
    ])
    expect(told({ browser: { scopes: ['openid'], parameters: { access_type: 'offline' } } })).toEqual([])
  })
})

describe('the principal', () => {
  test.each<readonly [string, Parts, string]>([
    ['mian', {}, 'names no provider that judges tokens; there is main, and `idToken`. Did you mean "main"?'],
    ['id_token', {}, 'names no provider that judges tokens; there is main, and `idToken`. Did you mean "idToken"?'],
    [
      'id_token',
      { providers: {} },
      'names no provider; write `idToken`, or add a provider of `type: jwt`. Did you mean "idToken"?',
    ],
    ['browser', {}, 'cannot be this provider, which judges no access token; write main or `idToken`'],
    [
      'staff',
      { providers: { main: MAIN, staff: { ...BROWSER, publicUrl: 'https://staff.example.com', paths: '/staff' } } },
      'names another login, which judges no access token; write main or `idToken`',
    ],
  ])('%s is refused', (principal, parts, message) => {
    expect(told({ ...parts, browser: { principal } })).toEqual([`providers.browser.principal: ${message}`])
  })

  test('that is wrong by itself is reported once, there', () => {
    expect(told({ providers: { main: { ...MAIN, audiences: [] } } })).toEqual([
      expect.stringMatching(/^providers\.main\.audiences: must not be empty/),
    ])
  })
})

describe('the store', () => {
  test('is needed for shared sessions', () => {
    expect(told({ browser: { store: 'shared' } })).toEqual([
      'providers.browser.store: needs the section `store`, which says where the store is; add it',
    ])
  })

  test('is needed for several processes', () => {
    expect(told({ rest: { workers: 4 } })).toEqual([
      'providers.browser.store: must be `shared` with 4 `workers`: each has a memory of its own, and knows nobody who logged in at another; write that, with the section `store`, or `workers: 1`',
    ])
  })

  test('has no effect while sessions are in memory, and is told how to have one', () => {
    expect(told({ rest: { store: STORE } })).toEqual([
      'store: has no effect: nothing uses it; write `revocation.store: {}`, `store: shared` in provider `browser`, `dpop.replay.store: true` or `store: true` in one of `rateLimits`, or leave it out',
    ])
  })

  test('is not called useless because of a provider that is wrong by itself', () => {
    expect(told({ browser: { store: 'shared', paths: 'auth' }, rest: { store: STORE } })).toEqual([
      'providers.browser.paths: a path starts with "/"',
    ])
  })
})

describe('revocations', () => {
  test('are kept as long as sessions live', () => {
    expect(told({ browser: { lifetime: { absolute: '48h' } }, rest: { revocation: {} } })).toEqual([
      'revocation.keep: must be at least `48h`, the `lifetime.absolute` of provider `browser`: the end of a session would be forgotten before it; raise it, or lower that',
    ])
    expect(load({ browser: { lifetime: { absolute: '48h' } } }).revocation?.keep).toBe(48 * 60 * 60_000)
  })

  test('have no source if no provider logs anybody in', () => {
    const text = JSON.stringify({
      listen: '127.0.0.1:8080',
      upstreams: { app: 'http://127.0.0.1:3000' },
      providers: { main: MAIN },
      routes: [{ id: 'all', path: '/**' }],
      revocation: {},
    })
    expect(() => loadConfig({ text, file: '/x.yaml', env: {} })).toThrow('has no source')
  })

  test('cannot be stale where the store is not used', () => {
    expect(told({ rest: { revocation: { whenStale: 'refuse' } } })).toEqual([
      'revocation.whenStale: has no effect without `revocation.store`: nothing else falls silent; leave `whenStale` out',
    ])
  })

  test('have an endpoint for logout tokens already', () => {
    const backchannelLogout = [{ provider: 'browser', clientId: 'shop', path: '/auth/backchannel-logout' }]
    const providers = { main: { ...MAIN, maxLifetime: '1h' } }
    expect(told({ providers, rest: { revocation: { backchannelLogout } } })).toEqual([
      'revocation.backchannelLogout.0.provider: names a provider that serves `/auth/backchannel-logout` by itself; leave this endpoint out, and tell that path to the issuer',
    ])
  })

  test('keep what an operator has written, and the endpoint of the provider comes besides', () => {
    const backchannelLogout = [{ provider: 'main', clientId: 'other', path: '/logout' }]
    const providers = { main: { ...MAIN, maxLifetime: '1h' } }
    const { revocation } = load({ providers, rest: { revocation: { backchannelLogout } } })
    expect(revocation?.backchannelLogout?.map(({ path }) => path)).toEqual(['/logout', '/auth/backchannel-logout'])
  })
})

describe('the paths of the endpoints', () => {
  const jwt = { main: { ...MAIN, maxLifetime: '1h' } }
  test.each<readonly [string, Parts, string]>([
    [
      'a route',
      { routes: [ALL, { ...ALL, id: 'out', path: '/auth/logout', methods: ['GET'] }] },
      'has `/auth/logout` below it, which is the path of route `out`, which would get no request; change one of them',
    ],
    [
      'nearly a route',
      { routes: [ALL, { ...ALL, id: 'me', path: '/Auth/Session' }] },
      'has `/auth/session` below it, which is read like the path of route `me` by services that ignore case; change one of them',
    ],
    [
      'an endpoint for logout tokens of another provider',
      {
        providers: jwt,
        rest: {
          revocation: { backchannelLogout: [{ provider: 'main', clientId: 'a', path: '/auth/backchannel-logout' }] },
        },
      },
      'has `/auth/backchannel-logout` below it, which is the path of `revocation.backchannelLogout[0]`, too; change one of them',
    ],
    [
      'an endpoint for events',
      {
        providers: jwt,
        rest: { revocation: { signals: [{ provider: 'main', audience: 'a', path: '/auth/login', tokenFile: '/t' }] } },
      },
      'has `/auth/login` below it, which is the path of `revocation.signals[0]`, too; change one of them',
    ],
    [
      'the metadata of a resource',
      {
        browser: { paths: '/.well-known/oauth-protected-resource' },
        routes: [{ ...ALL, resource: 'api' }],
        rest: { resources: { api: { url: 'https://shop.example.com/login' } } },
      },
      'has `/.well-known/oauth-protected-resource/login` below it, which is where the metadata of resource `api` are; change it',
    ],
    [
      'another login',
      { providers: { main: MAIN, astaff: { ...BROWSER, publicUrl: 'https://staff.example.com' } } },
      'has `/auth/login` below it, which provider `astaff` has, too; give each `paths` of its own, like `/auth/browser`',
    ],
  ])('cannot be those of %s', (_, parts, message) => {
    expect(told(parts)).toEqual([`providers.browser.paths: ${message}`])
  })

  test('are one place for all ports of a host, since the cookie is', () => {
    const staff = { ...BROWSER, publicUrl: 'https://shop.example.com:8443', paths: '/staff' }
    expect(told({ providers: { main: MAIN, staff } })).toEqual([
      'providers.browser.publicUrl: has the host of provider `staff`, and a browser keeps one cookie for a host, whatever the port; give each a host of its own, or leave one out',
    ])
  })
})

test('a lifetime that is one duration is told which one it may be', () => {
  expect(told({ browser: { lifetime: '8h' } })).toEqual([
    'providers.browser.lifetime: must be a block of keys; write `{ absolute: 8h }`',
  ])
  expect(told({ browser: { lifetime: 'long' } })).toEqual([
    'providers.browser.lifetime: must be a block of keys, not text',
  ])
})

describe('a route', () => {
  const staff = { ...BROWSER, publicUrl: 'https://staff.example.com', paths: '/staff', principal: 'idToken' }
  const idToken = { browser: { principal: 'idToken' }, providers: {} }
  test.each<readonly [string, Parts, string]>([
    [
      'takes the sessions of one provider',
      { providers: { main: MAIN, staff }, routes: [{ ...ALL, providers: ['staff', 'main', 'browser'] }] },
      'providers.2: is a second login beside `staff`, and a browser that has none can be sent to one only; name one of the two here',
    ],
    [
      'names it once',
      { routes: [{ ...ALL, providers: ['browser', 'browser'] }] },
      'providers.1: is listed already; leave it out',
    ],
    [
      'sends nobody to a login where nobody is asked',
      { routes: [{ id: 'all', path: '/**', access: 'public', anonymous: 'login' }] },
      'anonymous: has no effect with `access: public`, which does not look at sessions; leave it out',
    ],
    [
      'sends nobody to a login whose sessions it does not take',
      { routes: [{ ...ALL, providers: ['main'], anonymous: 'login' }] },
      'anonymous: has no effect without sessions: add `browser` to `providers` of this route, or leave it out',
    ],
    [
      'sends nobody to a login because it names nobody',
      { routes: [{ id: 'all', path: '/**', anonymous: 'refuse' }] },
      'anonymous: has no effect without sessions: add `browser` to `providers` of this route, or leave it out',
    ],
    [
      'is not public and asks for a session',
      { routes: [{ ...ALL, access: 'public' }] },
      'providers: has no effect with `access: public`, which does not look at tokens; leave out one of them',
    ],
    [
      'names the login where there is nothing else',
      { ...idToken, routes: [{ id: 'all', path: '/**' }] },
      'providers: is missing: a session counts only where its provider is named, and no other is there; write `providers: [browser]`, or `access: public`',
    ],
    [
      'names one of several logins where there is nothing else',
      { ...idToken, providers: { staff }, routes: [{ id: 'all', path: '/**', access: 'optional' }] },
      'providers: is missing: a session counts only where its provider is named, and no other is there; write `providers` with one of staff, browser, or `access: public`',
    ],
    [
      'asks no session for a proof',
      { routes: [{ ...ALL, require: { proof: 'dpop' } }], rest: { dpop: { baseUrls: ['https://shop.example.com'] } } },
      'require.proof: can never hold: this route takes sessions only, whose tokens are bound to no key of the browser; leave it out, or add a provider whose tokens are to `providers`',
    ],
    [
      'asks no session for a certificate, wherever that might come from',
      { routes: [{ ...ALL, require: { proof: 'certificate' } }] },
      'require.proof: can never hold: this route takes sessions only, whose tokens are bound to no key of the browser; leave it out, or add a provider whose tokens are to `providers`',
    ],
    [
      'looks for tokens in no place if it takes none',
      { routes: [{ ...ALL, credentials: ['authorization'] }] },
      'credentials: has no effect: this route takes sessions only, which come in the cookie; leave it out',
    ],
    [
      'asks an ID token for no other audience',
      { ...idToken, routes: [{ ...ALL, audiences: ['https://api.example.com'] }] },
      'audiences: can never hold: sessions of `browser` are judged by the ID token, which is for `shop`; leave it out, or let a provider judge the access token (`principal`)',
    ],
    [
      'asks for a value of `acr` that the judge of its sessions knows',
      {
        providers: { main: { ...MAIN, acrOrder: ['silver', 'gold'] } },
        routes: [{ ...ALL, require: { acr: ['golld'] } }],
      },
      'require.acr.0: is not in `acrOrder` of provider `main`, which has silver, gold. Did you mean "gold"?',
    ],
    [
      'is no resource for ID tokens',
      {
        ...idToken,
        routes: [{ ...ALL, resource: 'api' }],
        rest: { resources: { api: { url: 'https://api.example.com/' } } },
      },
      'resource: takes tokens that are made for it, and sessions of `browser` are judged by the ID token, which is for `shop`; leave it out, or let a provider judge the access token (`principal`)',
    ],
  ])('%s', (_, parts, message) => {
    expect(told(parts)).toEqual([`routes.0.${message}`])
  })

  test('sends nobody to a login in a file without one', () => {
    const text = JSON.stringify({
      listen: '127.0.0.1:8080',
      upstreams: { app: 'http://127.0.0.1:3000' },
      providers: { main: MAIN },
      routes: [{ id: 'all', path: '/**', anonymous: 'login' }],
    })
    expect(() => loadConfig({ text, file: '/x.yaml', env: {} })).toThrow(
      'has no effect: nobody logs in, since no provider is of `type: session`; add one, or leave it out',
    )
  })

  test('is not blamed for a provider that is wrong by itself', () => {
    const routes = [
      { ...ALL, anonymous: 'login' },
      { id: 'api', path: '/api', anonymous: 'login' },
    ]
    expect(told({ providers: {}, browser: { principal: 'idToken', keyFiles: [] }, routes })).toEqual([
      expect.stringMatching(/^providers\.browser\.keyFiles: must not be empty/),
    ])
  })
})

describe('an origin that may use the session', () => {
  const app = 'https://app.example.com'
  const cors = { origins: [app], credentials: true }
  test.each<readonly [string, readonly string[], Settings, string]>([
    [
      'is not our own',
      ['https://shop.example.com'],
      { cors: { ...cors, origins: ['https://shop.example.com'] } },
      'is `publicUrl`, whose own pages may use the session anyway; leave it out',
    ],
    [
      'is of the same scheme',
      ['http://app.example.com'],
      { cors: { ...cors, origins: ['http://app.example.com'] } },
      'has no effect: to browsers, `http:` and `https:` are different sites, and the cookie stays within its own; use one of them in both',
    ],
    [
      'is of the same site',
      ['https://app.example.org'],
      { cors: { ...cors, origins: ['https://app.example.org'] } },
      'has no effect: it is of another site than `shop.example.com`, and browsers keep the cookie within its own; serve both below one domain, or let that page use tokens',
    ],
    [
      'is no address beside a name',
      ['https://10.1.2.3'],
      { cors: { ...cors, origins: ['https://10.1.2.3'] } },
      'has no effect: it is of another site than `shop.example.com`, and browsers keep the cookie within its own; serve both below one domain, or let that page use tokens',
    ],
    [
      'can read answers',
      [app],
      {},
      'can read no answer of route `all` without `cors`; add `cors: { origins: [https://app.example.com], credentials: true }`',
    ],
    [
      'is among those of `cors`',
      [app],
      { cors: { ...cors, origins: ['https://other.example.com'] } },
      'can read no answer of route `all`; add it to `origins` of `cors`, too',
    ],
    [
      'may send the cookie',
      [app],
      { cors: { origins: [app] } },
      'sends no cookie to route `all` unless it is allowed to; add `credentials: true` to `cors`',
    ],
  ])('%s', (_, allowOrigins, rest, message) => {
    expect(told({ browser: { allowOrigins }, rest })).toEqual([`providers.browser.allowOrigins.0: ${message}`])
  })

  test('is looked up in what a route says of its own', () => {
    const routes = [{ ...ALL, cors: { origins: ['https://other.example.com'], credentials: true } }]
    expect(told({ browser: { allowOrigins: [app] }, routes })).toEqual([
      'providers.browser.allowOrigins.0: can read no answer of route `all`; add it to `origins` of `cors` of route `all`, too',
    ])
  })

  test('is listed once, and as browsers write it', () => {
    expect(told({ browser: { allowOrigins: [app, app] }, rest: { cors } })).toEqual([
      'providers.browser.allowOrigins.1: is listed already; leave it out',
    ])
    expect(told({ browser: { allowOrigins: [`${app}/`] }, rest: { cors } })).toEqual([
      'providers.browser.allowOrigins.0: has more than an origin; write `https://app.example.com`',
    ])
  })

  test.each([
    ['*', /^would let pages use the session that nobody has listed; list each origin$/],
    ['https://*.example.com', /^would let pages use the session that nobody has listed; list each origin$/],
    ['null', /^is what sandboxed pages of anybody send/],
    ['app.example.com', /^is no origin; write one like `https:\/\/app\.example\.com`$/],
    ['https://APP.example.com', /^is never sent by a browser; write `https:\/\/app\.example\.com`$/],
  ])('is one that browsers send: %s is refused', (origin, message) => {
    const [problem, ...more] = told({ browser: { allowOrigins: [origin] }, rest: { cors } })
    expect(more).toEqual([])
    expect(problem?.replace('providers.browser.allowOrigins.0: ', '')).toMatch(message)
  })

  test('needs nothing of `cors` while that section is wrong', () => {
    expect(told({ browser: { allowOrigins: [app] }, rest: { cors: { origins: [] } } })).toEqual([
      expect.stringMatching(/^cors\.origins: must not be empty/),
    ])
  })
})

describe('the files', () => {
  test('with keys hold 32 bytes, of which a line break at the end is none', () => {
    const short = { '/key': `${'s'.repeat(31)}\n` }
    expect(told({}, short)).toEqual([
      'providers.browser.keyFiles.0: holds fewer than 32 bytes; write a longer secret into it, such as the output of `openssl rand -hex 32`',
    ])
    expect(told({ browser: { keyFiles: ['/new', '/key'] } }, short)).toEqual([
      expect.stringMatching(/^providers\.browser\.keyFiles\.1: holds fewer than 32 bytes/),
    ])
  })

  test('of the client and of the authorities are judged by what they hold', () => {
    expect(told({}, { '/client': '' })).toEqual([expect.stringMatching(/^providers\.browser\.client\.secretFile: /)])
    expect(told({ browser: { caFile: '/ca' } })).toEqual([expect.stringMatching(/^providers\.browser\.caFile: /)])
  })

  test('with keys are part of the configuration, and those of the client are read with each use', () => {
    const browser = load({}).providers.browser
    expect(browser && providerTraits(browser).filesReadAnew).toEqual(['/client'])
  })
})
