import { beforeAll, describe, expect, test } from 'vitest'
import { CLAIMS, rawToken, refusalCode, type Signer, signer, verifierFor } from '../authenticate/support.ts'
import { haveVectors, vectors } from './vectors.ts'

interface Document {
  readonly name: string
  readonly expect: 'accept' | 'reject' | 'implementation-defined'
  readonly base64: string
}

/**
 * Objects whose syntax is right, or which parsers may take, and that we refuse: they have repeated
 * members or a lone surrogate.
 */
const REFUSED_OBJECTS = new Set([
  'y_object_duplicated_key.json',
  'y_object_duplicated_key_and_value.json',
  'i_object_key_lone_2nd_surrogate.json',
])

/** Documents inside an array that parsers may take and that hold a number a double can hold, if roughly. */
const ACCEPTED_THOUGH_OPEN = new Set([
  'i_number_double_huge_neg_exp.json',
  'i_number_real_underflow.json',
  'i_number_too_big_neg_int.json',
  'i_number_too_big_pos_int.json',
  'i_number_very_big_negative_int.json',
])

let by: Signer
beforeAll(async () => {
  by = await signer('HS256')
})

const header = (extra = '') => `{"alg":"HS256","kid":"k1"${extra}}`

describe.runIf(haveVectors)('JSONTestSuite, properly signed', () => {
  const suite = haveVectors
    ? (vectors('json-parsing/json-test-suite.json') as { tests: readonly Document[] }).tests
    : []

  test('all 316 documents are here', () => expect(suite).toHaveLength(316))

  test.each(suite)('$name as the claims', async ({ name, expect: expected, base64 }) => {
    const bytes = Buffer.from(base64, 'base64')
    const attempt = () => verifierFor(by)(rawToken(by, header(), bytes))
    const isObject = bytes.toString().trimStart().startsWith('{')
    const readable = expected === 'accept' && isObject && !REFUSED_OBJECTS.has(name)
    // What can be read lacks `iss`, and is refused for that and nothing before it.
    expect(await refusalCode(attempt)).toBe(readable ? 'issuer_unknown' : 'token_malformed')
  })

  test.each(suite)('$name as the header', async ({ base64 }) => {
    const attempt = () => verifierFor(by)(rawToken(by, Buffer.from(base64, 'base64'), JSON.stringify(CLAIMS)))
    expect(await refusalCode(attempt)).toBe('token_malformed')
  })

  test.each(suite)(
    '$name as the value of a claim and of a header parameter',
    async ({ name, expect: expected, base64 }) => {
      const inside = (before: string) =>
        Buffer.concat([Buffer.from(before), Buffer.from(base64, 'base64'), Buffer.from('}')])
      const accepted = (expected === 'accept' && !REFUSED_OBJECTS.has(name)) || ACCEPTED_THOUGH_OPEN.has(name)
      const attempts = [
        () => verifierFor(by)(rawToken(by, header(), inside(`${JSON.stringify(CLAIMS).slice(0, -1)},"x":`))),
        () => verifierFor(by)(rawToken(by, inside(`${header().slice(0, -1)},"x":`), JSON.stringify(CLAIMS))),
      ]
      for (const attempt of attempts) {
        if (accepted) expect((await attempt()).claims.sub).toBe('alice')
        else expect(await refusalCode(attempt)).toBe('token_malformed')
      }
    },
  )

  test.each([
    ['n_structure_100000_opening_arrays.json', '['.repeat(100_000)],
    ['n_structure_open_array_object.json', '[{"":'.repeat(50_000)],
  ])('%s, which is too large to be in the file', async (_name, text) => {
    expect(await refusalCode(() => verifierFor(by)(rawToken(by, header(), text)))).toBe('token_malformed')
    expect(await refusalCode(() => verifierFor(by)(rawToken(by, text, '{}')))).toBe('token_malformed')
  })
})
