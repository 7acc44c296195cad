/** Tests which words are suggested for a misspelled one. */
import { expect, test } from 'vitest'
import { didYouMean, nearest } from '../../../src/config/schema/suggest.ts'

const KEYS = ['audiences', 'algorithms', 'jwksUri', 'scopes', 'anyScope', 'upstreams', 'GET', 'PUT']

test.each([
  ['audience', 'audiences'],
  ['audeinces', 'audiences'],
  ['algoritms', 'algorithms'],
  ['jwks_uri', 'jwksUri'],
  ['JWKSURI', 'jwksUri'],
  ['any-scope', 'anyScope'],
  ['upstrems', 'upstreams'],
  ['get', 'GET'],
])('%s was probably meant to be %s', (word, meant) => {
  expect(nearest(word, KEYS)).toBe(meant)
})

test.each(['streams', 'cookies', 'x', '', 'a'.repeat(100_000)])('nothing is near %.20s', word => {
  expect(nearest(word, KEYS)).toBeUndefined()
})

test.each([
  ['cert', ['dpop', 'certificate'], ' Did you mean "certificate"?'],
  ['cer', ['Certificate'], ' Did you mean "Certificate"?'],
  ['ce', ['certificate'], ''],
  ['---', ['certificate'], ''],
  ['client', ['clientCaFile', 'clientCertificate'], ''],
])('%s among %j is asked about with "%s"', (word, candidates, question) => {
  expect(didYouMean(word, candidates)).toBe(question)
})
