/** How providers that verify by something else than keys look to `readyz` and `-/status`. */
import { expect, test } from 'vitest'
import { statusOf } from '../../src/admin/status.ts'
import type { ProviderHealth } from '../../src/types.ts'

function shown(health: ProviderHealth) {
  const providers = [{ id: 'asking', issuer: 'https://auth.example.com/', health: () => health }]
  const status = statusOf({
    version: '1',
    policy: { hash: 'abc', routes: [], providers },
    revocation: undefined,
    proofs: undefined,
    isRefusingStale: false,
    isDraining: false,
    nowMs: 1_800_000_000_000,
  })
  return JSON.parse(JSON.stringify(status)) as Record<string, unknown>
}

test('a provider without keys shows nothing about keys', () => {
  expect(shown({ usable: true, lastError: undefined, kind: 'keyless' })).toMatchObject({
    ready: true,
    reasons: [],
    providers: [{ id: 'asking', issuer: 'https://auth.example.com/', usable: true }],
  })
})

test('a provider without keys that cannot judge tokens keeps the gateway from being ready', () => {
  const reasons = (lastError: string | undefined) => shown({ usable: false, lastError, kind: 'keyless' }).reasons
  expect(reasons('it does not answer')).toEqual(['provider asking: cannot judge tokens: it does not answer'])
  expect(reasons(undefined)).toEqual(['provider asking: cannot judge tokens'])
})
