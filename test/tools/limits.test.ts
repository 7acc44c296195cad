/** Tests what the commands say of limits (`rateLimits`). */
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { loadConfig } from '../../src/config/read/load.ts'
import { policyDiff } from '../../src/tools/diff/policy-diff.ts'
import { runCommand } from '../support/gateway/command.ts'
import { compared } from './diff/support.ts'
import { folder, textOf } from './support.ts'

const files = folder()
const LIMITS = `rateLimits:
  per-tenant: { rate: 100/s, burst: 20, key: [claims.tenant] }
  per-caller: { rate: { claim: plan, values: { gold: 50/s }, default: 5/s }, key: [claims.sub, client], headers: off }
  open: { rate: 30/m, key: [client, route] }
`
const ROUTES = [
  '{ id: a, path: /a, require: { scopes: [s] }, rateLimits: [per-tenant, per-caller] }',
  '{ id: open, path: /open, access: public, rateLimits: [open] }',
  '{ id: free, path: /free }',
  '{ id: noted, path: /noted, mode: report, rateLimits: [per-caller] }',
]
const config = files.write('sallyport.yaml', `${textOf(...ROUTES)}${LIMITS}`)

describe('explain', () => {
  const checks = async (...args: readonly string[]) => {
    const { stdout } = await runCommand(explainCommand, [...args, '--json', '-c', config])
    const explained = JSON.parse(stdout) as {
      readonly decision: string
      readonly checks: ReadonlyArray<Record<'check' | 'result' | 'wanted' | 'saw', string>>
    }
    const ofLimits = explained.checks.filter(({ check }) => check.startsWith('rateLimits.'))
    return ofLimits.map(({ check, result, wanted, saw }) => [check, result, wanted, saw])
  }

  test('names each limit, the rate of this caller and whose quota is spent', async () => {
    expect(
      await checks('GET', '/a', '--claims', '{ sub: alice, scope: s, plan: gold }', '--peer', '2001:db8::1'),
    ).toEqual([
      [
        ...['rateLimits.per-tenant', 'ok', 'at most 100/s, 20 at once, by one claims.tenant, in each gateway'],
        'claims.tenant is missing: all callers without it share one quota',
      ],
      [
        ...['rateLimits.per-caller', 'ok'],
        'at most 50/s, 50 at once, by one claims.sub and client with plan gold, in each gateway',
        'claims.sub is "alice"; client is 2001:db8:0:0::/64; claims.plan is "gold"',
      ],
    ])
    expect((await checks('GET', '/a', '--claims', '{ sub: alice, scope: s }'))[1]?.[2]).toContain('5/s, 5 at once')
  })

  test('counts nothing of what its requirements refuse, and what is public by its address', async () => {
    const refused = await checks('GET', '/a', '--claims', '{ sub: alice }')
    expect(refused.map(([, result]) => result)).toEqual(['skipped', 'skipped'])
    expect(await checks('GET', '/open')).toEqual([
      [
        ...['rateLimits.open', 'ok', 'at most 30/m, 1 at once, by one client and route, in each gateway'],
        'client is 192.0.2.1; route is open',
      ],
    ])
  })
})

describe('test', () => {
  const run = (...cases: readonly string[]) => {
    const lines = cases.map((each, index) => `  - { name: "${index}", ${each} }\n`)
    const file = files.write('it.yaml', `config: sallyport.yaml\ntests:\n${lines.join('')}`)
    return runCommand(testCommand, [file])
  }
  const GOLD = 'claims: { sub: a, tenant: t, scope: s, plan: gold }'
  const FREE = 'claims: { sub: a, tenant: t, scope: s }'

  test('sends a request as often as a case says, and each case begins with all that there is', async () => {
    const { code, stdout } = await run(
      `request: GET /a, ${GOLD}, repeat: 20, expect: allow`,
      `request: GET /a, ${GOLD}, repeat: 21, expect: rate_limited`,
      `request: GET /a, ${FREE}, repeat: 5, expect: allow`,
      `request: GET /a, ${FREE}, repeat: 21, expect: rate_limited`,
      'request: GET /open, repeat: 2, expect: rate_limited',
      'request: GET /open, expect: allow',
      'request: GET /noted, claims: { sub: a }, repeat: 6, expect: allow, reported: rate_limited',
    )
    expect(stdout).toContain('7 passed')
    expect(stdout).toMatch(/GET \/a, 21 times +rate_limited\n/)
    expect(stdout).toMatch(/GET \/a, 21 times +rate_limited from number 6 on\n/)
    expect(code).toBe(0)
  })

  test('says which request was the first to be refused, and what refused it', async () => {
    const { code, stdout } = await run(`request: GET /a, ${FREE}, repeat: 20, expect: allow`)
    expect(stdout).toMatch(/FAIL .* rate_limited from number 6 on\n/)
    expect(stdout).toContain('because: rate_limited (limits: ["per-caller"],')
    expect(code).toBe(1)
  })

  test('covers a limit by a refusal, at each rate by which one caller can meet it', async () => {
    const covered = (stdout: string) => [...stdout.matchAll(/refused by (.+)/g)].map(([, item]) => item)
    const nobody = await run('request: GET /free, expect: token_missing')
    // A caller with plan gold meets `per-tenant` first.
    expect(covered(nobody.stdout)).toEqual([
      ...['rateLimits.per-tenant', 'rateLimits.per-caller (another plan)', 'rateLimits.open'],
      ...['rateLimits.per-caller (plan gold)', 'rateLimits.per-caller (another plan)'],
    ])
    const some = await run(
      `request: GET /a, ${GOLD}, repeat: 21, expect: rate_limited`,
      `request: GET /a, ${FREE}, repeat: 6, expect: rate_limited`,
      'request: GET /open, repeat: 2, expect: rate_limited',
    )
    expect(covered(some.stdout)).toEqual(['rateLimits.per-caller (plan gold)', 'rateLimits.per-caller (another plan)'])
  })

  test.each([
    ['request: GET /free, claims: {}, repeat: 2, expect: allow', 'repeat  has no effect: it needs `rateLimits` on'],
  ])('%s fails', async (written, message) => {
    const { code, stdout } = await run(written)
    expect(stdout).toContain(message)
    expect(code).toBe(1)
  })

  test.each([
    ['expect: rate_limited', 'expect: needs `repeat`: the first request is always within its limits'],
    ['expect: allow, reported: rate_limited', 'reported: needs `repeat`'],
    ['repeat: 2, expect: rate_limit_unavailable', 'expect: can never come of a case, which counts for itself'],
    ['repeat: 1, expect: allow', 'repeat: must be at least 2; left out, the request is sent once'],
    ['repeat: 100001, expect: allow', 'repeat: must be at most 100000'],
    ['repeat: many, expect: allow', 'repeat: must be a number, not text'],
    [
      'repeat: 2, expect: allow, preflight: { origin: https://a.example, method: PUT }',
      'repeat: counts for nothing: no limit counts preflights',
    ],
  ])('%s is refused', async (written, message) => {
    const method = written.includes('preflight') ? 'OPTIONS' : 'GET'
    const { code, stderr } = await run(`request: ${method} /a, ${written}`)
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })
})

describe('diff', () => {
  const STORE = 'store: { url: redis://127.0.0.1:6379 }\n'
  const BASE = '{ id: r, path: /r, rateLimits: [a] }'

  function found(before: string, after: string, routes: readonly [string, string] = [BASE, BASE]) {
    const [old, next] = [before, after].map((limits, index) => {
      const text = `${textOf(routes[index] ?? '')}rateLimits: { ${limits} }\n${limits.includes('store: true') ? STORE : ''}`
      return loadConfig({ text, file: '/etc/sallyport.yaml', env: {} })
    })
    if (old === undefined || next === undefined) throw new Error('there are two')
    return policyDiff(compared(old), compared(next)).map(({ kind, subject, details, witness }) => [
      `${kind} ${subject}: ${details.join('; ')}`,
      ...(witness === undefined ? [] : [witness]),
    ])
  }
  const a = (members: string) => `a: { ${members} }`
  const plain = a('rate: 10/s, key: [claims.sub]')
  const shared = (members: string) => a(`rate: 10/s, key: [route], store: true, ${members}`)

  test.each<readonly [string, string, ...string[]]>([
    [
      plain,
      a('rate: 20/s, key: [claims.sub]'),
      'loosened limit a: rate: 10/s → 20/s',
      '11 requests at once by one claims.sub',
    ],
    [plain, a('rate: 5/s, key: [claims.sub]'), 'tightened limit a: rate: 10/s → 5/s'],
    [plain, a('rate: 600/m, key: [claims.sub]')],
    [
      a('rate: 10/s, burst: 30, key: [route]'),
      a('rate: 11/s, burst: 30, key: [route]'),
      ...['loosened limit a: rate: 10/s → 11/s', '41 requests within a second by one route'],
    ],
    [
      a('rate: 60/h, burst: 5, key: [route]'),
      a('rate: 61/h, burst: 5, key: [route]'),
      ...['loosened limit a: rate: 60/h → 61/h', '66 requests within an hour by one route'],
    ],
    [
      a('rate: 10/s, burst: 30, key: [route]'),
      a('rate: 10/s, burst: 40, key: [route]'),
      ...['loosened limit a: burst: 30 → 40', '31 requests at once by one route'],
    ],
    [
      plain,
      a('rate: { claim: plan, values: { gold: 50/s }, default: 10/s }, key: [claims.sub]'),
      ...['loosened limit a: rate with plan gold: 10/s → 50/s', '11 requests at once by one claims.sub with plan gold'],
    ],
    [
      a('rate: { claim: plan, values: { gold: 50/s }, default: 10/s }, key: [route]'),
      a('rate: { claim: tier, values: { gold: 50/s }, default: 10/s }, key: [route]'),
      ...['changed limit a: rate: by plan → by tier', 'whoever has a higher rate by tier'],
    ],
    [
      plain,
      a('rate: 10/s, key: [claims.sub, route]'),
      'loosened limit a: key: one quota for each claims.sub → for each claims.sub and route',
      '11 requests at once by one claims.sub, of several route',
    ],
    [
      a('rate: 10/s, key: [claims.sub, route]'),
      plain,
      'tightened limit a: key: one quota for each claims.sub and route → for each claims.sub',
    ],
    [
      shared('onFailure: refuse'),
      shared('onFailure: local'),
      'loosened limit a: onFailure: refuse → local',
      'onFailure: refuse → local',
    ],
    [shared(''), shared('onFailure: local')],
    [
      shared(''),
      a('rate: 10/s, key: [route]'),
      'loosened limit a: store: each gateway counts for itself',
      'as much at each gateway',
    ],
    [a('rate: 10/s, key: [route]'), shared(''), 'tightened limit a: store: all gateways count together'],
    [shared('exact: true'), shared(''), 'loosened limit a: exact: true → false', 'exact: true → false'],
    [shared(''), shared('sync: 50ms')],
    [shared(''), shared('sync: 1s'), 'changed limit a: sync: 50ms → 1s'],
    [
      plain,
      a('rate: 10/s, key: [claims.sub], entries: 100'),
      'changed limit a: entries: 50000 → 100, above which callers may begin anew',
    ],
    [plain, a('rate: 10/s, key: [claims.sub], headers: off')],
  ])('%s → %s', (before, after, ...expected) => {
    expect(found(before, after)).toEqual(expected.length === 0 ? [] : [expected])
  })

  const TWO = `${plain}, b: { rate: 5/s, key: [claims.sub] }`
  const route = (rest: string) => `{ id: r, path: /r, ${rest} }`

  test('a limit that leaves a route lets more through, by what is left there', () => {
    expect(found(plain, plain, [BASE, route('access: required')])).toEqual([
      ['loosened r: rateLimits: no longer a (10/s by one claims.sub)', '11 requests at once by one caller'],
    ])
    const text = 'loosened r: rateLimits: no longer a (10/s by one claims.sub)'
    expect(found(TWO, TWO, [route('rateLimits: [a, b]'), route('rateLimits: [b]')])).toEqual([[text, text.slice(12)]])
    expect(found(plain, plain, [route('access: required'), BASE])).toEqual([
      ['tightened r: rateLimits: also a (10/s by one claims.sub)'],
    ])
  })

  test('another name is no change, and neither is a limit that refuses nobody', () => {
    const other = plain.replace('a:', 'b:')
    expect(found(plain, other, [BASE, route('rateLimits: [b]')])).toEqual([])
    expect(found(plain, a('rate: 20/s, key: [route]'), [route('mode: enforce'), route('mode: enforce')])).toEqual([])
    const report = route('mode: report, rateLimits: [a]')
    expect(found(plain, a('rate: 20/s, key: [route]'), [report, report])).toEqual([])
    expect(found(plain, plain, [report, route('mode: report')])).toEqual([])
  })

  test('no number is named that another limit refuses', () => {
    const both = [route('rateLimits: [a, b]'), route('rateLimits: [a, b]')] as const
    expect(found(TWO, TWO.replace('10/s', '20/s'), both)).toEqual([
      ['loosened limit a: rate: 10/s → 20/s', 'rate: 10/s → 20/s'],
    ])
  })
})
