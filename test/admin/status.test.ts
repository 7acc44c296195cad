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

test('a provider that asks about tokens shows whom, since when that fails, and when it tries again', () => {
  const lastError = 'the server answered 500'
  const seen = shown({
    usable: true,
    lastError,
    kind: 'introspection',
    introspection: {
      endpoint: 'https://auth.example.com/introspect',
      breaker: 'open',
      nextTrySeconds: 1_800_000_004,
      lastSuccessSeconds: 1_799_999_940,
      lastFailureSeconds: 1_800_000_000,
      lastError,
      inFlight: 1,
      queued: 2,
      activeTokens: 3,
      inactiveTokens: 4,
    },
  })
  expect(seen).toMatchObject({ ready: true })
  expect(seen.providers).toEqual([
    {
      id: 'asking',
      issuer: 'https://auth.example.com/',
      usable: true,
      last_success: '2027-01-15T07:59:00.000Z',
      age_seconds: 60,
      last_error: lastError,
      introspection: {
        endpoint: 'https://auth.example.com/introspect',
        breaker: 'open',
        next_try: '2027-01-15T08:00:04.000Z',
        last_failure: '2027-01-15T08:00:00.000Z',
        in_flight: 1,
        queued: 2,
        active_tokens: 3,
        inactive_tokens: 4,
      },
    },
  ])
})
