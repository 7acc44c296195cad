/** Tests `sallyport test` as a user calls it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { testCommand } from '../../src/cli/test.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder, textOf } from '../tools/support.ts'

const files = folder()
files.write(
  'sallyport.yaml',
  textOf(
    '{ id: health, path: /healthz, access: public }',
    '{ id: read, path: /orders/**, methods: [GET], require: { scopes: [orders:read] } }',
    '{ id: write, path: "/orders/:id", methods: [DELETE], require: { scopes: [orders:write, orders:admin], claims: { tenant: acme } } }',
    '{ id: trial, path: /trial, mode: report, require: { scopes: [trial] } }',
  ),
)
const ALLOWED =
  '{ name: reads, request: GET /orders, claims: { sub: alice, scope: orders:read }, expect: allow, headers: { x-auth-subject: alice } }'
const REFUSED = '{ name: deletes, request: DELETE /orders/1, claims: { scope: orders:read }, expect: scope_missing }'

let written = 0
function cases(...tests: readonly string[]): string {
  written += 1
  return files.write(
    `${written}.test.yaml`,
    `config: ./sallyport.yaml\ntests:\n${tests.map(each => `  - ${each}\n`).join('')}`,
  )
}

function run(...args: readonly string[]) {
  return runCommand(testCommand, args)
}

async function results(...tests: readonly string[]) {
  const { stdout, code } = await run(cases(...tests), '--json')
  const [file] = (JSON.parse(stdout) as { files: Array<{ tests: Array<Record<string, unknown>> }> }).files
  return { code, tests: file?.tests ?? [] }
}

describe('cases', () => {
  test('of the contract pass on its policy', async () => {
    const { code, stdout } = await run(cases(ALLOWED, REFUSED))
    expect(stdout).toContain('2 passed')
    expect(code).toBe(0)
  })

  test.each([
    [
      'decision',
      ALLOWED.replace('expect: allow, headers: { x-auth-subject: alice }', 'expect: claim_forbidden'),
      'claim_forbidden',
      'allow',
    ],
    ['decision', REFUSED.replace('scope_missing', 'allow'), 'allow', 'scope_missing'],
    ['x-auth-subject', ALLOWED.replace('{ x-auth-subject: alice }', '{ x-auth-subject: bob }'), 'bob', 'alice'],
    ['X-Auth-Subject', ALLOWED.replace('{ x-auth-subject: alice }', '{ X-Auth-Subject: null }'), 'nothing', 'alice'],
    ['X-Other', ALLOWED.replace('{ x-auth-subject: alice }', '{ X-Other: x }'), 'x', 'nothing'],
    ['route', ALLOWED.replace('expect:', 'route: write, expect:'), 'write', 'read'],
    [
      'reported',
      '{ name: a, request: GET /trial, expect: allow, reported: scope_missing }',
      'scope_missing',
      'token_missing',
    ],
  ])('fail with a diff of %s', async (what, failing, expected, actual) => {
    const { code, tests } = await results(failing)
    expect(code).toBe(1)
    expect(tests).toMatchObject([{ passed: false, mismatches: [{ what, expected, actual }] }])
  })

  test('send the headers they name, and forged ones do not get through', async () => {
    const { code } = await results(
      '{ name: a, request: GET /healthz, requestHeaders: { X-Auth-Subject: root, X-Plain: 1a }, expect: allow, headers: { X-Auth-Subject: null, X-Plain: 1a } }',
      '{ name: b, request: GET /orders, requestHeaders: { Authorization: Basic abc }, expect: scheme_unsupported }',
      '{ name: c, request: GET /orders, requestHeaders: { Authorization: Bearer abc }, expect: token_malformed }',
      '{ name: d, request: GET /orders//1, expect: path_invalid }',
      '{ name: e, request: GET /orders, requestHeaders: { Host: "a/b" }, expect: host_invalid }',
    )
    expect(code).toBe(0)
  })

  test('may ask what a report-only route would refuse', async () => {
    const { code } = await results(
      '{ name: a, request: GET /trial, claims: { sub: alice }, expect: allow, reported: scope_missing, headers: { X-Auth-Subject: alice } }',
    )
    expect(code).toBe(0)
  })

  test('a file of cases is read like a configuration: every problem at its place', async () => {
    const file = cases(
      '{ name: a, request: GET, expect: allow }',
      '{ name: b, request: GET /x, expect: scope_mising }',
      '{ name: c, request: FETCH /x, expect: allow, claim: {} }',
      '{ name: d, request: GET /x, expect: token_missing, headers: { X: y } }',
      '{ name: e, request: GET /x, expect: allow, claims: alice }',
      '{ name: f, request: GET /x, expect: overloaded }',
      '{ name: g, request: GET /x, expect: draining }',
      '{ name: h, request: GET /x, expect: internal }',
    )
    const { code, stderr } = await run(file)
    expect(code).toBe(2)
    expect(stderr).toContain(`${file}:3:25 tests[0].request: must be a method and a path`)
    expect(stderr).toContain(
      `${file}:4:41 tests[1].expect: must be \`allow\` or a refusal code like \`scope_missing\`. Did you mean "scope_missing"?`,
    )
    expect(stderr).toContain('tests[2].claim: is not a known key. Did you mean "claims"?')
    expect(stderr).toContain(`${file}:6:65 tests[3].headers: needs \`expect: allow\``)
    expect(stderr).toContain('tests[4].claims: must be a block of claims')
    for (const at of [5, 6, 7]) expect(stderr).toContain(`tests[${at}].expect: can never come of a case`)
  })

  test('an empty file, a missing one and a bad configuration exit with 2', async () => {
    expect((await run(files.write('empty.yaml', ''))).code).toBe(2)
    expect(await run(join(files.path, 'absent.yaml'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('(ENOENT)'),
    })
    files.write('bad.yaml', 'listen: nowhere\n')
    const { code, stderr } = await run(files.write('bad.test.yaml', `config: bad.yaml\ntests:\n  - ${REFUSED}\n`))
    expect(code).toBe(2)
    expect(stderr).toContain('bad.yaml:1:9 listen: ')
  })

  test('without `config` the command line names it', async () => {
    const file = files.write('none.test.yaml', `tests:\n  - ${ALLOWED}\n`)
    expect((await run(file, '-c', join(files.path, 'sallyport.yaml'))).code).toBe(0)
    const { code } = await runCommand(testCommand, [file], {
      env: { SALLYPORT_CONFIG: join(files.path, 'sallyport.yaml') },
    })
    expect(code).toBe(0)
  })
})

describe('coverage', () => {
  async function untested(...tests: readonly string[]): Promise<readonly string[]> {
    const { stdout } = await run(cases(...tests), '--json')
    const { coverage } = JSON.parse(stdout) as {
      coverage: [{ routes: Array<{ route: string; items: Array<{ item: string; state: string }> }> }]
    }
    return coverage[0].routes.flatMap(({ route, items }) =>
      items.filter(({ state }) => state === 'untested').map(({ item }) => `${route}: ${item}`),
    )
  }
  const deletes = (claims: string, expected: string) =>
    `{ name: a, request: DELETE /orders/1, claims: { ${claims} }, expect: ${expected} }`

  test('names the requirements that no case would miss', async () => {
    const list = await untested(ALLOWED)
    expect(list).toContain('read: refused without scopes orders:read')
    expect(list).toContain('write: refused without scopes orders:admin')
    expect(list).toContain('write: refused without claims.tenant')
    expect(list).not.toContain('read: allowed')
  })

  test('a caller who lacks two things tests neither', async () => {
    const without = (item: string) => `write: refused without ${item}`
    const both = await untested(deletes('tenant: acme', 'scope_missing'))
    expect(both).toContain(without('scopes orders:write'))
    const scopeAndClaim = await untested(deletes('scope: orders:write', 'scope_missing'))
    expect(scopeAndClaim).toContain(without('scopes orders:admin'))
    const one = await untested(deletes('scope: orders:write, tenant: acme', 'scope_missing'))
    expect(one).not.toContain(without('scopes orders:admin'))
    expect(one).toContain(without('scopes orders:write'))
  })

  test('a case that failed covers nothing', async () => {
    expect(await untested(ALLOWED.replace('x-auth-subject: alice', 'x-auth-subject: bob'))).toContain('read: allowed')
  })

  test('on a report-only route a refusal counts only where it is asked for', async () => {
    const item = 'trial: refused without scopes trial'
    const trial = '{ name: a, request: GET /trial, claims: {}, expect: allow'
    expect(await untested(`${trial} }`)).toContain(item)
    expect(await untested(`${trial}, reported: scope_missing }`)).not.toContain(item)
  })

  test('below --min-coverage the run fails, at 100 it passes when nothing is left', async () => {
    files.write('one.yaml', textOf('{ id: only, path: /only, require: { scopes: [a] } }'))
    const all = [
      '{ name: a, request: GET /only, claims: { scope: a }, expect: allow }',
      '{ name: b, request: GET /only, claims: { scope: b }, expect: scope_missing }',
      '{ name: c, request: GET /only, expect: token_missing }',
    ]
    const of = (tests: readonly string[]) =>
      files.write('one.test.yaml', `config: one.yaml\ntests:\n${tests.map(each => `  - ${each}\n`).join('')}`)
    expect((await run(of(all), '--min-coverage', '100')).code).toBe(0)
    const { code, stderr } = await run(of(all.slice(0, 2)), '--min-coverage', '100')
    expect(code).toBe(1)
    expect(stderr).toContain('coverage is 66%, less than the 100% asked for')
  })
})

test('JUnit XML holds the failures, and no text of a case can break it', async () => {
  const file = cases(ALLOWED, '{ name: "a <b> & \\"c\\" \\uFFFE", request: DELETE /orders/1, expect: allow }')
  const junit = join(files.path, 'junit.xml')
  expect((await run(file, '--junit', junit)).code).toBe(1)
  await expect(run(file, '--junit', files.path)).rejects.toThrow(
    `--junit: ${files.path} cannot be written: it is a folder (EISDIR)`,
  )
  const xml = readFileSync(junit, 'utf8')
  expect(xml).toContain('tests="2" failures="1"')
  expect(xml).toContain('name="a &lt;b&gt; &amp; &quot;c&quot; \ufffd"')
  expect(xml).toContain('<failure message="decision: expected allow, got token_missing">')
  expect(xml).not.toMatch(/&(?!(lt|gt|amp|quot|#10);)|\ufffe/)
})

test('--watch runs again on a change, survives a broken file, and ends with the last outcome', async () => {
  const file = cases(ALLOWED)
  const good = readFileSync(file, 'utf8')
  const stop = Promise.withResolvers<void>()
  const steps = [
    () => files.write(file.slice(files.path.length + 1), 'tests: ['),
    () =>
      files.write(
        file.slice(files.path.length + 1),
        good.replace('expect: allow', 'expect: token_missing').replace(/, headers: .*\}(?= \})/, ''),
      ),
    () => stop.resolve(),
  ]
  let waits = 0
  const { code, stdout } = await runCommand(testCommand, [file, '--watch'], {
    stopped: stop.promise,
    onOutput(soFar) {
      const seen = soFar.split('Waiting for a change').length - 1
      if (seen === waits) return
      waits = seen
      steps[seen - 1]?.()
    },
  })
  expect(stdout).toMatch(/1 passed[\s\S]*not valid YAML[\s\S]*1 failed/)
  expect(code).toBe(1)
})

test.each([
  [[], 'at least one file'],
  [['x', '--min-coverage', '101'], 'is no percentage'],
  [['x', '--min-coverage', 'all'], 'is no percentage'],
  [['x', '--junitt', 'y'], '--junitt'],
])('wrong usage %j is told with its remedy', async (args, message) => {
  const { code, stderr } = await run(...args)
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})
