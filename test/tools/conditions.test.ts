/** Tests what the commands say of conditions (`require.when`). */
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { policyDiff } from '../../src/tools/diff/policy-diff.ts'
import { runCommand } from '../support/gateway/command.ts'
import { compared } from './diff/support.ts'
import { configOf, folder, textOf } from './support.ts'

const files = folder()
const WHEN = "{ own-tenant: 'claims.tenant == params.tenant', level: 'claims.level >= 3 || \"admin\" in claims.roles' }"
const config = files.write('sallyport.yaml', textOf(`{ id: own, path: "/t/:tenant", require: { when: ${WHEN} } }`))

describe('explain', () => {
  test('shows each comparison with the values that it saw', async () => {
    const args = ['GET', '/t/globex', '--claims', '{ tenant: acme, roles: [user] }', '--json', '-c', config]
    const { stdout } = await runCommand(explainCommand, args)
    const { decision, checks } = JSON.parse(stdout) as {
      readonly decision: string
      readonly checks: ReadonlyArray<Record<'check' | 'result' | 'wanted' | 'saw', string>>
    }
    expect(decision).toBe('claim_forbidden')
    const conditions = checks.filter(({ check }) => check.startsWith('when'))
    expect(conditions.map(({ check, result, wanted, saw }) => [check, result, wanted, saw])).toEqual([
      [
        ...['when.own-tenant', 'fails', 'claims.tenant == params.tenant'],
        'claims.tenant is "acme", params.tenant is "globex"',
      ],
      [
        ...['when.level', 'fails', 'claims.level >= 3 || "admin" in claims.roles'],
        'claims.level is no_such_key; claims.roles is ["user"]',
      ],
    ])
  })
})

describe('test', () => {
  test('judges them, and each is covered by a case that lacks nothing else', async () => {
    const cases = [
      '{ name: own, request: GET /t/acme, claims: { tenant: acme, level: 3 }, expect: allow }',
      '{ name: other, request: GET /t/globex, claims: { tenant: acme, level: 3 }, expect: claim_forbidden }',
      '{ name: low, request: GET /t/acme, claims: { tenant: acme, level: 2 }, expect: claim_forbidden }',
      '{ name: nobody, request: GET /t/acme, expect: token_missing }',
    ]
    const file = files.write(
      'it.yaml',
      `config: sallyport.yaml\ntests:\n${cases.map(each => `  - ${each}\n`).join('')}`,
    )
    const { code, stdout } = await runCommand(testCommand, [file])
    expect(stdout).toContain('4 passed')
    expect(stdout).toMatch(/own +4 +1 +3 +(\d+)\/\1\b/)
    expect(code).toBe(0)
  })
})

describe('diff', () => {
  const found = (before: string, after: string) => {
    const [old, next] = [before, after].map(require => configOf(`{ id: a, path: /a, require: ${require} }`))
    if (old === undefined || next === undefined) throw new Error('there are two')
    return policyDiff(compared(old), compared(next)).map(({ kind, details, witness }) => [kind, ...details, witness])
  }
  const ONE = 'claims.a == 1'
  const TWO = 'claims.b == 2'

  test.each([
    [`{ scopes: [x] }`, `{ scopes: [x], when: ${ONE} }`, 'tightened', undefined],
    [`{ scopes: [x], when: ${ONE} }`, `{ scopes: [x] }`, 'loosened', { provider: 'main', claims: { scope: 'x' } }],
    [`{ when: [${ONE}, ${TWO}] }`, `{ when: ${TWO} }`, 'loosened', undefined],
    [`{ when: ${ONE} }`, `{ when: [${ONE}, ${TWO}] }`, 'tightened', undefined],
  ])('%s → %s: %s', (before, after, kind, witness) => {
    const [[seen, , saw] = [], ...others] = found(before, after)
    expect([seen, saw, others]).toEqual([kind, witness, []])
  })

  test('a changed text may differ, and no caller is named who would not pass', () => {
    const [[kind, ...rest] = [], ...others] = found(`{ when: ${ONE} }`, `{ when: ${TWO} }`)
    expect(others).toEqual([])
    expect(kind).toBe('changed')
    expect(JSON.stringify(rest)).toContain('may differ')
    expect(rest.at(-1)).toBeUndefined()
  })

  test('names are no part of what is asked', () => {
    expect(found(`{ when: ${ONE} }`, `{ when: { named: ${ONE} } }`)).toEqual([])
  })
})
