/** Tests what the tools make of a configuration of several files: none of them sees only a part. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bundleCommand } from '../../src/cli/bundle.ts'
import { checkCommand } from '../../src/cli/check.ts'
import { diffCommand } from '../../src/cli/diff.ts'
import { doctorCommand } from '../../src/cli/doctor.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder, HEAD } from './support.ts'

const files = folder()

const ORDERS = `routes:
  - id: orders
    path: /orders/**
    require: { scopes: [orders:read] }
`

interface Written {
  readonly head?: string
  readonly routes?: string
  readonly may?: string
  readonly team?: string
}

/** Writes both files into a folder of their own; returns the platform's. */
function write(name: string, { head = HEAD, routes = '', may = 'routes', team = ORDERS }: Written = {}): string {
  files.write(`${name}/team/orders.yaml`, team)
  const include = `include: [{ file: ../team/orders.yaml, may: [${may}] }]\n`
  const own = routes === '' ? '' : `routes:\n  - ${routes}\n`
  return files.write(`${name}/platform/sallyport.yaml`, `${head}${include}${own}`)
}

function teamOf(name: string): string {
  return join(files.path, name, 'team', 'orders.yaml')
}

describe('sallyport check', () => {
  test('counts the files, and is the same with --no-files', async () => {
    const file = write('good')
    for (const args of [[file], [file, '--no-files']])
      expect((await runCommand(checkCommand, args)).stdout).toBe(
        `${file}: ok (1 route, 1 provider, 1 upstream, 1 included file)\n`,
      )
  })

  test('says of each error which file it is in: as text, as JSON and as an annotation', async () => {
    const file = write('bad', { team: `${ORDERS}    upstream: ap\n`, routes: '{ id: own, path: own }' })
    const team = teamOf('bad')
    const { code, stdout } = await runCommand(checkCommand, [file])
    expect(code).toBe(2)
    expect(stdout).toContain(`${file}:8:22 routes[0].path: a path starts with "/"`)
    expect(stdout).toContain(`${team}:5:15 routes[0].upstream: names no upstream; there is app. Did you mean "app"?`)
    expect(stdout).toContain('> 5 |     upstream: ap')
    const json = JSON.parse((await runCommand(checkCommand, [file, '--json'])).stdout)
    expect(json).toMatchObject({ file, errors: [{ file }, { file: team, line: 5, path: 'routes[0].upstream' }] })
    const annotations = (await runCommand(checkCommand, [file, '--format', 'github'])).stdout
    expect(annotations).toContain(`::error file=${team},line=5,col=15,title=Sallyport::routes[0].upstream: names no`)
  })

  test('says of each warning which file it is in', async () => {
    const team = `${ORDERS}  - { id: some, path: /some, access: optional, require: { scopes: [orders:read] } }\n`
    const file = write('doubtful', { team, head: HEAD.replace('] }', '], maxLifetime: 2h }') })
    const { stdout } = await runCommand(checkCommand, [file])
    expect(stdout).toContain(`${file}:3:108 providers.main.maxLifetime: lets a stolen token work`)
    expect(stdout).toContain(`${teamOf('doubtful')}:5:57 routes[1].require: holds for callers who send a token only`)
    expect(stdout).toContain('> 5 |   - { id: some, path: /some, access: optional')
    const { warnings } = JSON.parse((await runCommand(checkCommand, [file, '--json'])).stdout)
    expect(warnings).toMatchObject([{ file }, { file: teamOf('doubtful'), line: 5, path: 'routes[1].require' }])
  })

  test('warns where a file takes requests from a route of another one', async () => {
    const taking = '{ id: area, path: /orders/**, require: { roles: [admin] } }'
    const team = 'routes: [{ id: own, path: /orders/export }, { id: aside, path: /parcels }]\n'
    const file = write('taking', { team, routes: taking })
    const { warnings } = JSON.parse((await runCommand(checkCommand, [file, '--json'])).stdout)
    expect(warnings).toEqual([
      {
        code: 'route-taken-over',
        file: teamOf('taking'),
        line: 1,
        column: 27,
        path: 'routes[0].path',
        message: `takes requests from route \`area\` (\`/orders/**\` in ${file}), whose rules do not hold for them; see whether that is meant`,
      },
    ])
    // The platform may take from a team, and a route `/**` is there to be taken from.
    const reversed = write('reversed', { team: `routes: [${taking}]\n`, routes: '{ id: own, path: /orders/export }' })
    const rest = write('rest', { team, routes: '{ id: rest, path: /** }' })
    for (const each of [reversed, rest])
      expect(JSON.parse((await runCommand(checkCommand, [each, '--json'])).stdout)).toMatchObject({ warnings: [] })
  })
})

describe('sallyport diff', () => {
  async function changes(old: string, next: string): Promise<readonly string[]> {
    const { stdout, stderr } = await runCommand(diffCommand, [old, next, '--json'])
    expect(stderr).toBe('')
    return JSON.parse(stdout).map(
      ({ kind, subject, details }: { kind: string; subject: string; details: readonly string[] }) =>
        `${kind} ${subject}: ${details.join('; ')}`,
    )
  }

  test('sees a change that is in an included file only', async () => {
    const next = write('new-scope', { team: ORDERS.replace('orders:read', 'orders:write') })
    expect(await changes(write('old'), next)).toEqual([expect.stringMatching(/^changed orders: .*orders:write/)])
  })

  test('sees none where routes move from one file to another, but who may set them', async () => {
    const next = files.write('moved/sallyport.yaml', HEAD + ORDERS)
    expect(await changes(write('old'), next)).toEqual(['tightened include: no longer: orders.yaml may set routes'])
    expect(await changes(next, write('old'))).toEqual(['loosened include: orders.yaml may set routes'])
  })

  test('counts it as looser that a file may set more', async () => {
    const next = write('more', { may: 'routes, providers' })
    expect(await changes(write('old'), next)).toEqual(['loosened include: orders.yaml may set providers'])
    expect((await runCommand(diffCommand, [write('old'), next, '--fail-on', 'loosened'])).code).toBe(1)
  })

  test('knows a file by as much of its path as tells it from the others', async () => {
    const of = (name: string, more: string): string => {
      for (const team of ['a', 'b']) files.write(`${name}/${team}/routes.yaml`, '{}\n')
      const include = `include: [{ file: a/routes.yaml, may: [routes] }, { file: b/routes.yaml, may: [routes${more}] }]\n`
      return files.write(`${name}/sallyport.yaml`, HEAD + ORDERS + include)
    }
    expect(await changes(of('one', ''), of('two', ', log'))).toEqual(['loosened include: b/routes.yaml may set log'])
  })
})

test('sallyport explain knows a route of an included file', async () => {
  const { stdout } = await runCommand(explainCommand, ['GET', '/orders/1', '-c', write('explained')])
  expect(stdout).toContain('orders')
  expect(stdout).toContain('token_missing')
})

test('sallyport test runs on the whole, and measures routes of included files', async () => {
  write('tested')
  const cases = files.write(
    'tested/orders.test.yaml',
    `config: platform/sallyport.yaml
tests:
  - { name: in, request: GET /orders/1, claims: { sub: a, scope: 'orders:read' }, expect: allow }
  - { name: out, request: GET /orders/1, claims: { sub: a }, expect: scope_missing }
  - { name: stranger, request: GET /orders/1, expect: token_missing }
`,
  )
  const { code, stdout } = await runCommand(testCommand, [cases, '--min-coverage', '100'])
  expect(code).toBe(0)
  expect(stdout).toContain('100%')
})

test('sallyport test --watch runs again when an included file changes', async () => {
  write('watched')
  const cases = files.write(
    'watched/orders.test.yaml',
    'config: platform/sallyport.yaml\ntests: [{ name: x, request: GET /orders/1, expect: token_missing }]\n',
  )
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
  let isWritten = false
  const { stdout } = await runCommand(testCommand, [cases, '--watch'], {
    stopped,
    onOutput(soFar) {
      const runs = soFar.split('Waiting for a change').length - 1
      if (runs === 1 && !isWritten) {
        isWritten = true
        // The watch begins before the line is printed.
        write('watched', { team: ORDERS.replace('/orders/**', '/parcels') })
      }
      if (runs > 1) stop()
    },
  })
  expect(stdout.slice(0, stdout.indexOf('Waiting'))).toContain('1 passed')
  expect(stdout.slice(stdout.indexOf('Waiting'))).toContain('route_unknown')
})

describe('sallyport doctor', () => {
  test('names the file of a problem, and whether changes in the folder of each are noticed', async () => {
    const good = await runCommand(doctorCommand, ['-c', write('looked-at'), '--json'])
    expect(good.stdout).toContain(`changes in ${join(files.path, 'looked-at', 'team')} are noticed at once`)
    const bad = await runCommand(doctorCommand, ['-c', write('sick', { team: `${ORDERS}    upstream: no\n` })])
    expect(bad.stdout).toContain(`${teamOf('sick')}:5:15 routes[0].upstream: names no upstream`)
  })

  test('says that the gateway would not read an included file that others may write', async () => {
    const file = write('writable')
    chmodSync(teamOf('writable'), 0o666)
    const { stdout } = await runCommand(doctorCommand, ['-c', file])
    expect(stdout).toContain('include[0].file: can be written by others')
  })

  test('watches included files also where a file that is named is missing', async () => {
    const head = `${HEAD}egress: { proxy: "http://127.0.0.1:3128", credentialsFile: gone }\n`
    const { stdout } = await runCommand(doctorCommand, ['-c', write('half', { head }), '--json'])
    expect(stdout).toContain(`changes in ${join(files.path, 'half', 'team')} are noticed at once`)
  })
})

describe('sallyport bundle', () => {
  async function bundled(name: string, written: Written): Promise<Readonly<Record<string, string>>> {
    const archive = join(files.path, `${name}.tgz`)
    await runCommand(bundleCommand, ['-o', archive, '-c', write(name, written)])
    const target = join(files.path, `${name}-unpacked`)
    mkdirSync(target)
    execFileSync('tar', ['-xzf', archive, '-C', target])
    const read = (file: string): string =>
      execFileSync('cat', [join(target, 'sallyport-bundle', file)], { encoding: 'utf8' })
    return { main: read('config.yaml'), team: read('included-1.yaml'), all: execFileSync('cat', [archive]).toString() }
  }

  const SECRET = 'correct-horse-battery'
  const team = `${ORDERS}    # password: ${SECRET}\nx-notes: { password: ${SECRET} }\n`

  test.each([
    ['a good configuration', 'packed', team],
    ['one with mistakes', 'packed-bad', `${team}limits: { headers: 50 }\n`],
  ])('has the included file of %s, without what may be a secret', async (_, name, text) => {
    const { main, team: shown } = await bundled(name, { team: text })
    expect(main).toContain('may:')
    expect(shown).toContain('path: /orders/**')
    expect(`${main}${shown}`).not.toContain(SECRET)
  })

  test('looks for the secrets of files that included files name, too', async () => {
    files.write('secretive/team/password', `${SECRET}\n`)
    const { team: shown } = await bundled('secretive', {
      may: 'store, routes',
      team: `store: { url: "redis://127.0.0.1", passwordFile: password }\nwrong: 1\n${ORDERS.replace('id: orders', `id: ${SECRET}`)}`,
    })
    expect(shown).toContain('passwordFile')
    expect(shown).not.toContain(SECRET)
  })
})
