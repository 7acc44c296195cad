/** Tests what the commands say of requirements on the login and on the age of a token. */
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import type { Config } from '../../src/config/schema/schema.ts'
import { policyDiff } from '../../src/tools/diff/policy-diff.ts'
import { runCommand } from '../support/gateway/command.ts'
import { withJwt } from '../support/jwt-provider.ts'
import { changes, compared } from './diff/support.ts'
import { configOf, folder, textOf } from './support.ts'

const files = folder()
const REQUIRE = 'require: { scopes: [pay], acr: [mfa], authAge: 5m, tokenAge: 2m }'
const config = files.write(
  'sallyport.yaml',
  textOf(`{ id: pay, path: /pay, ${REQUIRE} }`, `{ id: trial, path: /trial, mode: report, ${REQUIRE} }`).replace(
    'audiences:',
    'acrOrder: [low, mfa, hardware], audiences:',
  ),
)

describe('explain', () => {
  const explained = async (claims: string) => {
    const { stdout } = await runCommand(explainCommand, ['GET', '/pay', '--claims', claims, '--json', '-c', config])
    return JSON.parse(stdout) as {
      decision: string
      checks: ReadonlyArray<Record<'check' | 'result' | 'wanted' | 'saw', string>>
      response?: { headers: ReadonlyArray<Record<'name' | 'value', string>> }
      filledIn: object
    }
  }

  test('shows each of them behind the scopes, with what it wanted and saw', async () => {
    const { decision, checks } = await explained('{ scope: pay, acr: low, auth_time: 0, iat: 1, exp: 4102444800 }')
    expect(decision).toBe('step_up_required')
    expect(checks.slice(2).map(({ check, result, wanted, saw }) => [check, result, wanted, saw])).toEqual([
      ['scopes', 'ok', 'pay', 'pay'],
      ['acr', 'fails', 'mfa, or stronger by acrOrder', 'low'],
      ['authAge', 'fails', 'a login no longer ago than 300s', expect.stringMatching(/^\d{10}s$/)],
      ['tokenAge', 'fails', 'a token issued no longer ago than 120s', expect.stringMatching(/^\d{10}s$/)],
    ])
  })

  test('fills in when the token was issued, and never how and when its caller logged in', async () => {
    const { decision, checks, filledIn, response } = await explained('{ scope: pay }')
    expect(decision).toBe('step_up_required')
    expect(checks.slice(3).map(({ check, result, saw }) => [check, result, saw])).toEqual([
      ['acr', 'fails', 'none'],
      ['authAge', 'fails', 'none'],
      ['tokenAge', 'ok', expect.stringMatching(/^\ds$/)],
    ])
    expect(Object.keys(filledIn)).toEqual(['iss', 'aud', 'iat', 'exp'])
    expect(response?.headers.find(({ name }) => name === 'www-authenticate')?.value).toBe(
      'Bearer realm="sallyport", scope="pay", error="insufficient_user_authentication", ' +
        'error_description="A stronger or more recent authentication is required", acr_values="mfa", max_age="300"',
    )
  })
})

describe('test', () => {
  const run = (...cases: readonly string[]) =>
    runCommand(testCommand, [
      files.write('it.yaml', `config: sallyport.yaml\ntests:\n${cases.map(each => `  - ${each}\n`).join('')}`),
    ])
  const of = (name: string, claims: string, expected: string, rest = 'now: 2026-01-01T00:05:00Z, ') =>
    `{ name: ${name}, request: GET /pay, claims: { scope: pay, ${claims} }, ${rest}expect: ${expected} }`
  /** 2026-01-01T00:00:00Z */
  const THEN = 1_767_225_600

  test('judges as of the time of the case, and each requirement is covered by a case that lacks nothing else', async () => {
    const { code, stdout } = await run(
      of('fresh', `acr: mfa, auth_time: ${THEN}`, 'allow'),
      of('stronger', `acr: hardware, auth_time: ${THEN}`, 'allow', `now: ${THEN + 300}, `),
      of('tolerated', `acr: mfa, auth_time: ${THEN - 5}`, 'allow'),
      of('weak', `acr: low, auth_time: ${THEN}`, 'step_up_required'),
      of('long ago', `acr: mfa, auth_time: ${THEN - 6}`, 'step_up_required'),
      of('today', `acr: mfa, auth_time: ${THEN}`, 'step_up_required', ''),
      of('old token', `acr: mfa, auth_time: ${THEN}, iat: ${THEN}`, 'token_too_old'),
      of('expired', `acr: mfa, auth_time: ${THEN}, exp: ${THEN + 200}`, 'token_expired'),
      '{ name: nobody, request: GET /pay, expect: token_missing }',
      `{ name: no scope, request: GET /pay, claims: { acr: mfa, auth_time: ${THEN} }, now: ${THEN}, expect: scope_missing }`,
      `{ name: reported, request: GET /trial, claims: { scope: pay, acr: low }, expect: allow, reported: step_up_required }`,
    )
    expect(stdout).toContain('11 passed')
    expect(code).toBe(0)
    expect(stdout).toMatch(/pay +10 +3 +7 +6\/6/)
  })

  test('a time that is none is told with its place', async () => {
    const { code, stderr } = await run(of('it', 'acr: mfa', 'allow', 'now: yesterday, '))
    expect(code).toBe(2)
    expect(stderr).toContain(
      'tests[0].now: must be whole seconds since the epoch, or a time like `2026-01-01T00:00:00Z`',
    )
  })
})

describe('diff', () => {
  const ORDER = ['low', 'mfa', 'hardware']
  const route = (require: string, acrOrder?: readonly string[]): Config =>
    withJwt(configOf(`{ id: a, path: /a, require: ${require} }`), { acrOrder })
  const found = (before: Config, after: Config) =>
    policyDiff(compared(before), compared(after)).map(({ kind, details, witness }) => [kind, ...details, witness])
  const claims = (given: object) => ({ provider: 'main', claims: given })

  test.each<[string, string, readonly string[] | undefined, readonly unknown[]]>([
    ['{ acr: [mfa] }', '{ acr: [low] }', ORDER, ['loosened', 'require.acr', claims({ acr: 'low' })]],
    ['{ acr: [mfa] }', '{ acr: [hardware] }', ORDER, ['tightened', 'require.acr', undefined]],
    ['{ acr: [mfa] }', '{ acr: [hardware] }', undefined, ['changed', 'require.acr', claims({ acr: 'hardware' })]],
    ['{ authAge: 5m }', '{ authAge: 10m }', ORDER, ['loosened', 'require.authAge', claims({ auth_time: '600s ago' })]],
    ['{ tokenAge: 10m }', '{ tokenAge: 5m }', ORDER, ['tightened', 'require.tokenAge', undefined]],
    ['{ authAge: 5m }', '{ tokenAge: 5m }', ORDER, ['changed', 'require', claims({ iat: '300s ago' })]],
  ])('%s → %s with acrOrder %j', (before, after, order, [kind, , witness]) => {
    const [change, ...others] = found(route(before, order), route(after, order))
    expect(others).toEqual([])
    expect([change?.[0], change?.at(-1)]).toEqual([kind, witness])
  })

  test('says nothing of a value that would have done already', () => {
    expect(found(route('{ acr: [mfa] }', ORDER), route('{ acr: [mfa, hardware] }', ORDER))).toEqual([])
  })

  test('says in words what is asked for', () => {
    expect(changes(configOf('{ id: a, path: /a }'), route('{ acr: [mfa, x], authAge: 5m, tokenAge: 90s }'))).toEqual([
      'tightened a: now asks for acr: mfa or x; now asks for authAge: 300s; now asks for tokenAge: 90s',
    ])
  })

  test('an order lets stronger values in, and is told of at its provider alone', () => {
    const [without, weaker, reversed] = [undefined, ['low', 'mfa'], ['mfa', 'low']].map(order =>
      route('{ acr: [mfa] }', order),
    )
    if (without === undefined || weaker === undefined || reversed === undefined) throw new Error('three were made')
    const ordered = route('{ acr: [mfa] }', ORDER)
    expect(changes(without, weaker)).toEqual(['loosened provider main: acrOrder: or mfa for low'])
    expect(changes(weaker, without)).toEqual(['tightened provider main: acrOrder: not mfa for low any more'])
    expect(changes(weaker, ordered)).toEqual([
      'loosened provider main: acrOrder: or hardware for low; acrOrder: or hardware for mfa',
    ])
    expect(changes(weaker, reversed)).toEqual([
      'changed provider main: acrOrder: or low for mfa; acrOrder: not mfa for low any more',
    ])
  })
})
