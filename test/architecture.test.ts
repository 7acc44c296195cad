/**
 * Holds the house to its plan: who may import whom, no circles, no export without a user, no file outside of a room.
 *
 * The two tables are the picture of `src/` in words. Whoever adds an import that they do not have meets this test, and
 * either takes another way or changes the picture on purpose. What nobody imports any more has to leave the tables.
 */
import { describe, expect, test } from 'vitest'
import {
  arrow,
  circles,
  type Edge,
  edgesOf,
  isBetweenRooms,
  roomOf,
  type UnusedExport,
  unusedExports,
} from './support/rooms.ts'
import { EVERYTHING, filesIn, parseSource, readSources } from './support/sources.ts'

/**
 * Each room and the rooms that it may import. Arrows point down: a room imports only what stands below it.
 *
 * The first rows start everything, then come those that read the configuration, then a request's way from the client to
 * the service, then the nouns, and at the bottom what has no words of ours. Of the stages that `decide` and `gateway`
 * call one after the other (route, authenticate, authorize, identity, forward) none imports another.
 */
const ROOMS = tableOf(`
  main              → cli errors run/workers
  cli               → admin config/check config/read config/schema decision demo errors issuer-template lib policy revocation route run run/workers signing telemetry tools/admin tools/bundle tools/cases tools/check tools/dev tools/diff tools/doctor tools/engine
                      tools/explain tools/init tools/inject tools/k8s tools/k8s/lint tools/openapi tools/refusals tools/revocation tools/snippet tools/text tools/token types
  library           → acting config/check config/read config/schema decide downstream errors exchange forward lib node policy policy-store refusal
                      run telemetry telemetry/audit telemetry/metrics telemetry/traces types
  build             → config/schema
  demo              → lib

  tools/bundle      → admin config/read config/schema errors lib tools/admin tools/doctor
  tools/dev         → config/schema lib run telemetry/metrics tools/engine tools/text types
  tools/doctor      → admin config config/check config/read config/schema decision egress errors identity issuer-template keys/fetch lib oauth
                      policy run store telemetry/traces tools/admin tools/check tools/engine tools/snippet tools/text upstream
  tools/k8s/lint    → admin config/check config/read config/schema errors lib tools/k8s upstream
  tools/cases       → config config/check config/read config/schema errors lib mcp policy revocation route run tools/engine tools/explain tools/text
                      types
  tools/token       → authenticate authenticate/encrypted authenticate/jwt config config/read config/schema errors lib run tools/engine tools/explain tools/text
                      types
  tools/snippet     → config config/schema decision errors forward lib policy tools/admin
  tools/refusals    → admin config/schema errors lib tools/admin tools/text
  tools/revocation  → admin config/read config/schema revocation run tools/admin
  tools/admin       → config/schema lib
  tools/explain     → claim-reader config config/schema decision downstream errors lib limit policy refusal route tools/engine tools/text types
  tools/check       → authenticate condition config config/check config/read config/schema errors issuer-template keys/fetch lib limit mcp oauth policy route run session signing tools/diff tools/engine tools/init tools/text token-exchange types upstream
  tools/diff        → authorize config config/schema identity issuer-template lib limit mcp policy route tools/engine tools/text types
  tools/openapi     → config/read errors route
  tools/init        →
  tools/inject      → admin config/schema lib tools/k8s
  tools/k8s         →
  tools/engine      → authenticate authenticate/introspection authenticate/jwt authenticate/proof claim-reader config config/read config/schema decide downstream
                      errors issuer-template lib limit mcp policy revocation route run session signing telemetry tools/text types upstream
  tools/text        → authorize claim-reader config config/schema limit types

  run/workers       → admin config/schema downstream errors lib limit revocation run telemetry telemetry/metrics
  run               → admin admin/console authenticate authenticate/encrypted authenticate/introspection authenticate/jwt authenticate/proof claim-reader config config/check config/read config/schema
                      decisions downstream errors forward gateway issuer-template keys lib limit node oauth policy policy-store revocation session signing store telemetry telemetry/audit telemetry/metrics telemetry/traces token-exchange types upstream
  admin/console     → admin errors lib telemetry/metrics
  admin             → downstream errors exchange lib policy revocation types upstream

  config            → authenticate authorize condition config/schema downstream forward identity issuer-template lib limit mcp policy route session
                      signing telemetry/metrics telemetry/traces token-exchange types upstream
  config/read       → config/check config/schema errors lib revocation
  config/check      → authenticate/encrypted condition config/schema egress errors identity issuer-template keys keys/fetch lib limit mcp oauth route signing
  config/schema     → authenticate authenticate/proof authorize claim-reader decision downstream egress forward identity issuer-template lib limit mcp route signing types

  gateway           → acting exchange forward intake policy policy-store revocation
  decisions         → acting decision downstream exchange intake policy-store
  intake            → decide downstream errors exchange lib policy policy-store refusal telemetry telemetry/audit
                      telemetry/metrics telemetry/traces types
  acting            → downstream errors exchange forward policy refusal telemetry/audit types
  decide            → authenticate downstream errors lib mcp policy route types
  decision          → downstream errors exchange forward lib policy refusal types
  forward           → downstream errors exchange lib policy refusal types upstream
  downstream        → errors exchange lib node policy policy-store route telemetry types
  refusal           → errors exchange lib policy route telemetry types
  session           → authenticate errors lib oauth policy revocation route store types
  telemetry/audit   → errors exchange lib node telemetry telemetry/metrics types
  telemetry         → authenticate/introspection errors exchange keys lib node policy revocation telemetry/metrics types
  telemetry/metrics → errors limit mcp node revocation route telemetry/traces token-exchange types
  telemetry/traces  → exchange keys/fetch lib policy types
  exchange          → errors policy types
  policy-store      → policy
  policy            → errors identity lib limit mcp route token-exchange types upstream
  authenticate/proof → authenticate authenticate/jwt errors keys lib store types
  authenticate/encrypted → authenticate authenticate/jwt errors keys lib types
  authenticate/introspection → authenticate authenticate/jwt egress errors keys/fetch lib oauth types
  authenticate      → authenticate/jwt claim-reader errors issuer-template lib revocation types
  authenticate/jwt  → authenticate errors issuer-template lib types
  authorize         → claim-reader condition errors lib types
  limit             → claim-reader errors lib store types
  mcp               → errors lib types
  identity          → claim-reader errors lib signing types
  signing           → claim-reader errors keys lib types
  route             → errors lib types
  token-exchange    → errors lib oauth types
  keys              → egress errors issuer-template keys/fetch lib oauth types
  oauth             → egress keys/fetch lib types
  keys/fetch        → egress lib
  egress            → lib
  revocation        → errors lib store types
  store             → lib
  upstream          → errors lib node

  claim-reader      → types
  condition         →
  issuer-template   → types
  types             → errors lib
  errors            →
  node              →
  lib               →
`)

/** Each package and who may import it: rooms, or single files of a room. */
const PACKAGES = tableOf(`
  @fastify/http-proxy → downstream
  @marcbachmann/cel-js → condition
  esbuild             → build
  fastify             → admin decisions downstream gateway intake library run/listening.ts run/start.ts
  jose                → authenticate/encrypted authenticate/jwt demo tools/engine tools/token
  lru-cache           → authenticate authenticate/introspection keys session
  oauth4webapi        → oauth
  oidc-provider       → demo
  pino                → node telemetry
  prom-client         → node run run/workers telemetry/metrics
  yaml                → cli config/read tools/bundle tools/inject tools/k8s tools/openapi
  @redis/client       → store
  @opentelemetry/api  → telemetry/traces
  @opentelemetry/exporter-trace-otlp-http → telemetry/traces
  @opentelemetry/resources → telemetry/traces
  @opentelemetry/sdk-trace → telemetry/traces
  ws                  → demo
  zod                 → build config/check config/read config/schema revocation tools/cases
`)

/** Arrows that point up, and so close a circle. None may be added. */
const KNOWN_UPWARD: ReadonlySet<string> = new Set([
  // What every verifier keeps to stands beside those who choose among them.
  'authenticate/jwt → authenticate',
])

/** Files that ask Node for a package by its name, since they can neither wait for it nor have it from the start. */
const REQUIRING: ReadonlySet<string> = new Set(['src/condition/library.ts'])

/** What stands at the top of `src/`, besides the rooms that are folders. */
const AT_THE_TOP = [
  'README.md',
  'main.ts',
  'gateway.ts',
  'decisions.ts',
  'intake.ts',
  'acting.ts',
  'decide.ts',
  'errors.ts',
  'types.ts',
  'policy.ts',
  'policy-store.ts',
  'exchange.ts',
  'claim-reader.ts',
  'issuer-template.ts',
]

/** Folders of `test/` that are about the whole and mirror no room. */
const ABOUT_THE_WHOLE = ['rfc', 'raw', 'regression', 'e2e', 'docs', 'fuzz', 'support', 'k8s', 'build']

const sources = readSources('src')
const fileEdges = edgesOf(sources, 'file')
const packageEdges = edgesOf(sources, 'package')

describe('the rooms of src/', () => {
  test('are those of the table', () => {
    expect(new Set(sources.map(({ path }) => roomOf(path)))).toEqual(new Set(ROOMS.keys()))
  })

  test('import what their row in the table lists', () => {
    const strangers = fileEdges.filter(
      edge => isBetweenRooms(edge) && !rowOf(roomOf(edge.path)).includes(roomOf(edge.target)),
    )
    expect(strangers.map(edge => complaint(edge, `the row: ${shownRow(ROOMS, roomOf(edge.path))}`))).toEqual([])
  })

  test('import all that their row lists', () => {
    const arrows = new Set(fileEdges.map(arrow))
    expect(arrowsOf(ROOMS).filter(each => !arrows.has(each))).toEqual([])
  })

  test('import only rooms that stand below them', () => {
    expect(arrowsOf(ROOMS).filter(isUpward).toSorted()).toEqual([...KNOWN_UPWARD].toSorted())
  })

  test('import the packages that are theirs, and the table lists no other', () => {
    const strangers = packageEdges.filter(({ path, target }) => packageUser(target, path) === undefined)
    expect(strangers.map(edge => complaint(edge, `the row: ${shownRow(PACKAGES, edge.target)}`))).toEqual([])
    const users = new Set(packageEdges.map(({ path, target }) => `${target} → ${packageUser(target, path)}`))
    expect(arrowsOf(PACKAGES).filter(each => !users.has(each))).toEqual([])
  })

  test('put providers and layers together in one file, so that no command can leave the layers out', () => {
    const composers = fileEdges.filter(
      ({ target, names }) =>
        (target === 'src/authenticate/by-issuer.ts' && names.includes('issuerAuthenticator')) ||
        (target === 'src/authenticate/layers.ts' && names.includes('withLayers')),
    )
    expect(new Set(composers.map(({ path }) => path))).toEqual(new Set(['src/authenticate/authenticator.ts']))
  })

  test('import nothing whose address is computed and require nothing, so that these rules see everything', () => {
    const hidden = [...edgesOf(sources, 'computed'), ...edgesOf(sources, 'node').filter(isRequire)]
    const unknown = hidden.filter(({ path }) => !REQUIRING.has(path))
    expect(unknown.map(({ path, line }) => `${path}:${line} may import anything`)).toEqual([])
    expect(hidden).toHaveLength(REQUIRING.size)
  })

  test('have no circle of files, imports of types included', () => {
    expect(circles(fileEdges)).toEqual([])
  })
})

describe('every export of src/', () => {
  const entries = /^src\/(?:main\.ts|build\/|library\/(?:index|declared)\.ts)/
  const unused = unusedExports(
    sources.filter(({ path }) => !entries.test(path)),
    [...sources, ...readSources('bench')],
  )
  const withoutTest = new Set(unusedExports(sources, readSources('test')).map(exportArrow))

  test('has a user', () => {
    const without = unused.filter(each => withoutTest.has(exportArrow(each)))
    expect(without.map(complaintOf)).toEqual([])
  })

  test('has a user in src/ or bench/, not only in a test', () => {
    const forTests = unused.filter(each => !withoutTest.has(exportArrow(each)))
    expect(forTests.map(complaintOf)).toEqual([])
  })

  function complaintOf({ path, line, name }: UnusedExport): string {
    return `${path}:${line} exports ${name}`
  }
})

test('no file lies at the top of src/ that has no place there', () => {
  const loose = filesIn('src').flatMap(path => /^src\/([^/]+)$/.exec(path)?.[1] ?? [])
  expect(loose.filter(file => !AT_THE_TOP.includes(file))).toEqual([])
  expect(AT_THE_TOP.filter(file => file.endsWith('.ts') && !loose.includes(file))).toEqual([])
})

describe('test/ mirrors src/', () => {
  const folders = new Set(filesIn('test').map(path => path.split('/').slice(1, -1).join('/')))
  const rooms = new Set(filesIn('src').flatMap(path => parents(roomOf(path))))

  test('each folder is one of a room, or about the whole', () => {
    const homeless = [...folders].filter(folder => folder !== '' && !rooms.has(folder))
    expect(homeless.filter(folder => !ABOUT_THE_WHOLE.includes(folder.split('/')[0] ?? ''))).toEqual([])
  })

  test('what tests share has three rooms: clients, services and the gateway', () => {
    const inside = [...folders].filter(folder => folder.startsWith('support/'))
    expect(inside.toSorted()).toEqual(['support/clients', 'support/gateway', 'support/services'])
  })

  test('a test at the top is about a file at the top of src/, or about all of it', () => {
    const loose = filesIn('test').filter(path => path.split('/').length === 2)
    const expected = new Set([
      'test/architecture.test.ts',
      ...AT_THE_TOP.map(file => `test/${file.replace('.ts', '.test.ts')}`),
    ])
    expect(loose.filter(path => !expected.has(path))).toEqual([])
  })
})

describe('the rules see', () => {
  test('every form of import, with the names that it takes', () => {
    const { imports } = parseSource(
      'src/keys/fetch/made-up.ts',
      `import 'undici'
      import type { KeySet } from '../../types.ts'
      import { parse as read, type Document } from 'yaml'
      import * as http from 'node:http'
      export { Denial } from '../../errors.ts'
      export * from '../jwk.ts'
      type Late = import('../registry.ts').KeySetLease
      type All = typeof import('@fastify/http-proxy/lib/utils.js')
      const late = (await import('./late.ts')).late
      const all = await import(\`\${late}.ts\`)`,
    )
    expect(imports.map(({ kind, target, names }) => `${kind} ${target} ${names}`).toSorted()).toEqual([
      'computed  *',
      'file src/errors.ts Denial',
      'file src/keys/fetch/late.ts late',
      'file src/keys/jwk.ts *',
      'file src/keys/registry.ts KeySetLease',
      'file src/types.ts KeySet',
      'node node:http *',
      'package @fastify/http-proxy *',
      'package undici ',
      'package yaml parse,Document',
    ])
    expect(imports.map(({ line }) => line).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('a circle, and each way round it', () => {
    const around = [
      parseSource('src/a/one.ts', "import type { Two } from '../b/two.ts'"),
      parseSource('src/b/two.ts', "import { three } from './three.ts'"),
      parseSource('src/b/three.ts', "export type { One } from '../a/one.ts'\nimport '../c/four.ts'"),
      parseSource('src/c/four.ts', "import '../d/five.ts'"),
    ]
    expect(circles(edgesOf(around, 'file'))).toEqual(['src/a/one.ts → src/b/two.ts → src/b/three.ts → src/a/one.ts'])
  })

  test('an export that only its own file uses, once, whatever it is', () => {
    const made = parseSource(
      'src/a/made-up.ts',
      `export interface Options { readonly depth: number }
      export function parsed(text: string): void
      export function parsed(text: string, options?: Options): void {}
      export const [ONE, TWO] = [1, 2]
      export class Reader {}`,
    )
    const user = parseSource('src/b/user.ts', "import { parsed, TWO as two } from '../a/made-up.ts'")
    expect(unusedExports([made], [made, user]).map(({ line, name }) => `${line} ${name}`)).toEqual([
      '1 Options',
      '4 ONE',
      '5 Reader',
    ])
  })
})

function parents(room: string): readonly string[] {
  const parts = room.split('/')
  return parts.map((_part, index) => parts.slice(0, index + 1).join('/'))
}

type Rows = ReadonlyMap<string, readonly string[]>

/** @param text a row a line, `name → names`; a line without an arrow goes on with the row above */
function tableOf(text: string): Rows {
  const rows = new Map<string, string[]>()
  for (const row of text.split(/\n\s*(?=\S+ *→)/)) {
    const [name = '', names = ''] = row.split('→')
    if (name.trim() === '') continue
    if (rows.has(name.trim())) throw new Error(`${name.trim()} has two rows`)
    rows.set(name.trim(), names.split(/\s+/).filter(Boolean))
  }
  return rows
}

function rowOf(room: string): readonly string[] {
  return ROOMS.get(room) ?? []
}

function shownRow(rows: Rows, name: string): string {
  return `${name} → ${rows.get(name)?.join(' ') ?? '(it has none)'}`
}

function arrowsOf(rows: Rows): readonly string[] {
  return [...rows].flatMap(([name, names]) => names.map(each => `${name} → ${each}`))
}

function isRequire({ target, names }: Edge): boolean {
  return target === 'node:module' && names.some(name => name === 'createRequire' || name === EVERYTHING)
}

function exportArrow({ path, name }: UnusedExport): string {
  return `${path} → ${name}`
}

function isUpward(each: string): boolean {
  const order = [...ROOMS.keys()]
  const [from = '', to = ''] = each.split(' → ')
  return order.indexOf(to) <= order.indexOf(from)
}

function packageUser(name: string, path: string): string | undefined {
  return PACKAGES.get(name)?.find(user => user === roomOf(path) || `src/${user}` === path)
}

function complaint({ path, line, target }: Edge, expected: string): string {
  return `${path}:${line} imports ${target}, not in ${expected}`
}
