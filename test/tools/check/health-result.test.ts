/** Tests what `check --online` says of providers that verify by keys, that ask a server, and that do neither. */
import { expect, test } from 'vitest'
import { healthResult } from '../../../src/tools/check/health-result.ts'
import type { IntrospectionStatus, KeySetStatus, ProviderHealth } from '../../../src/types.ts'

const keySet: KeySetStatus = {
  usable: true,
  keys: [{ kid: 'one', algorithms: ['RS256', 'PS256'] }],
  skipped: { weak: 2 },
  lastSuccessSeconds: 1,
  lastError: undefined,
}
const introspection: IntrospectionStatus = {
  endpoint: 'https://auth.example.com/introspect',
  breaker: 'closed',
  nextTrySeconds: undefined,
  lastSuccessSeconds: undefined,
  lastFailureSeconds: undefined,
  lastError: undefined,
  inFlight: 0,
  queued: 0,
  activeTokens: 0,
  inactiveTokens: 0,
}
const fine = { usable: true, lastError: undefined } as const
const broken = { usable: false, lastError: 'nobody answers' } as const

test.each<readonly [string, ProviderHealth, string]>([
  ['ok', { ...fine, kind: 'keys', keySet }, 'keys one RS256/PS256; 2 skipped: weak'],
  ['failed', { ...fine, kind: 'keys', keySet: { ...keySet, keys: [] } }, 'there is no usable key'],
  ['failed', { ...broken, kind: 'keys', keySet }, 'nobody answers'],
  ['ok', { ...fine, kind: 'introspection', introspection }, 'asks at https://auth.example.com/introspect'],
  [
    'failed',
    {
      ...broken,
      kind: 'introspection',
      introspection: { ...introspection, endpoint: undefined, lastError: 'no document' },
    },
    'no document',
  ],
  [
    'failed',
    { ...broken, kind: 'introspection', introspection: { ...introspection, endpoint: undefined } },
    'it is not known where to ask',
  ],
  [
    'failed',
    {
      ...fine,
      kind: 'introspection',
      introspection: { ...introspection, breaker: 'open', lastError: 'it answered 500' },
    },
    'https://auth.example.com/introspect is not asked for now (the breaker is open): it answered 500',
  ],
  ['ok', { ...fine, kind: 'keyless' }, 'can judge tokens'],
  ['failed', { ...broken, kind: 'keyless' }, 'nobody answers'],
  ['failed', { ...broken, lastError: undefined, kind: 'keyless' }, 'cannot judge tokens'],
])('%s: %o', (outcome, health, detail) => {
  expect(healthResult(health)).toEqual({ outcome, detail })
})
