/**
 * Tests every value that the schema marks as a path, so that no key can be forgotten: it is absolute once it is loaded,
 * and a file is read when the configuration is checked, which is what finds a missing one and notices its changes.
 */
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { localPaths, withAbsolutePaths } from '../../../src/config/schema/local-paths.ts'
import { configSchema } from '../../../src/config/schema/schema.ts'
import { ConfigError } from '../../../src/errors.ts'

type Step = string | number

/** Clients of each kind, with what each needs besides. */
const CLIENTS: { readonly [auth: string]: object; readonly basic: object } = {
  basic: { auth: 'basic', id: 'gateway', secretFile: '/secret' },
  post: { auth: 'post', id: 'gateway', secretFile: '/secret' },
  private_key_jwt: { auth: 'private_key_jwt', id: 'gateway', keyFile: '/key' },
  tls: { auth: 'tls', id: 'gateway', certFile: '/cert', keyFile: '/key' },
  bearer: { auth: 'bearer', id: 'gateway', tokenFile: '/token' },
}

/**
 * A configuration in which each block stands that has a path in it, with what the block needs besides. A provider has
 * its type for an id.
 */
const AROUND = {
  listen: { address: '127.0.0.1:1', tls: { certFile: '/cert', keyFile: '/key' } },
  admin: { listen: '127.0.0.1:2' },
  egress: { proxy: 'https://127.0.0.1:3128' },
  store: { url: 'rediss://127.0.0.1', tls: { certFile: '/cert', keyFile: '/key' } },
  dpop: { baseUrls: ['https://api.example.com'] },
  revocation: { signals: [{ provider: 'jwt', audience: 'a', path: '/events', tokenFile: '/token' }] },
  providers: {
    jwt: {
      type: 'jwt',
      issuer: 'https://auth.example.com/',
      audiences: ['a'],
      keys: {},
      decryption: { keyFiles: ['/key'] },
    },
    introspection: {
      type: 'introspection',
      issuer: 'https://auth.example.org/',
      audiences: ['a'],
      response: 'jwt',
      keys: {},
      decryption: { keyFiles: ['/key'] },
      client: CLIENTS.basic,
    },
    session: {
      type: 'session',
      issuer: 'https://login.example.org/',
      client: CLIENTS.basic,
      principal: 'idToken',
      publicUrl: 'https://shop.example.com',
      keyFiles: ['/key'],
    },
    spiffe: {
      type: 'spiffe',
      trustDomain: 'example.org',
      audiences: ['a'],
      bundle: {},
    },
  },
  upstreams: {
    app: {
      url: 'https://app.example.com',
      tls: { certFile: '/cert', keyFile: '/key' },
      exchange: { provider: 'jwt', client: CLIENTS.basic },
    },
  },
  routes: [{ id: 'all', path: '/**' }],
  include: [{ file: '/team', may: ['routes'] }],
}

/** Files that a check must not read. */
const UNREAD: Readonly<Record<string, string>> = {
  'revocation.cacheFile': 'The gateway writes it, and it is not there before the first start.',
  'providers.jwt.keys.cacheFile': 'The gateway writes it, and it is not there before the first start.',
  'providers.spiffe.bundle.cacheFile': 'The gateway writes it, and it is not there before the first start.',
  'providers.introspection.keys.cacheFile': 'The gateway writes it, and it is not there before the first start.',
}

const paths = localPaths(configSchema).map(({ kind, steps }) => ({ kind, ...placeOf(steps) }))
const files = paths.filter(({ kind }) => kind === 'file')

/** Takes an entry that stands in {@link AROUND} for every entry. */
function placeOf(steps: ReturnType<typeof localPaths>[number]['steps']): Place {
  let whole: unknown = AROUND
  let around: unknown = AROUND
  let isEntryChosen = true
  const place: Step[] = []
  const enter = (step: Step): void => {
    place.push(step)
    around = Object(around)[step]
  }
  for (const step of steps) {
    if (step.kind === 'when' && isEntryChosen) {
      const [kind = ''] = step.values
      around = CLIENTS[String(kind)]
      whole = withValue(whole, place, around)
    }
    if (!isEntryChosen) {
      const [first = ''] = step.kind === 'when' ? step.values : Object.keys(Object(around))
      enter(Array.isArray(around) ? Number(first) : String(first))
      isEntryChosen = true
    }
    if (step.kind === 'key') enter(step.key)
    if (step.kind === 'each') isEntryChosen = false
  }
  if (!isEntryChosen) enter(Object.keys(Object(around))[0] ?? '')
  return { at: place, around: whole }
}

/** A place in a configuration that has all that it needs around it. */
interface Place {
  readonly at: readonly Step[]
  readonly around: unknown
}

function withValue(value: unknown, [step, ...rest]: readonly Step[], leaf: unknown): unknown {
  if (step === undefined) return leaf
  const changed = withValue(Object(value)[step], rest, leaf)
  return Array.isArray(value) ? value.with(Number(step), changed) : { ...Object(value), [step]: changed }
}

function valueAt(value: unknown, place: readonly Step[]): unknown {
  return place.reduce<unknown>((inner, step) => Object(inner)[step], value)
}

/** Loads a configuration of which no file is there; says which were read, and what is wrong. */
function loaded({ at, around }: Place, written: string) {
  const read: string[] = []
  const text = JSON.stringify(withValue(around, at, written))
  const readFile = (path: string): Buffer => {
    read.push(path)
    throw Object.assign(new Error('gone'), { code: 'ENOENT' })
  }
  try {
    loadConfig({ text, file: '/etc/elsewhere/sallyport.yaml', env: {}, readFile })
    return { read, problems: [] }
  } catch (error) {
    if (error instanceof ConfigError) return { read, problems: error.problems }
    throw error
  }
}

test.each(paths.map(place => [place.kind, place.at.join('.'), place] as const))(
  'the %s %s becomes absolute',
  (kind, _, { at, around }) => {
    const written = kind === 'socket' ? 'unix:some/file' : 'some/file'
    const changed = withAbsolutePaths(withValue(around, at, written), localPaths(configSchema), () => '/etc/elsewhere')
    expect(valueAt(changed, at)).toBe(written.replace('some/file', '/etc/elsewhere/some/file'))
  },
)

test('each file that a check leaves alone is one of the configuration', () => {
  expect(files.map(({ at }) => at.join('.'))).toEqual(expect.arrayContaining(Object.keys(UNREAD)))
})

test.each(files.map(place => [place.at.join('.'), place] as const))(
  'the file %s is read by a check, which tells at its key that it is missing, unless there is a reason not to',
  (name, place) => {
    const { read, problems } = loaded(place, 'some/file')
    const told = problems.filter(({ path }) => path.join('.') === name).map(({ message }) => message)
    const isRead = !(name in UNREAD)
    expect(read.filter(path => path === '/etc/elsewhere/some/file')).toHaveLength(isRead ? 1 : 0)
    expect(told).toEqual(
      isRead ? [expect.stringMatching(/^cannot be read: there is no such file or folder \(ENOENT\)/)] : [],
    )
  },
)
