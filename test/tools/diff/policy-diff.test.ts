/** Tests what `policyDiff` finds in the routes of two configurations. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Config } from '../../../src/config/schema/schema.ts'
import type { Endpoint, Route } from '../../../src/policy.ts'
import { policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { resolved } from '../../../src/tools/engine/reach.ts'
import { configOf } from '../support.ts'
import { changes, compared } from './support.ts'

const route = (rest: string): Config => configOf(`{ id: a, path: /a, ${rest} }`)

describe('what a route asks', () => {
  test.each([
    ['access: required', 'access: public', 'loosened a: access: required → public'],
    ['access: public', 'access: optional', 'tightened a: access: public → optional'],
    ['access: required', 'pathAllow: [encodedUnreserved]', 'loosened a: pathAllow: or encodedUnreserved'],
    ['mode: enforce', 'mode: report', 'loosened a: mode: enforce → report'],
    ['require: { scopes: [x] }', 'require: { scopes: [x, y] }', 'tightened a: scopes: also y'],
    ['require: { scopes: [x, y] }', 'require: { scopes: [x] }', 'loosened a: scopes: no longer y'],
    ['require: { scopes: [x] }', 'require: { scopes: [y] }', 'changed a: scopes: also y; scopes: no longer x'],
    ['require: { anyScope: [x] }', 'require: { anyScope: [x, y] }', 'loosened a: anyScope: or y'],
    ['require: { anyRole: [x, y] }', 'require: { anyRole: [x] }', 'tightened a: anyRole: not y any more'],
    ['require: { roles: [x] }', 'access: required', 'loosened a: no longer asks for roles: x'],
    ['access: required', 'audiences: [urn:x]', 'tightened a: now asks for audiences: urn:x'],
    ['require: { claims: { t: 1 } }', 'require: { claims: { t: [1, 2] } }', 'loosened a: claims.t: or 2'],
    [
      'require: { claims: { t: 1 } }',
      'require: { claims: { t: { exists: true } } }',
      'loosened a: claims.t: any value will do',
    ],
    [
      'require: { claims: { t: { exists: true } } }',
      'require: { claims: { t: 1 } }',
      'tightened a: claims.t: not any value any more',
    ],
    [
      'require: { claims: { t: [1, 2] } }',
      'require: { claims: { t: { all: [1] } } }',
      'tightened a: claims.t is asked for in another way',
    ],
    [
      'require: { claims: { t: { all: [1] } } }',
      'require: { claims: { t: { all: [1, 2] } } }',
      'tightened a: claims.t: also 2',
    ],
  ])('%s → %s', (before, after, change) => {
    expect(changes(route(before), route(after))).toEqual([change])
  })

  const USUAL = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
  test('a route that no longer lists its methods lets the others in', () => {
    const listed = configOf(`{ id: a, path: /a, methods: [${USUAL}] }`)
    const found = policyDiff(compared(listed), compared(configOf('{ id: a, path: /a }')))
    expect(found).toMatchObject([{ kind: 'added', subject: 'a', requests: { methods: ['OTHER'], path: '/a' } }])
    const under = (rest: string) =>
      configOf(`{ id: a, path: /a${rest}, access: public }`, '{ id: rest, path: /**, require: { scopes: [x] } }')
    expect(changes(under(`, methods: [${USUAL}]`), under(''))).toEqual([expect.stringMatching(/^loosened rest → a: /)])
  })

  test('nothing changes when a route moves, is renamed, or is split and asks the same', () => {
    const old = configOf('{ id: a, path: /a/**, require: { scopes: [x] } }', '{ id: b, path: /b, access: public }')
    const next = configOf(
      '{ id: b2, path: /b, access: public }',
      '{ id: a-read, path: /a/**, methods: [GET, HEAD], require: { scopes: [x] } }',
      '{ id: a-write, path: /a/**, methods: [POST, PUT, PATCH, DELETE, OPTIONS], require: { scopes: [x] } }',
    )
    expect(changes(old, next)).toEqual([])
  })

  test.each([
    ['require: { scopes: [x] }', 'require: { anyScope: [x] }'],
    ['require: { roles: [x], anyRole: [x, y] }', 'require: { roles: [x] }'],
    ['require: { claims: { t: 1 } }', 'require: { claims: { t: { all: [1] } } }'],
    ['require: { claims: { t: 1 } }', 'require: { claims: { /t: 1 } }'],
  ])('nothing changes when the same is asked for in another way: %s → %s', (before, after) => {
    expect(changes(route(before), route(after))).toEqual([])
  })
})

describe('which requests have a route', () => {
  test('a new one is added, a lost one is removed', () => {
    const old = configOf('{ id: a, path: /a, methods: [GET] }')
    const next = configOf('{ id: b, path: /a, methods: [PUT], access: public }')
    expect(changes(old, next)).toEqual(['added b: was refused; now access: public', 'removed a: is refused now'])
  })

  test('a route that is taken out falls to the one around it', () => {
    const old = configOf('{ id: all, path: /**, access: public }', '{ id: admin, path: /admin/** }')
    const next = configOf('{ id: all, path: /**, access: public }')
    expect(changes(old, next)).toEqual(['loosened admin → all: access: required → public'])
  })

  test('an overlap of two patterns is a case of its own', () => {
    const old = configOf('{ id: p, path: "/a/:x", methods: [GET], access: public }', '{ id: q, path: "/:y/b" }')
    const next = configOf('{ id: p, path: "/a/:x", access: public }', '{ id: q, path: "/:y/b" }')
    expect(changes(old, next)).toEqual([
      'added p: was refused; now access: public',
      'loosened q → p: access: required → public',
    ])
  })
})

const SEGMENT = fc.constantFrom('a', 'b', ':x')
const PATTERN = fc
  .tuple(fc.array(SEGMENT, { maxLength: 3 }), fc.constantFrom('', '/**', '/'))
  .map(([segments, end]) => segments.map(segment => `/${segment}`).join('') + end || '/')
  .map(pattern =>
    pattern
      .split('/')
      .map((segment, depth) => (segment === ':x' ? `:x${depth}` : segment))
      .join('/'),
  )
const ROUTES = fc.uniqueArray(
  fc.record({
    path: PATTERN,
    methods: fc.constantFrom('[GET]', '[PUT]'),
    access: fc.constantFrom('public', 'required'),
  }),
  { minLength: 1, maxLength: 6, selector: ({ path, methods }) => path + methods },
)
const PATH = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 5 }), fc.constantFrom('', '/'))
  .map(([segments, end]) => segments.map(segment => `/${segment}`).join('') + end || '/')

test('no request changes its outcome unless the comparison says so', () => {
  const config = (routes: readonly { path: string; methods: string; access: string }[]): Config =>
    configOf(
      ...routes.map(({ path, methods, access }) => {
        const id = `r${path.replaceAll(/[^a-z0-9]/g, '.')}${methods.slice(1, -1)}`
        return `{ id: ${id}, path: "${path}", methods: ${methods}, access: ${access} }`
      }),
    )
  fc.assert(
    fc.property(ROUTES, ROUTES, fc.array(PATH, { minLength: 1, maxLength: 20 }), (before, after, paths) => {
      const old = compared(config(before))
      const next = compared(config(after))
      const subjects = new Set(policyDiff(old, next).map(({ subject }) => subject))
      for (const path of paths)
        for (const method of ['GET', 'PUT', 'HEAD']) {
          const from = resolved(old.policy.matcher, method, path)
          const to = resolved(next.policy.matcher, method, path)
          if (accessOf(from) === accessOf(to)) continue
          const subject =
            from === undefined || to === undefined || from.id === to.id ? (from ?? to)?.id : `${from.id} → ${to.id}`
          expect(subjects).toContain(subject)
        }
    }),
    { numRuns: 300 },
  )
}, 60_000)

function accessOf(target: Route | Endpoint | undefined): string | undefined {
  return target?.kind === 'route' ? target.access : target?.kind
}

test('a parameter that ends in a word takes its requests from the wider one', () => {
  const wide = '{ id: a, path: /m/:x }'
  expect(changes(configOf(wide), configOf(wide, '{ id: b, path: "/m/:x:run", access: public }'))).toEqual([
    'loosened a → b: access: required → public',
  ])
})
