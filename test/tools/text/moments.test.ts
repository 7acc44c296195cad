/** Tests how a time is said to a person who looks at a token. */
import { expect, test } from 'vitest'
import { distance } from '../../../src/tools/text/moments.ts'

test.each([
  [0, 'now'],
  [1000, 'in 1 second'],
  [-119_000, '1 minute ago'],
  [7_200_000, 'in 2 hours'],
  [-86_400_000 * 400, '1 year ago'],
])('%d ms from now is %s', (ms, words) => {
  expect(distance(ms)).toBe(words)
})
