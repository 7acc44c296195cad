/** Tests what `policyDiff` finds in `dpop` and `require.proof`: which of two configurations takes more proofs. */
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { HEAD } from '../support.ts'
import { changes, compared } from './support.ts'

const URL = 'https://api.example.com'

/** @param rest of the section; undefined leaves the section out */
function configOf(rest: string | undefined, require?: string): Config {
  const text = [
    `${HEAD}routes: [{ id: a, path: /a${require === undefined ? '' : `, require: ${require}`} }]`,
    rest === undefined ? '' : `dpop: { baseUrls: [${URL}]${rest} }`,
    rest?.includes('store: true') ? 'store: { url: redis://127.0.0.1:6379 }' : '',
    '',
  ].join('\n')
  return loadConfig({ text, file: '/etc/sallyport.yaml', env: {}, namedFiles: 'unread' })
}

const nonce = (lifetime: string, file = 'secret') => `, nonce: { secretFile: ${file}, lifetime: ${lifetime} }`
const shared = (whenUnavailable: string) => `, replay: { store: true, whenUnavailable: ${whenUnavailable} }`

/** Each row is judged from left to right, and the other way round. */
test.each<readonly [string | undefined, string | undefined, readonly string[], readonly string[]]>([
  [
    undefined,
    '',
    ['loosened dpop: now takes tokens that are bound to a key, with a DPoP proof'],
    ['tightened dpop: no longer takes tokens that are bound to a key'],
  ],
  [
    ', algorithms: [ES256]',
    ', algorithms: [ES256, PS256]',
    ['loosened dpop: algorithms: or PS256'],
    ['tightened dpop: algorithms: not PS256 any more'],
  ],
  [
    '',
    ', maxAge: 2m, clockTolerance: 6s',
    ['loosened dpop: maxAge: 1m → 2m; clockTolerance: 5s → 6s'],
    ['tightened dpop: maxAge: 2m → 1m; clockTolerance: 6s → 5s'],
  ],
  [
    '',
    nonce('5m'),
    ['changed dpop: nonce: now asked for, in place of a time that fits `maxAge`'],
    ['loosened dpop: nonce: no longer asked for'],
  ],
  [nonce('1m'), nonce('5m'), ['loosened dpop: nonce.lifetime: 1m → 5m'], ['tightened dpop: nonce.lifetime: 5m → 1m']],
  [
    nonce('5m'),
    nonce('5m', 'other'),
    ['changed dpop: nonce.secretFile is another'],
    ['changed dpop: nonce.secretFile is another'],
  ],
  [nonce('5m'), `${nonce('5m')}, maxAge: 2m`, [], []],
  ['', shared('local'), ['tightened dpop: replay.store: false → true'], ['loosened dpop: replay.store: true → false']],
  [
    shared('refuse'),
    shared('local'),
    ['loosened dpop: replay.whenUnavailable: refuse → local'],
    ['tightened dpop: replay.whenUnavailable: local → refuse'],
  ],
  ['', ', replay: { store: false, entries: 2000 }', [], []],
])('dpop "%s" → "%s"', (before, after, there, back) => {
  const [old, next] = [configOf(before), configOf(after)]
  // The store itself is compared by other tests.
  const ofDpop = (all: readonly string[]) => all.filter(each => !/^\w+ store:/.test(each))
  expect(ofDpop(changes(old, next))).toEqual(there)
  expect(ofDpop(changes(next, old))).toEqual(back)
})

test('a further URL under which clients come lets through proofs that were made for it', () => {
  const both = (urls: readonly string[]): Config => {
    const config = configOf('')
    return { ...config, dpop: config.dpop && { ...config.dpop, baseUrls: urls } }
  }
  expect(changes(both([URL]), both([URL, 'https://b.example']))).toEqual([
    'loosened dpop: baseUrls: or https://b.example',
  ])
  expect(changes(both([URL]), both(['https://b.example']))).toEqual([
    'loosened dpop: baseUrls: or https://b.example',
    `tightened dpop: baseUrls: not ${URL} any more`,
  ])
})

test('proofs with nonces are a change with a witness, since their own time is no longer looked at', () => {
  const [change] = policyDiff(compared(configOf('')), compared(configOf(nonce('5m'))))
  expect(change).toMatchObject({ kind: 'changed', witness: 'proofs with a nonce, whatever time they say' })
})

describe('require.proof', () => {
  const bound = (member: string) => ({ provider: 'main', claims: { cnf: { [member]: 'any value' } } })
  const nobody = { provider: 'main', claims: {} }

  test.each([
    [undefined, '{ proof: dpop }', 'tightened', undefined],
    ['{ proof: dpop }', undefined, 'loosened', nobody],
    ['{ proof: any }', '{ proof: dpop }', 'tightened', undefined],
    ['{ proof: dpop }', '{ proof: any }', 'loosened', bound('x5t#S256')],
    ['{ proof: dpop }', '{ scopes: [x] }', 'changed', { provider: 'main', claims: { scope: 'x' } }],
    ['{ scopes: [x] }', '{ proof: dpop }', 'changed', bound('jkt')],
  ])('%s → %s names who gets in now', (before, after, kind, witness) => {
    const [change, ...more] = policyDiff(compared(configOf('', before)), compared(configOf('', after)))
    expect(more).toEqual([])
    expect(change?.kind).toBe(kind)
    expect(change?.details.join()).toContain('proof')
    expect(change?.witness).toEqual(witness)
  })
})

test('more processes are more memories of proofs, unless the store shares them', () => {
  const withWorkers = (rest: string, workers: number): Config => ({ ...configOf(rest), workers })
  const told = (rest: string, before: number, after: number) =>
    policyDiff(compared(withWorkers(rest, before)), compared(withWorkers(rest, after))).map(({ kind, details }) => [
      kind,
      ...details,
    ])
  expect(told('', 1, 4)).toEqual([['loosened', expect.stringContaining('uses of one DPoP proof: 1 → 4')]])
  expect(told('', 4, 1)).toEqual([['tightened', expect.stringContaining('uses of one DPoP proof: 4 → 1')]])
  expect(told(shared('refuse'), 1, 4)).toEqual([])
})
