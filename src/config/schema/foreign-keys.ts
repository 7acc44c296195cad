/**
 * Says of keys and values that people bring from other products, or that they leave out, what is to be written here.
 *
 * Only what the schema cannot say by itself stands here: near misses are found by `suggest.ts`.
 */

interface Place {
  /** A key that this block alone has. */
  readonly marker: string
  /** What to do, by the key in small letters without separators. */
  readonly advice: Readonly<Record<string, string>>
}

const LISTEN = 'Write `listen: 0.0.0.0:8080`.'
const IN_PROVIDER = 'It belongs into a provider: `providers: { main: { type: jwt, issuer: …, audiences: […] } }`.'
const IN_LOG = 'Write `log: { level: info }`.'
const MANIFEST = 'This looks like a manifest of Kubernetes: the configuration is the text below `data`.'
const PATHS_BELOW = 'Write `path: /orders/**` for all paths below `/orders`.'
const PUBLIC = 'Write `access: public` for a route without tokens; `required` is the default.'
const UNCHANGED = 'Requests are passed on under the path that they came by.'
const NO_HOST = 'Routes are told apart by path and method only.'
const LOGIN_CLIENT =
  'Tokens are verified without one. A provider of `type: session` or `introspection` has `client: { id: … }`.'
const SESSION_KEYS = 'Cookies are sealed by a provider of `type: session`, with its `keyFiles`.'
const IN_RATE = 'The rate says it: `rate: 100/m`.'
const RATE = 'Write `rate: 100/s`.'
const KEY = 'Write `key: [claims.sub]`.'
const STORE = 'Write `store: true`, and the section `store`.'
const JWKS_URI = 'Write `keys: { jwksUri: … }`, or leave it out: it is discovered by `issuer`.'

const PLACES: readonly Place[] = [
  {
    marker: 'upstreams',
    advice: {
      ...{ port: LISTEN, host: LISTEN, bind: LISTEN, address: LISTEN, server: LISTEN, httpaddress: LISTEN },
      ...{ issuer: IN_PROVIDER, audience: IN_PROVIDER, audiences: IN_PROVIDER, jwksuri: IN_PROVIDER, jwt: IN_PROVIDER },
      ...{ oidcissuerurl: IN_PROVIDER, clientid: IN_PROVIDER, oidc: IN_PROVIDER, auth: IN_PROVIDER },
      ...{ loglevel: IN_LOG, logging: IN_LOG, debug: 'Write `log: { level: debug }`.' },
      ...{ apiversion: MANIFEST, kind: MANIFEST, metadata: MANIFEST, data: MANIFEST, spec: MANIFEST },
      ...{ cookiesecret: SESSION_KEYS, session: SESSION_KEYS, sessions: SESSION_KEYS },
      ...{
        version: 'The file has no version; leave it out.',
        tls: 'Write it below `listen`: `listen: { address: …, tls: … }`.',
      },
      ...{
        services: 'Write `upstreams: { app: http://127.0.0.1:3000 }`.',
        backend: 'Write `upstreams: { app: http://127.0.0.1:3000 }`.',
      },
      ...{
        sallyport: 'The keys below it stand at the top of the file.',
        config: 'The keys below it stand at the top of the file.',
      },
    },
  },
  {
    marker: 'audienceClaim',
    advice: {
      ...{ jwksuri: JWKS_URI, jwksurl: JWKS_URI, jwks: JWKS_URI, jwkurl: JWKS_URI },
      ...{ clientid: LOGIN_CLIENT, clientsecret: LOGIN_CLIENT, client: LOGIN_CLIENT },
      ...{
        scopes: 'Routes ask for scopes: `require: { scopes: […] }`.',
        roles: 'Routes ask for roles: `require: { roles: […] }`.',
      },
      ...{ discoveryurl: 'The metadata is found by `issuer`.', wellknown: 'The metadata is found by `issuer`.' },
      ...{ leeway: 'Write `clockTolerance: 5s`.', clockskew: 'Write `clockTolerance: 5s`.' },
    },
  },
  {
    marker: 'passAuthorization',
    advice: {
      ...{ prefix: PATHS_BELOW, pathprefix: PATHS_BELOW, location: PATHS_BELOW, uri: PATHS_BELOW, url: PATHS_BELOW },
      ...{ public: PUBLIC, auth: PUBLIC, authenticated: PUBLIC, protected: PUBLIC, skipauth: PUBLIC, security: PUBLIC },
      ...{ host: NO_HOST, hosts: NO_HOST, hostname: NO_HOST },
      ...{ strippath: UNCHANGED, stripprefix: UNCHANGED, rewrite: UNCHANGED },
      ...{ maxbody: 'Write `limits: { bodyBytes: 1MiB }` at the top of the file.', name: 'Write `id: orders`.' },
      ...{
        to: 'Write `upstream: app`.',
        backend: 'Write `upstream: app`.',
        service: 'Write `upstream: app`.',
        target: 'Write `upstream: app`.',
      },
    },
  },
  {
    marker: 'exact',
    advice: {
      ...{ per: IN_RATE, period: IN_RATE, window: IN_RATE, unit: IN_RATE, interval: IN_RATE, timeunit: IN_RATE },
      ...{ limit: RATE, limits: RATE, requests: RATE, max: RATE, average: RATE, quota: RATE, count: RATE },
      ...{ requestspersecond: RATE, requestsperunit: RATE, rps: RATE, rpm: 'Write `rate: 100/m`.' },
      ...{ by: KEY, keyby: KEY, keys: KEY, source: KEY, identifier: KEY, descriptor: KEY, claim: KEY },
      ...{ shared: STORE, redis: STORE, global: STORE, distributed: STORE },
      ...{
        delay: 'Nothing waits: what is more than `burst` at once is refused.',
        nodelay: 'Nothing waits: what is more than `burst` at once is refused.',
        routes: 'A route names its limits: `rateLimits: [per-caller]`.',
        route: 'A route names its limits: `rateLimits: [per-caller]`.',
        id: 'Its id is the key that it stands below.',
        name: 'Its id is the key that it stands below.',
        status: 'A refusal is 429.',
      },
    },
  },
  {
    marker: 'values',
    advice: { requests: IN_RATE, per: IN_RATE, unit: IN_RATE, limit: IN_RATE, period: IN_RATE, window: IN_RATE },
  },
]

/** @param known the keys of the block @returns a sentence that says what to write instead; undefined: none is known */
export function foreignKeyAdvice(key: string, known: readonly string[]): string | undefined {
  if (/^(?:\/\/|\/\*)/.test(key)) return 'A comment begins with `#`.'
  const place = PLACES.find(({ marker }) => known.includes(marker))
  const name = key.toLowerCase().replaceAll(/[-_.]/g, '')
  return place !== undefined && Object.hasOwn(place.advice, name) ? place.advice[name] : undefined
}

const EXAMPLES: Readonly<Record<string, string>> = {
  '': 'listen: 0.0.0.0:8080',
  listen: 'listen: 0.0.0.0:8080',
  routes: 'routes: [{ id: all, path: /** }]',
  upstreams: 'upstreams: { app: http://127.0.0.1:3000 }',
  providers: 'providers: { main: { type: jwt, issuer: …, audiences: […] } }',
  log: 'log: { level: info }',
  rateLimits: 'rateLimits: { per-caller: { rate: 100/s, key: [claims.sub] } }',
  'rateLimits.*': '{ rate: 100/s, key: [claims.sub] }',
  'rateLimits.*.rate': 'rate: 100/s',
  'rateLimits.*.key': 'key: [claims.sub]',
  tests: 'tests: [{ name: …, request: GET /orders, expect: allow }]',
  'routes.*': '{ id: all, path: /** }',
  'routes.*.id': 'id: orders',
  'routes.*.path': 'path: /orders/**',
  'routes.*.rateLimits': 'rateLimits: [per-caller]',
  'routes.*.require': 'require: { scopes: [orders:read] }',
  'providers.*.issuer': 'issuer: https://auth.example.com/',
  'providers.*.audiences': 'audiences: [https://api.example.com]',
}

/** Continues a message about what is missing or of the wrong type, by what would be right there. */
export function writtenExample(path: ReadonlyArray<string | number>): string {
  const place = path.map((step, depth) =>
    typeof step === 'number' || (depth === 1 && (path[0] === 'providers' || path[0] === 'rateLimits')) ? '*' : step,
  )
  const name = place.join('.')
  return Object.hasOwn(EXAMPLES, name) ? `; write \`${EXAMPLES[name]}\`` : ''
}
