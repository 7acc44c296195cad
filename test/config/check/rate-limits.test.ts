/** Tests what a file may say of limits, and that each slip is told once, at its place, with what to write. */
import { describe, expect, test } from 'vitest'
import { load, problemsOf, SMALL } from '../support.ts'

const STORE = 'store: { url: redis://127.0.0.1:6379 }'

/** @param members of the limit `a` @param sections of the file, one in a line */
function written(members: string, sections: readonly string[] = [], route = 'rateLimits: [a]'): string {
  return `${SMALL.replace('/** }', `/**, ${route} }`)}${['rateLimits:', `  a: ${members}`, ...sections, ''].join('\n')}`
}

function problems(text: string): readonly string[] {
  return problemsOf(text).map(line => line.replace(/^\d+:\d+ /, ''))
}

describe('a limit', () => {
  test('is read with its units', () => {
    const text = written('{ rate: 100/s, key: [claims.tenant, claims./org/id, provider, route, client] }')
    expect(load(text).rateLimits).toMatchObject({
      a: {
        rate: { requests: 100, per: 's' },
        key: [{ claim: 'tenant' }, { claim: '/org/id' }, 'provider', 'route', 'client'],
      },
    })
  })

  test.each<readonly [string, readonly string[]]>([
    ['{ rate: 10/h, key: [claims.sub], store: true, exact: true, onFailure: refuse }', [STORE]],
    ['{ rate: 10/s, key: [claims.sub], store: true, sync: 100ms, onFailure: local }', [STORE]],
    ['{ rate: 10/s, key: [claims.sub], sync: 100ms }', ['workers: 2']],
    ['{ rate: { claim: plan, values: { gold: 5/s }, default: 1/s }, key: [route] }', []],
  ])('%s is accepted with %j', (members, sections) => {
    expect(load(written(members, sections)).rateLimits.a).toBeDefined()
  })

  test.each<readonly [string, readonly string[], string]>([
    ['exact: true', [], 'exact: has no effect without `store: true`; add that, or leave it out'],
    ['onFailure: local', [], 'onFailure: has no effect without `store: true`; add that, or leave it out'],
    ['onFailure: refuse', ['workers: 2'], 'onFailure: has no effect without `store: true`; add that, or leave it out'],
    [
      'sync: 1s',
      [],
      'sync: has no effect without `store: true`, since one process counts all; add that, or leave it out',
    ],
    ['store: true', [], 'store: needs the section `store`, which says where the store is; add it'],
    [
      'store: true, exact: true, sync: 1s',
      [STORE],
      'sync: has no effect with `exact: true`, where each request tells the store; leave it out',
    ],
  ])('with `%s` beside %j is refused', (members, sections, problem) => {
    expect(problems(written(`{ rate: 10/s, key: [route], ${members} }`, sections))).toEqual([`rateLimits.a.${problem}`])
  })

  test('that asks about each request is for rates that the store can count', () => {
    const exact = (rate: string) =>
      problems(written(`{ rate: ${rate}, key: [route], store: true, exact: true }`, [STORE]))
    expect(() => load(written('{ rate: 1000/s, key: [route], store: true, exact: true }', [STORE]))).not.toThrow()
    const byClaim = '{ claim: plan, values: { gold: 1001/s }, default: 1/h }'
    for (const rate of ['1001/s', '100000/m', byClaim])
      expect(exact(rate)).toEqual([expect.stringContaining('rateLimits.a.exact: asks the store about each request')])
  })

  test('uses the store, also while something is wrong with it', () => {
    expect(load(written('{ rate: 10/s, key: [route], store: true }', [STORE])).store).toBeDefined()
    expect(problems(written('{ rate: 10/x, key: [route], store: true }', [STORE]))).toHaveLength(1)
    expect(problems(written('{ rate: 10/s, key: [route] }', [STORE]))).toEqual([
      'store: has no effect: nothing uses it; write `revocation.store: {}`, `dpop.replay.store: true` or `store: true` in one of `rateLimits`, or leave it out',
    ])
  })
})

describe('the limits of a route', () => {
  const LIMIT = '{ rate: 10/s, key: [route] }'

  test.each([
    ['rateLimits: [other]', 'routes[0].rateLimits[0]: names no limit; there is a.'],
    ['rateLimits: [a, aa]', 'routes[0].rateLimits[1]: names no limit; there is a. Did you mean "a"?'],
    ['rateLimits: [a, a]', 'routes[0].rateLimits: names a limit twice; keep one of them'],
    ['rateLimits: []', 'routes[0].rateLimits: must not be empty; list at least one, or leave the key out'],
    ['rateLimits: a', 'routes[0].rateLimits: must be a list, not text; put it in `[ ]`'],
    ['rateLimit: [a]', 'routes[0].rateLimit: is not a known key. Did you mean "rateLimits"?'],
    [
      `rateLimits: [${LIMIT}]`,
      'routes[0].rateLimits[0]: must be the id of a limit; what it says stands in the section `rateLimits`',
    ],
    [
      `rateLimits: ${LIMIT}`,
      'routes[0].rateLimits: must be a list, not a block of keys; write `rateLimits: [per-caller]`',
    ],
  ])('%s', (route, problem) => {
    expect(problems(written(LIMIT, [], route))).toEqual([problem])
  })

  test('are not unknown because one that is there is wrong', () => {
    expect(problems(written('{ rate: 10, key: [route] }'))).toHaveLength(1)
    expect(problems(SMALL.replace('/** }', '/**, rateLimits: [a] }'))).toEqual([
      'routes[0].rateLimits[0]: names no limit; add it to `rateLimits`',
    ])
  })
})

describe('a rate that is written otherwise is told how', () => {
  const LIKE = 'rateLimits.a.rate: must be a rate like `100/s`, `30/m` or `10/h`'
  test.each([
    ['100', '; say in which time: `100/s`, `100/m` or `100/h`'],
    ['100/sec', '; write `100/s`'],
    ['100/S', '; write `100/s`'],
    ['100rps', '; write `100/s`'],
    ['100r/m', '; write `100/m`'],
    ['1k/s', '; write `1000/s`'],
    ['1000 per minute', '; write `1000/m`'],
    ['0.5/s', '; write `30/m`'],
    ['100/10s', '; write `10/s`, with `burst: 100` for all at once'],
    ['5/10m', '; write `30/h`, with `burst: 5` for all at once'],
    ['2400/d', "; write `100/h`, with the day's worth as `burst`"],
    ['fast', ''],
    ['1/0s', ''],
    ['7/13s', ''],
    ['0.0000001/s', ''],
  ])('%s', (rate, remedy) => {
    expect(problems(written(`{ rate: ${rate}, key: [route] }`))).toEqual([`${LIKE}${remedy}`])
  })

  const BY_CLAIM =
    'rateLimits.a.rate: must have `claim`, `values` and `default`, like `{ claim: plan, values: { gold: 500/s }, default: 10/s }`'
  test.each([
    ['{ claim: plan }', BY_CLAIM],
    ['{ claim: plan, values: { gold: 5/s } }', BY_CLAIM],
    [
      '{ claim: plan, values: {}, default: 1/s }',
      'rateLimits.a.rate.values: must not be empty; name a value, or write one rate',
    ],
    [
      '{ claim: claims.plan, values: { a: 1/s }, default: 1/s }',
      'rateLimits.a.rate.claim: is written without `claims.` here: `plan`',
    ],
    [
      '{ claim: plan, value: { a: 1/s }, default: 1/s }',
      'rateLimits.a.rate.value: is not a known key. Did you mean "values"?',
    ],
    ['0/s', 'rateLimits.a.rate: lets nothing through; leave the route out, or ask for a scope that nobody has'],
    ['[10/s]', 'rateLimits.a.rate: must be text or a block of keys, not a list'],
    ['', 'rateLimits.a.rate: has no value; give one, or leave the key out'],
  ])('%s', (rate, problem) => {
    expect(problems(written(`{ rate: ${rate}, key: [route] }`))).toEqual([problem])
  })
})

describe('a key that is written otherwise is told how', () => {
  test.each([
    ['[sub]', 'key[0]: must be `claims.NAME`, `provider`, `route` or `client`; write `claims.sub`'],
    ['[ip]', 'key[0]: must be `claims.NAME`, `provider`, `route` or `client`; write `client`'],
    ['[{ claim: sub }]', 'key[0]: must be text; write `claims.sub`'],
    ['{ claim: sub }', 'key: must be a list, not a block of keys; write `key: [claims.sub]`'],
    ['[]', 'key: must not be empty; `[route]` lets all callers of a route share one quota'],
    [
      '[X-Api-Key]',
      'key[0]: must be `claims.NAME`, `provider`, `route` or `client`; what a caller can write at will is no part of a key',
    ],
    ...['params.tenant', 'header', 'cookies'].map((written): [string, string] => [
      `[${written}]`,
      'key[0]: must be `claims.NAME`, `provider`, `route` or `client`; what a caller can write at will is no part of a key',
    ]),
    [
      '[claims.org.id]',
      'key[0]: has a dot in the name of the claim; write `claims./org/id` for the member of a claim, or `claims./org.id` for one with that name',
    ],
  ])('%s', (key, problem) => {
    expect(problems(written(`{ rate: 10/s, key: ${key} }`))).toEqual([`rateLimits.a.${problem}`])
  })
})

describe('what is missing, or brought from elsewhere, is told with what to write', () => {
  test.each([
    ['{ key: [route] }', 'rateLimits.a.rate: is missing; write `rate: 100/s`'],
    ['{ rate: 1/s }', 'rateLimits.a.key: is missing; write `key: [claims.sub]`'],
    ['10/s', 'rateLimits.a: must be a block of keys, not text; write `{ rate: 100/s, key: [claims.sub] }`'],
    [
      '{ rate: 1/s, key: [route], per: minute }',
      'rateLimits.a.per: is not a known key. The rate says it: `rate: 100/m`.',
    ],
    [
      '{ rate: 1/s, key: [route], nodelay: true }',
      'rateLimits.a.nodelay: is not a known key. Nothing waits: what is more than `burst` at once is refused.',
    ],
    [
      '{ rate: 1/s, key: [route], redis: x }',
      'rateLimits.a.redis: is not a known key. Write `store: true`, and the section `store`.',
    ],
  ])('%s', (members, problem) => {
    expect(problems(written(members))).toEqual([problem])
  })
})
