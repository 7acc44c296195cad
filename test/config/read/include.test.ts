/** Tests configurations of several files: who may set what, what is set twice, and where a problem is. */
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { ConfigError } from '../../../src/errors.ts'

const PLATFORM = '/etc/sallyport/platform/sallyport.yaml'
const TEAM = '/etc/sallyport/team/orders.yaml'
const OTHER = '/etc/sallyport/other/parcels.yaml'

const MAIN = `listen: 127.0.0.1:8080
providers:
  main: { type: jwt, issuer: https://auth.example.com/, audiences: [https://api.example.com] }
upstreams:
  app: http://127.0.0.1:3000
routes:
  - { id: all, path: /**, upstream: app }
include:
  - { file: ../team/orders.yaml, may: [routes, upstreams] }
  - { file: /etc/sallyport/other/parcels.yaml, may: [routes] }
`
const ORDERS = 'routes: [{ id: orders, path: /orders, upstream: app }]\n'
const PARCELS = 'routes: [{ id: parcels, path: /parcels, upstream: app }]\n'
const NOTHING = '{}\n'

interface Team {
  readonly orders?: string | Buffer
  readonly parcels?: string
  readonly env?: Readonly<Record<string, string>>
}

function load(main: string, { orders = NOTHING, parcels = NOTHING, env = {} }: Team = {}): Config {
  const files = new Map([
    [TEAM, orders],
    [OTHER, parcels],
  ])
  const readFile = (path: string): Buffer => {
    const content = files.get(path)
    if (content === undefined || content === 'gone') throw Object.assign(new Error('gone'), { code: 'ENOENT' })
    return Buffer.from(content)
  }
  return loadConfig({ text: main, file: PLATFORM, env, readFile })
}

function errorOf(main: string, team: Team = {}): ConfigError {
  try {
    load(main, team)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

/** Returns the first line of each printed problem. */
function headsOf(main: string, team: Team = {}): readonly string[] {
  return errorOf(main, team)
    .message.split('\n')
    .filter(line => line.startsWith('/'))
}

describe('what included files say', () => {
  test('is added to what the including file says, in the order in which they are named', () => {
    const orders = `upstreams: { orders: http://127.0.0.1:4000 }\n${ORDERS.replace('app', 'orders')}`
    const { routes, upstreams } = load(MAIN, { orders, parcels: PARCELS })
    expect(routes.map(({ id, upstream }) => [id, upstream])).toEqual([
      ['all', 'app'],
      ['orders', 'orders'],
      ['parcels', 'app'],
    ])
    expect(Object.keys(upstreams)).toEqual(['app', 'orders'])
  })

  test('may be all routes there are', () => {
    const main = MAIN.replace(/^routes:\n.*\n/m, '')
    expect(load(main, { orders: ORDERS }).routes.map(({ id }) => id)).toEqual(['orders'])
  })

  test('may be a section that the including file leaves out', () => {
    const main = MAIN.replace('may: [routes]', 'may: [limits, log]')
    const parcels = 'limits: { headers: 50 }\nlog: { access: denied }\n'
    expect(load(main, { parcels })).toMatchObject({ limits: { headers: 50 }, log: { access: 'denied' } })
  })

  test('is kept in the configuration, with absolute paths', () => {
    expect(load(MAIN).include).toEqual([
      { file: TEAM, may: ['routes', 'upstreams'] },
      { file: OTHER, may: ['routes'] },
    ])
  })

  test('begins its relative paths at its own folder', () => {
    const main = MAIN.replace('may: [routes, upstreams]', 'may: [upstreams]')
    const { upstreams } = load(main, { orders: 'upstreams: { own: unix:run/own.sock }\n' })
    expect(upstreams.own?.url).toMatchObject({ socketPath: '/etc/sallyport/team/run/own.sock' })
  })

  test('takes values from the environment, of the type that is needed', () => {
    const orders = `upstreams: { own: { url: "http://127.0.0.1:\${PORT}", connections: "\${CONNECTIONS}" } }\n`
    const { upstreams } = load(MAIN, { orders, env: { PORT: '4000', CONNECTIONS: '7' } })
    expect(upstreams.own).toMatchObject({ connections: 7, url: { origin: 'http://127.0.0.1:4000' } })
    const parcels = `routes:\n  - id: \${ID}\n    path: /x\n    upstream: app\n`
    const { routes } = load(MAIN, { parcels, env: { ID: '12' } })
    expect(routes.slice(1).map(({ id }) => id)).toEqual(['12'])
  })

  test('has anchors of its own, and keys `x-…` to keep them in', () => {
    const orders = 'x-base: &base { upstream: app }\nroutes: [{ <<: *base, id: orders, path: /orders }]\n'
    const parcels = 'x-base: &base { upstream: app }\nroutes: [{ <<: *base, id: parcels, path: /parcels }]\n'
    expect(load(MAIN, { orders, parcels }).routes).toHaveLength(3)
    const [head] = headsOf(MAIN, { orders, parcels: parcels.replace(/.*\n/, '') })
    expect(head).toContain(`${OTHER}:1:12 routes[0]["<<"]: is a merge key, which takes an alias of a block`)
  })

  test('is read also where the files that a configuration names are not', () => {
    const readFile = (): Buffer => Buffer.from(ORDERS)
    const text = MAIN.replace(/.*parcels.*\n/, '')
    const { routes } = loadConfig({ text, file: PLATFORM, env: {}, readFile, namedFiles: 'unread' })
    expect(routes.map(({ id }) => id)).toEqual(['all', 'orders'])
  })
})

describe('what an included file may not set', () => {
  test('is an error at its place, which says what it may set, and who says so', () => {
    const { problems, message } = errorOf(MAIN, { orders: `# ours\nlimits: { headers: 50 }\n${ORDERS}` })
    expect(problems).toEqual([
      {
        file: TEAM,
        line: 2,
        column: 1,
        path: ['limits'],
        message: `cannot be set by this file, which may set \`routes\`, \`upstreams\` (${PLATFORM}:9); leave it out, or add it to \`may\` there`,
      },
    ])
    expect(message.split('\n').slice(1)).toEqual([
      '  1 | # ours',
      '> 2 | limits: { headers: 50 }',
      '    | ^',
      '  3 | routes: [{ id: orders, path: /orders, upstream: app }]',
    ])
  })

  test('is every key when its names are those of the platform, however they are spelled', () => {
    const [unknown, foreign] = headsOf(MAIN, { orders: 'rutes: []\nupstream: {}\n', parcels: 'ruotes: []\nxy: 1\n' })
    expect(unknown).toBe(`${TEAM}:1:1 rutes: is not a known key. Did you mean "routes"?`)
    expect(foreign).toBe(`${TEAM}:2:1 upstream: is not a known key. Did you mean "upstreams"?`)
    expect(headsOf(MAIN, { parcels: 'xy: 1\n' })).toEqual([
      `${OTHER}:1:1 xy: is not a known key. This file may set \`routes\`.`,
    ])
  })

  test('is a further file', () => {
    expect(headsOf(MAIN, { parcels: 'include: [{ file: more.yaml, may: [routes] }]\n' })).toEqual([
      `${OTHER}:1:1 include: cannot be set by an included file; name every file in ${PLATFORM}`,
    ])
    expect(headsOf(MAIN.replace('may: [routes]', 'may: [include]'))[0]).toContain(
      'include[1].may[0]: must be one of `listen`, `decide`, `admin`,',
    )
  })
})

describe('what is set twice', () => {
  test('is an error that names both places: an entry, a section with one owner, a route', () => {
    const main = MAIN.replace('may: [routes]', 'may: [routes, upstreams, listen]')
    const heads = headsOf(main, {
      orders: `upstreams:\n  app: http://127.0.0.1:1\n${ORDERS}`,
      parcels: `upstreams: { app: http://127.0.0.1:2 }\nlisten: 127.0.0.1:1\n${PARCELS.replace('parcels', 'orders')}`,
    })
    expect(heads).toEqual([
      `${TEAM}:2:3 upstreams.app: is set at ${PLATFORM}:5 already; keep one of them`,
      `${OTHER}:1:14 upstreams.app: is set at ${PLATFORM}:5 already; keep one of them`,
      `${OTHER}:2:1 listen: is set at ${PLATFORM}:1 already; keep one of them`,
      `${OTHER}:3:16 routes[0].id: is the id of an earlier route too; give each route its own (it is at ${TEAM}:3)`,
    ])
  })

  test('is also a path with the same methods', () => {
    expect(headsOf(MAIN, { orders: ORDERS, parcels: PARCELS.replace('/parcels', '/orders') })).toEqual([
      `${OTHER}:1:31 routes[0].path: matches what route \`orders\` matches (all methods); change a path or the \`methods\` (it is at ${TEAM}:1)`,
    ])
  })

  test('is never the second of two: the first entry is not judged by the other one', () => {
    expect(load(MAIN, { orders: 'upstreams: { own: http://127.0.0.1:1 }\n' }).upstreams.app?.url).toMatchObject({
      origin: 'http://127.0.0.1:3000',
    })
  })
})

describe('problems', () => {
  test('are placed in the file that they are in, file by file, in one report', () => {
    const { problems, message } = errorOf(MAIN.replace('upstream: app', 'upstream: ap'), {
      orders: `${ORDERS.replace('id: orders', 'id: "or ders"').replace('app', 'nowhere')}`,
      parcels: `routes:\n  - { id: parcels, path: /parcels, upstream: app, providers: [mian] }\n`,
    })
    expect(problems.map(({ file, line, path }) => [file, line, path.join('.')])).toEqual([
      [undefined, 7, 'routes.0.upstream'],
      [TEAM, 1, 'routes.0.id'],
      [OTHER, 2, 'routes.0.providers.0'],
    ])
    expect(message).toContain(
      `${OTHER}:2:63 routes[0].providers[0]: names no provider; there is main. Did you mean "main"?`,
    )
    expect(message).toContain('> 2 |   - { id: parcels, path: /parcels, upstream: app, providers: [mian] }')
  })

  test('of syntax are told of their file, beside what is wrong in the others, and nothing that follows from them', () => {
    const main = MAIN.replace(/^routes:\n.*\n/m, '').replace('127.0.0.1:8080', 'nowhere')
    const heads = headsOf(main, { orders: 'routes: [}\n', parcels: PARCELS.replace('app', 'orders') })
    expect(heads.map(head => head.split(' ')[0])).toEqual([`${PLATFORM}:1:9`, `${TEAM}:1:10`])
  })

  test('are an empty file, and one that is no block', () => {
    const main = MAIN.replace(/^routes:\n.*\n/m, '')
    expect(headsOf(main, { orders: '# nothing yet\n', parcels: '- x\n' })).toEqual([
      `${TEAM}:1:1 the file is empty; write \`{}\` into a file that sets nothing yet`,
      `${OTHER}:1:1 the file must be a block of keys`,
    ])
  })

  test('are routes that are no list, in whichever file', () => {
    expect(headsOf(MAIN, { orders: 'routes: { id: x }\n', parcels: 'routes:\n' })).toEqual([
      `${TEAM}:1:9 routes: must be a list, not a block of keys; write \`routes: [{ id: all, path: /** }]\``,
      `${OTHER}:1:1 routes: has no value; give one, or leave the key out`,
    ])
  })

  test('are a file that is missing, which says how to begin', () => {
    expect(headsOf(MAIN, { orders: 'gone' })).toEqual([
      `${PLATFORM}:9:13 include[0].file: cannot be read: there is no such file or folder (ENOENT); check the path, which starts at the folder of this file, and the permissions; a file that is to set nothing yet holds \`{}\``,
    ])
  })

  test('are a file that is no UTF-8', () => {
    expect(headsOf(MAIN, { orders: Buffer.from([0xff, 0xfe]) })[0]).toContain('is not UTF-8; save orders.yaml as UTF-8')
  })

  test('are a file that is named twice, and one that names itself', () => {
    expect(headsOf(MAIN.replace('/etc/sallyport/other/parcels.yaml', './../team/orders.yaml'))).toEqual([
      `${PLATFORM}:10:13 include[1].file: is included already; leave it out here`,
    ])
    expect(headsOf(MAIN.replace('../team/orders.yaml', 'sallyport.yaml'))).toEqual([
      `${PLATFORM}:9:13 include[0].file: is this file itself; leave it out`,
    ])
  })

  test.each([
    ['include: [team.yaml]', 'include[0]: must be a block of keys, not text'],
    ['include: [{ file: team.yaml }]', 'include[0].may: is missing'],
    ['include: [{ file: team.yaml, may: [] }]', 'include[0].may: must not be empty; list the keys'],
    ['include: [{ file: team.yaml, may: routes }]', 'include[0].may: must be a list, not text; put it in `[ ]`'],
    ['include: [{ file: team.yaml, may: [rotes] }]', 'include[0].may[0]: must be one of'],
    ['include: [{ file: team.yaml, may: [routes], x: 1 }]', 'include[0].x: is not a known key'],
  ])('are the entry %s, and not what its file would have set', (entry, problem) => {
    const heads = headsOf(MAIN.replace(/^(routes|include):\n( .*\n)+/gm, '') + entry)
    expect(heads).toHaveLength(1)
    expect(heads[0]).toContain(problem)
  })

  test('are `include` that is no list, or an empty one', () => {
    const main = MAIN.replace(/^include:\n( .*\n)+/m, '')
    expect(headsOf(`${main}include: team.yaml\n`)[0]).toContain('include: must be a list, not text; put it in `[ ]`')
    expect(headsOf(`${main}include: []\n`)[0]).toContain('include: must not be empty; list at least one file')
  })

  test('are more than 64 files', () => {
    const entries = Array.from({ length: 65 }, (_, index) => `{ file: ${index}.yaml, may: [routes] }`)
    expect(headsOf(MAIN.replace(/^include:\n( .*\n)+/m, `include: [${entries.join()}]\n`))[0]).toContain(
      'include: must not list more than 64 files; let one file hold what several do now',
    )
  })
})
