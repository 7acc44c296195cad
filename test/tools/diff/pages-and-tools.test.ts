/** Tests what is said of a change of origins, tools and resources, and that it agrees with what is decided. */
import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { presented } from '../../../src/tools/engine/presented.ts'
import { type StandIn, standIn } from '../../../src/tools/engine/stand-in.ts'
import { bodyOf, isJudged, withJsonBody } from '../../../src/tools/engine/tool-call.ts'
import { type Trial, trial, trialRequest } from '../../../src/tools/engine/trial.ts'
import type { Claims } from '../../../src/types.ts'
import { HEAD, silentServices } from '../support.ts'
import { changes, compared } from './support.ts'

const URL_OF_RESOURCE = 'https://mcp.example.com/mcp'
const RESOURCES = `resources: { one: { url: ${URL_OF_RESOURCE} }, two: { url: https://two.example.com/ } }\n`

/** @param rest of the one route, and what stands beside the routes */
function configOf(rest: string, beside = ''): Config {
  const text = `${HEAD}${RESOURCES}${beside}routes:\n  - { id: a, path: /a, ${rest} }\n  - { id: one, path: /one, resource: one }\n  - { id: two, path: /two, resource: two }\n`
  return loadConfig({ text, file: '/etc/sallyport.yaml', env: {} })
}

const told = (before: string, after: string): readonly string[] => changes(configOf(before), configOf(after))
const cors = (rest: string): string => `access: required, cors: { ${rest} }`
const tools = (rest: string): string => `require: { scopes: [use] }, mcp: { ${rest} }`

describe('which pages may read the answers', () => {
  test.each([
    ['origins: [https://a.io]', 'origins: [https://a.io, https://b.io]', 'loosened a: cors.origins: or https://b.io'],
    [
      'origins: [https://a.io, https://b.io]',
      'origins: [https://a.io]',
      'tightened a: cors.origins: not https://b.io any more',
    ],
    ['origins: [https://a.io]', 'origins: ["*"]', 'loosened a: cors.origins: or *'],
    [
      'origins: ["https://*.a.io"]',
      'origins: [https://x.a.io]',
      'tightened a: cors.origins: not https://*.a.io any more',
    ],
    ['origins: [https://x.a.io]', 'origins: ["https://*.a.io"]', 'loosened a: cors.origins: or https://*.a.io'],
    [
      'origins: [https://a.io]',
      'origins: [https://a.io], credentials: true',
      'loosened a: cors.credentials: false → true',
    ],
    [
      'origins: [https://a.io], headers: [x-a]',
      'origins: [https://a.io], headers: [x-a, x-b]',
      'loosened a: cors.headers: or x-b',
    ],
    [
      'origins: [https://a.io], exposeHeaders: [ETag, Link]',
      'origins: [https://a.io], exposeHeaders: [etag]',
      'tightened a: cors.exposeHeaders: not link any more',
    ],
    [
      'origins: [https://a.io], enforceOrigin: true',
      'origins: [https://a.io]',
      'loosened a: cors.enforceOrigin: true → false',
    ],
  ])('%s → %s', (before, after, change) => {
    expect(told(cors(before), cors(after))).toEqual([change])
  })

  test('an origin that a wildcard stands for is neither gained nor lost, and neither is another way to say the same', () => {
    expect(told(cors('origins: ["https://*.a.io"]'), cors('origins: ["https://*.a.io", https://x.a.io]'))).toEqual([])
    const ofFile = configOf('access: required', 'cors: { origins: [https://a.io] }\n')
    expect(
      changes(ofFile, configOf(cors('origins: [https://a.io], headers: [authorization, content-type], maxAge: 1m'))),
    ).toEqual([
      // The other routes have their rules of the file.
      expect.stringMatching(/^changed one: cors: off/),
      expect.stringMatching(/^changed two: cors: off/),
    ])
  })

  test('without rules the service says so itself, which nobody knows here', () => {
    expect(told('access: required', cors('origins: [https://a.io]'))).toEqual([
      'changed a: cors: pages of https://a.io may read the answers, and no others that the service lets read them',
    ])
    const [gained] = policyDiff(
      compared(configOf('access: required')),
      compared(configOf(cors('origins: [https://a.io]'))),
    )
    expect(gained?.witness).toBe('pages of https://a.io')
    const found = policyDiff(
      compared(configOf(cors('origins: [https://a.io], enforceOrigin: true'))),
      compared(configOf('access: required')),
    )
    expect(found).toMatchObject([
      { kind: 'loosened', details: ['cors.enforceOrigin: true → false'] },
      { kind: 'changed', witness: 'pages that the service lets read its answers' },
    ])
  })

  test('a route that only reports enforces no origin, also where it asks for no token', () => {
    const open = (mode: string) =>
      `access: public, mode: ${mode}, cors: { origins: [https://a.io], enforceOrigin: true }`
    expect(told(open('enforce'), open('report'))).toContain('loosened a: cors.enforceOrigin: true → false')
  })
})

describe('which tools may be called', () => {
  test.each([
    ['tools: { x: { scopes: [s, t] } }', 'tools: { x: { scopes: [s] } }', 'loosened a: mcp.tools.x: no longer t'],
    ['tools: { x: {} }', 'tools: { x: { scopes: [s] } }', 'tightened a: mcp.tools.x: also s'],
    ['tools: { x: {} }', 'tools: { x: {}, y: {} }', 'loosened a: mcp.tools: or y'],
    ['tools: { x: {}, y: {} }', 'tools: { x: {} }', 'tightened a: mcp.tools: not y any more'],
    ['tools: { x: {} }', 'tools: { x: {} }, others: allow', 'loosened a: mcp.others: refuse → allow'],
    ['tools: { x: {} }, others: allow', 'tools: { x: {} }', 'tightened a: mcp.others: allow → refuse'],
    [
      'tools: { "x.*": { scopes: [s] } }',
      'tools: { "x.*": { scopes: [s] }, x.y: {} }',
      'loosened a: mcp.tools.x.y: no longer s',
    ],
    ['tools: { "x.*": {} }', 'tools: { "x.*": {}, "x.x*": { scopes: [s] } }', 'tightened a: mcp.tools.x.x*: also s'],
    [
      'tools: { "x.*": { scopes: [s] } }, others: allow',
      'tools: { "x.*": { scopes: [s] }, "X*": { scopes: [s] } }, others: allow',
      'tightened a: mcp.tools.X*: also s',
      'loosened a: mcp.tools: or another spelling of x.*',
    ],
    [
      'tools: { x: { scopes: [s] } }, others: allow',
      'tools: { y: {} }, others: allow',
      'loosened a: mcp.tools.x: no longer s',
    ],
    ['tools: { x: {} }', 'tools: { x: {} }, maxBody: 2MiB', 'loosened a: mcp.maxBody: 1MiB → 2MiB'],
    ['tools: { x: {} }', '', 'loosened a: mcp.tools: no longer says who may call what'],
    ['', 'tools: { x: {} }', 'tightened a: mcp.tools: now says who may call what'],
  ])('%s → %s', (before, after, ...expected) => {
    expect(told(tools(before), tools(after)).toSorted()).toEqual(expected.toSorted())
  })

  test('nothing changes when the same is said in another way', () => {
    expect(told(tools('tools: { x: {} }'), tools('tools: { x: { scopes: [use] } }'))).toEqual([])
    expect(
      told(tools('tools: { "x*": { scopes: [s] } }'), tools('tools: { x: { scopes: [s] }, "x*": { scopes: [s] } }')),
    ).toEqual([])
  })
})

test('what becomes of a 401 of the service is told', () => {
  const plain = 'access: required'
  expect(told(`${plain}, mcp: {}`, plain)).toEqual(['changed a: mcp: a 401 of the service passes as it is'])
  expect(told(plain, `${plain}, mcp: {}`)).toEqual([
    'changed a: mcp: a 401 of the service is 502 upstream_unauthorized',
  ])
  expect(told(tools('tools: { x: {} }'), 'require: { scopes: [use] }')).toEqual([
    'loosened a: mcp.tools: no longer says who may call what',
    'changed a: mcp: a 401 of the service passes as it is',
  ])
})

test('the paths of metadata, which the gateway answers itself, are taken from the routes that had them, and given back', () => {
  const around = (resource: string) =>
    loadConfig({
      text: `${HEAD}${resource === '' ? '' : `resources: { one: { url: ${URL_OF_RESOURCE} } }\n`}routes:\n  - { id: all, path: /**, access: public }\n  - { id: mcp, path: /mcp${resource} }\n`,
      file: '/etc/sallyport.yaml',
      env: {},
    })
  const [without, having] = [around(''), around(', resource: one')]
  const ofMetadata = (old: Config, next: Config) =>
    policyDiff(compared(old), compared(next)).filter(({ requests }) => requests?.example.includes('well-known'))
  expect(ofMetadata(without, having)).toMatchObject([
    {
      kind: 'changed',
      subject: 'all → (metadata)',
      requests: { path: '/**', example: '/.well-known/oauth-protected-resource' },
      details: ['is answered by the gateway itself now'],
    },
  ])
  expect(ofMetadata(having, without)).toMatchObject([
    { kind: 'added', subject: 'all', details: ['was answered by the gateway itself; now access: public'] },
  ])
  expect(ofMetadata(having, having)).toEqual([])
})

describe('whom a token is for', () => {
  test('a resource lets its tokens in, and keeps those of the provider out', () => {
    const found = policyDiff(compared(configOf('access: required')), compared(configOf('resource: one')))
    expect(found).toMatchObject([
      {
        kind: 'changed',
        subject: 'a',
        details: [`audiences: or ${URL_OF_RESOURCE}`, 'audiences: not https://api.example.com any more'],
        witness: { provider: 'main', claims: { aud: URL_OF_RESOURCE } },
      },
    ])
  })

  test('a resource beside the audiences of the provider only lets further tokens in, and a witness is one of them', () => {
    const both = 'resource: one, audiences: [https://api.example.com]'
    expect(policyDiff(compared(configOf('access: required')), compared(configOf(both)))).toMatchObject([
      {
        kind: 'loosened',
        details: [`audiences: or ${URL_OF_RESOURCE}`],
        witness: { provider: 'main', claims: { aud: URL_OF_RESOURCE } },
      },
    ])
    expect(told(both, 'access: required')).toEqual([`tightened a: audiences: not ${URL_OF_RESOURCE} any more`])
  })

  test('another resource is another audience, and its name is none', () => {
    expect(told('resource: one', 'resource: two')).toEqual([
      `changed a: audiences: or https://two.example.com/; audiences: not ${URL_OF_RESOURCE} any more`,
    ])
    const renamed = { ...configOf('resource: one') }
    const { one, two } = renamed.resources
    if (one === undefined || two === undefined) throw new Error('there are two')
    const next = {
      ...renamed,
      resources: { two, other: one },
      routes: renamed.routes.map(each => (each.resource === 'one' ? { ...each, resource: 'other' } : each)),
    }
    expect(changes(renamed, next)).toEqual([])
  })

  test('scopes that clients are told of are a change, and let nobody in', () => {
    const old = configOf('resource: one')
    const { one } = old.resources
    if (one === undefined) throw new Error('there is one')
    const next = { ...old, resources: { ...old.resources, one: { ...one, scopes: ['s'] } } }
    expect(policyDiff(compared(old), compared(next))).toMatchObject([
      { kind: 'changed', subject: 'resource one', details: ['scopes: also s'], witness: undefined },
    ])
  })
})

const SCOPES = fc.uniqueArray(fc.constantFrom('use', 's', 't'), { maxLength: 2 })
const TOOLS = fc.dictionary(
  fc.constantFrom('x', 'x.y', 'x*', 'x.*', 'y', '*'),
  SCOPES.map(scopes => (scopes.length === 0 ? {} : { scopes })),
  { minKeys: 1, maxKeys: 4 },
)
const MCP = fc
  .record({ tools: TOOLS, others: fc.constantFrom('refuse', 'allow') })
  .map(({ tools: listed, others }) => ({ tools: listed, ...(listed['*'] === undefined && { others }) }))
const ORIGINS: fc.Arbitrary<readonly string[]> = fc.oneof(
  fc.uniqueArray(fc.constantFrom('https://a.io', 'https://*.a.io', 'https://b.a.io'), { minLength: 1 }),
  fc.constant(['*']),
)
const CORS = ORIGINS.chain(origins =>
  fc.record({
    origins: fc.constant(origins),
    enforceOrigin: origins.includes('*') ? fc.constant(false) : fc.boolean(),
    headers: fc.uniqueArray(fc.constantFrom('x-a', 'x-b')),
  }),
)
const SCOPED = SCOPES.map(scopes => (scopes.length === 0 ? undefined : { scopes }))
const ROUTE = fc.record({
  access: fc.constantFrom('required', 'optional'),
  mode: fc.constantFrom('enforce', 'enforce', 'report'),
  require: SCOPED,
  resource: fc.constantFrom(undefined, 'one', 'two'),
  audiences: fc.constantFrom(undefined, ['urn:a'], ['https://api.example.com', 'urn:a']),
  mcp: fc.option(MCP, { nil: undefined }),
  cors: fc.option(CORS, { nil: undefined }),
})
const AUDIENCES = fc.uniqueArray(
  fc.constantFrom('https://api.example.com', URL_OF_RESOURCE, 'https://two.example.com/', 'urn:a'),
  {
    minLength: 1,
    maxLength: 2,
  },
)
const REQUEST = fc.record({
  claims: fc.option(fc.record({ aud: AUDIENCES, scope: SCOPES.map(scopes => scopes.join(' ')) }), { nil: undefined }),
  tool: fc.constantFrom('x', 'x.y', 'x.z', 'xz', 'y', 'z', undefined),
  origin: fc.constantFrom(undefined, 'https://a.io', 'https://b.a.io', 'https://c.a.io', 'https://evil.io'),
})

interface Asked {
  readonly claims: Claims | undefined
  readonly tool: string | undefined
  readonly origin: string | undefined
}

const KEYS = generateKeyPairSync('ed25519')
const SERVICES = silentServices()
const SIGNED = new Map<string, Promise<string>>()

/** All stand-ins share one key and the services, as a reload would, so that a token need be signed only once. */
function trustedFor(config: Config): StandIn {
  return standIn(config, SERVICES, KEYS)
}

function signed(trusted: StandIn, claims: Claims): Promise<string> {
  const key = JSON.stringify(claims)
  const made = SIGNED.get(key) ?? trusted.token(claims, undefined).then(({ token }) => token)
  SIGNED.set(key, made)
  return made
}

/** Puts the request to the policy; a page that may not read the answer has got nothing. */
async function outcome(trusted: StandIn, { claims, tool, origin }: Asked): Promise<readonly string[]> {
  const plain = trialRequest('POST', '/a', origin === undefined ? [] : ['Origin', origin])
  const asked = isJudged(trusted.policy.matcher.match('POST', '/a'), plain) ? withJsonBody(plain) : plain
  const facts = claims === undefined ? asked : presented(asked, await signed(trusted, claims), ['authorization'])
  const body = bodyOf(tool === undefined ? { method: 'tools/list' } : { method: 'tools/call', tool })
  const found = await trial(trusted.policy, facts, body)
  if (found.denial !== undefined) return []
  return ['gets in', ...(origin !== undefined && isReadable(found) ? ['is read'] : [])]
}

function isReadable({ findings }: Trial): boolean {
  return findings.responseLines.includes('Access-Control-Allow-Origin')
}

/** Most pairs differ in a few keys, so that what one key opens is not told for another one by chance. */
const PAIR = fc
  .tuple(
    ROUTE,
    ROUTE,
    fc.subarray(['access', 'mode', 'require', 'resource', 'audiences', 'mcp', 'cors'] as const, {
      minLength: 1,
      maxLength: 2,
    }),
  )
  .map(([before, other, keys]) => ({
    before,
    after: { ...before, ...Object.fromEntries(keys.map(key => [key, other[key]])) },
  }))

test('what gets in that did not, and what does not any more, is told', async () => {
  const line = (asked: object): string => JSON.stringify(asked).slice(1, -1)
  await fc.assert(
    fc.asyncProperty(PAIR, fc.array(REQUEST, { minLength: 4, maxLength: 16 }), async ({ before, after }, requests) => {
      const [old, next] = [configOf(line(before)), configOf(line(after))]
      const [was, is] = [trustedFor(old), trustedFor(next)]
      const found = policyDiff({ config: old, policy: was.policy }, { config: next, policy: is.policy }).filter(
        ({ subject }) => subject === 'a',
      )
      const isOpened = found.some(({ kind, witness }) => kind === 'loosened' || witness !== undefined)
      const isClosed = found.some(({ kind }) => kind === 'tightened' || kind === 'changed')
      for (const request of requests) {
        const [from, to] = [await outcome(was, request), await outcome(is, request)]
        if (to.some(each => !from.includes(each))) expect(isOpened).toBe(true)
        if (from.some(each => !to.includes(each))) expect(isClosed).toBe(true)
      }
      for (const { witness } of found) {
        // Where neither is a resource, the audience of the provider goes without saying, and a witness may lack it.
        if (typeof witness !== 'object' || (before.resource ?? after.resource) === undefined) continue
        const asked = { claims: witness.claims as Claims, tool: undefined, origin: undefined }
        expect(await outcome(is, asked)).toEqual(['gets in'])
        expect(await outcome(was, asked)).toEqual([])
      }
    }),
    { numRuns: 160 },
  )
}, 60_000)

/** Each stands for all names that meet the same lines of {@link SPELLED}, by their letters and by how they are read. */
const TOOL_NAMES = ['', 'x', 'X', 'x.', 'X.', 'x.y', 'X.y', 'x.Y', 'X.Y', 'y', 'Y', 'z']
  .flatMap(name => [name, `${name}z`, `${name}Z`])
  .flatMap(name => [name, name.replace('.', '．'), name.replace('y', 'ｙ').replace('x', 'ｘ')])
  .filter((name, index, names) => name !== '' && names.indexOf(name) === index)
const SPELLED = fc
  .uniqueArray(fc.constantFrom('x', 'X', 'x.y', 'X.y', 'x*', 'X*', 'x.*', 'X.*', 'x.y*', 'y', '*'), {
    minLength: 1,
    maxLength: 3,
    // The configuration takes no two lines that are read alike.
    selector: line => line.toLowerCase(),
  })
  .chain(lines => fc.tuple(fc.constant(lines), fc.array(SCOPES, { minLength: lines.length, maxLength: lines.length })))
  .map(([lines, scopes]) =>
    Object.fromEntries(lines.map((line, index) => [line, scopes[index]?.length ? { scopes: scopes[index] } : {}])),
  )
const SPELLED_MCP = fc
  .record({ tools: SPELLED, others: fc.constantFrom('refuse', 'allow') })
  .map(({ tools: listed, others }) => ({ tools: listed, ...(listed['*'] === undefined && { others }) }))
const CALLERS = ['', 's', 't', 's t'].map(scope => ({
  aud: ['https://api.example.com'],
  scope: `use ${scope}`.trim(),
}))

async function callsThatPass(trusted: StandIn): Promise<ReadonlySet<string>> {
  const asked = TOOL_NAMES.flatMap(tool => CALLERS.map(claims => ({ tool, claims, origin: undefined })))
  const passing = await Promise.all(asked.map(async each => (await outcome(trusted, each)).length > 0))
  return new Set(asked.filter((_, index) => passing[index]).map(({ tool, claims }) => `${tool} ${claims.scope}`))
}

test('a change of tools alone is told in the directions in which calls change, and in no other', async () => {
  const line = (mcp: object): string => `require: { scopes: [use] }, mcp: ${JSON.stringify(mcp)}`
  await fc.assert(
    fc.asyncProperty(SPELLED_MCP, SPELLED_MCP, async (before, after) => {
      const [old, next] = [configOf(line(before)), configOf(line(after))]
      const [was, is] = [trustedFor(old), trustedFor(next)]
      const found = policyDiff({ config: old, policy: was.policy }, { config: next, policy: is.policy })
      const [from, to] = [await callsThatPass(was), await callsThatPass(is)]
      expect(new Set(found.map(({ kind }) => kind))).toEqual(
        new Set([...(to.isSubsetOf(from) ? [] : ['loosened']), ...(from.isSubsetOf(to) ? [] : ['tightened'])]),
      )
    }),
    { numRuns: 50 },
  )
}, 60_000)
