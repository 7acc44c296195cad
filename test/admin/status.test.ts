/** How providers that verify by something else than keys look to `readyz` and `-/status`. */
import { expect, test } from 'vitest'
import { statusOf } from '../../src/admin/status.ts'
import type { IntrospectionStatus, ProviderHealth } from '../../src/types.ts'

function shown(health: ProviderHealth, decryptionKeys?: readonly string[]) {
  const providers = [{ id: 'asking', issuer: 'https://auth.example.com/', health: () => health, decryptionKeys }]
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

const ASKING: IntrospectionStatus = {
  endpoint: 'https://auth.example.com/introspect',
  breaker: 'open',
  nextTrySeconds: 1_800_000_004,
  lastSuccessSeconds: 1_799_999_940,
  lastFailureSeconds: 1_799_999_998,
  lastError: 'the server answered 500',
  inFlight: 3,
  queued: 2,
  activeTokens: 40,
  inactiveTokens: 7,
}

test('a provider that asks a server shows how that is going, and the ages of its last answer and failure', () => {
  const { lastError } = ASKING
  expect(shown({ usable: true, lastError, kind: 'introspection', introspection: ASKING })).toMatchObject({
    ready: true,
    providers: [
      {
        usable: true,
        last_success: '2027-01-15T07:59:00.000Z',
        age_seconds: 60,
        last_error: 'the server answered 500',
        introspection: {
          endpoint: 'https://auth.example.com/introspect',
          breaker: 'open',
          next_try: '2027-01-15T08:00:04.000Z',
          last_failure: '2027-01-15T07:59:58.000Z',
          failure_age_seconds: 2,
          in_flight: 3,
          queued: 2,
          active_tokens: 40,
          inactive_tokens: 7,
        },
      },
    ],
  })
})

test('a provider that does not know yet whom to ask keeps the gateway from being ready', () => {
  const introspection: IntrospectionStatus = {
    ...ASKING,
    ...{ endpoint: undefined, breaker: 'closed', nextTrySeconds: undefined, lastSuccessSeconds: undefined },
  }
  const status = shown({ usable: false, lastError: 'nobody listens', kind: 'introspection', introspection })
  expect(status.reasons).toEqual(['provider asking: cannot judge tokens: nobody listens'])
  const [provider] = status.providers as ReadonlyArray<Readonly<Record<string, unknown>>>
  expect(provider).not.toHaveProperty('last_success')
  expect(provider?.introspection).not.toHaveProperty('next_try')
})

test('a provider that opens encrypted tokens shows which of its keys are open, by name alone', () => {
  const health = { usable: true, lastError: undefined, kind: 'keyless' } as const
  expect(shown(health, ['enc-2026-11', 'enc-2026-05']).providers).toMatchObject([
    { decryption: { kids: ['enc-2026-11', 'enc-2026-05'] } },
  ])
  expect(shown(health)).not.toHaveProperty('providers.0.decryption')
})
