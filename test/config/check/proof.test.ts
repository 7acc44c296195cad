/** Tests what a file may say of DPoP, and that no route asks for what nobody could bring. */
import { expect, test } from 'vitest'
import { load, problemsOf, SMALL } from '../support.ts'

const DPOP = 'dpop: { baseUrls: [https://api.example.com] }'

/** @param rest of the route `all` @param sections of the file, one in a line */
function written(rest: string, sections: readonly string[]): string {
  return `${SMALL.replace('/** }', `/**, ${rest} }`)}\n${sections.join('\n')}\n`
}

function problems(rest: string, sections: readonly string[]): readonly string[] {
  return problemsOf(written(rest, sections)).map(line => line.replace(/^\d+:\d+ /, ''))
}

test.each<[string, readonly string[]]>([
  ['require: { proof: dpop }', [DPOP]],
  ['require: { proof: dpop }, credentials: [authorization, { header: X-Token }]', [DPOP]],
  ['require: { proof: dpop }, credentials: [authorization]', [DPOP, 'credentials: [{ header: X-Token }]']],
  ['credentials: [{ header: X-Token }]', [DPOP]],
])('%s is accepted with %j', (rest, sections) => {
  expect(load(written(rest, sections)).dpop).toMatchObject({ maxAge: 60_000, clockTolerance: 5000 })
})

test.each([
  [
    'require: { proof: dpop }',
    [],
    'routes[0].require.proof: asks for DPoP proofs, which nobody judges; add the section `dpop`',
  ],
  [
    'require: { proof: dpop }, credentials: [{ header: X-Token }]',
    [DPOP],
    'routes[0].require.proof: asks for DPoP proofs, which go with `Authorization`; add `authorization` to `credentials`',
  ],
  [
    'require: { proof: dpop }',
    [DPOP, 'credentials: [{ query: token }]'],
    'routes[0].require.proof: asks for DPoP proofs, which go with `Authorization`; add `authorization` to `credentials`',
  ],
  [
    'access: required',
    ['identity: { forwardToken: asBearer }'],
    'identity.forwardToken: has no effect without `dpop`: no token comes with another scheme; write `true`',
  ],
  [
    'access: required',
    ['dpop: { baseUrls: [https://api.example.com], replay: { store: true } }'],
    'dpop.replay.store: needs the section `store`, which says where the store is; add it',
  ],
])('%s is refused with %j', (rest, sections, problem) => {
  expect(problems(rest, sections)).toEqual([problem])
})

test.each([
  ['{}', /^dpop\.baseUrls: /],
  ['{ baseUrls: [] }', /^dpop\.baseUrls: must not be empty/],
  ['{ baseUrls: [api.example.com] }', /^dpop\.baseUrls\[0\]: must be a URL/],
  ['{ baseUrls: ["https://api.example.com?x"] }', /^dpop\.baseUrls\[0\]: must not have a query/],
  ['{ baseUrls: ["https://me@api.example.com"] }', /^dpop\.baseUrls\[0\]: must not have a user/],
  ['{ baseUrls: ["https://*.example.com"] }', /^dpop\.baseUrls\[0\]: must be one host/],
  ['{ baseUrls: ["https://a.example/b/../c"] }', /^dpop\.baseUrls\[0\]: must not have `\.` and `\.\.`/],
  ['{ baseUrls: ["https://a.example/%2E"] }', /^dpop\.baseUrls\[0\]: must not have `\.` and `\.\.`/],
  ['{ baseUrls: [https://a.example], algorithms: [ML-DSA-44] }', /^dpop\.algorithms\[0\]: is no algorithm for proofs/],
  [
    '{ baseUrls: [https://a.example], replay: { whenUnavailable: local } }',
    /^dpop\.replay\.whenUnavailable: has no effect without `store: true`/,
  ],
  ['{ baseUrls: [https://a.example], algorithms: [HS256] }', /^dpop\.algorithms\[0\]: is no algorithm for proofs/],
  ['{ baseUrls: [https://a.example], algorithms: [none] }', /^dpop\.algorithms\[0\]: is no algorithm for proofs/],
  ['{ baseUrls: [https://a.example], algorithms: [] }', /^dpop\.algorithms: must not be empty/],
  ['{ baseUrls: [https://a.example], maxAge: 31m }', /^dpop\.maxAge: /],
  ['{ baseUrls: [https://a.example], clockTolerance: 11m }', /^dpop\.clockTolerance: /],
  ['{ baseUrls: [https://a.example], replay: { entries: 999 } }', /^dpop\.replay\.entries: must be at least 1000/],
  ['{ baseUrls: [https://a.example], nonce: { secretFile: s, lifetime: 2h } }', /^dpop\.nonce\.lifetime: /],
])('dpop: %s is refused', (block, problem) => {
  const found = problems('access: required', [`dpop: ${block}`])
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(problem)
})
