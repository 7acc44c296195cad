/** Tests what `check --online` says of providers that verify by keys, and of those that do not. */
import { expect, test } from 'vitest'
import { healthResult } from '../../../src/tools/check/health-result.ts'
import type { KeySetStatus, ProviderHealth } from '../../../src/types.ts'

const keySet: KeySetStatus = {
  usable: true,
  keys: [{ kid: 'one', algorithms: ['RS256', 'PS256'] }],
  skipped: { weak: 2 },
  lastSuccessSeconds: 1,
  lastError: undefined,
}
const fine = { usable: true, lastError: undefined } as const
const broken = { usable: false, lastError: 'nobody answers' } as const

test.each<readonly [string, ProviderHealth, string]>([
  ['ok', { ...fine, kind: 'keys', keySet }, 'keys one RS256/PS256; 2 skipped: weak'],
  ['failed', { ...fine, kind: 'keys', keySet: { ...keySet, keys: [] } }, 'there is no usable key'],
  ['failed', { ...broken, kind: 'keys', keySet }, 'nobody answers'],
  ['ok', { ...fine, kind: 'keyless' }, 'can judge tokens'],
  ['failed', { ...broken, kind: 'keyless' }, 'nobody answers'],
  ['failed', { ...broken, lastError: undefined, kind: 'keyless' }, 'cannot judge tokens'],
])('%s: %o', (outcome, health, detail) => {
  expect(healthResult(health)).toEqual({ outcome, detail })
})
