/** How providers that verify by something else than keys look to `readyz` and `-/status`. */
import { expect, test } from 'vitest'
import { statusOf } from '../../src/admin/status.ts'
import type { IntrospectionStatus, ProviderHealth, SessionStatus } from '../../src/types.ts'

function shown(health: ProviderHealth, decryptionKeys?: readonly string[], sessions?: SessionStatus) {
  const providers = [{ id: 'asking', issuer: 'https://auth.example.com/', health: () => health, decryptionKeys }]
  const status = statusOf({
    version: '1',
    startedMs: 1_799_999_000_000,
    config: { sinceMs: 1_799_999_500_000, lastRejected: undefined },
    policy: { hash: 'abc', routes: [], providers },
    revocation: undefined,
    proofs: undefined,
    limits: undefined,
    audit: undefined,
    decide: undefined,
    signing: undefined,
    exchange: undefined,
    sessionsOf: id => (id === 'asking' ? sessions : undefined),
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

const SESSIONS: SessionStatus = {
  discovery: { isDone: true, lastError: undefined },
  held: 3,
  lastRefreshFailure: { reason: 'the provider did not answer', atSeconds: 1_799_999_990 },
  lastLoginFailure: { reason: 'token_malformed: not a JWT', atSeconds: 1_799_999_980 },
  store: { state: 'down', lastError: 'the store cannot be reached' },
}
const SOUND: ProviderHealth = { usable: true, lastError: undefined, kind: 'keyless' }

test('a provider of sessions shows how many are known, the last failure of a renewal, and whether the store is up', () => {
  expect(shown(SOUND, undefined, SESSIONS)).toMatchObject({
    ready: true,
    providers: [
      {
        usable: true,
        sessions: {
          held: 3,
          last_refresh_error: 'the provider did not answer',
          last_refresh_failure: '2027-01-15T07:59:50.000Z',
          refresh_failure_age_seconds: 10,
          last_login_error: 'token_malformed: not a JWT',
          last_login_failure: '2027-01-15T07:59:40.000Z',
          login_failure_age_seconds: 20,
          store: 'down',
          store_error: 'the store cannot be reached',
        },
      },
    ],
  })
  const fresh = shown(SOUND, undefined, {
    ...SESSIONS,
    lastRefreshFailure: undefined,
    lastLoginFailure: undefined,
    store: undefined,
  })
  expect(fresh.providers).toMatchObject([{ sessions: { held: 3 } }])
  expect(JSON.stringify(fresh)).not.toMatch(/refresh_|login_|store/)
  expect(JSON.stringify(shown(SOUND))).not.toContain('sessions')
})

test('a provider of sessions that is not discovered keeps the gateway from being ready', () => {
  const lost = { ...SESSIONS, discovery: { isDone: false, lastError: 'the provider answered 404' } }
  expect(shown(SOUND, undefined, lost)).toMatchObject({
    ready: false,
    reasons: ['provider asking: cannot log users in: the provider answered 404'],
    providers: [{ usable: false, last_error: 'the provider answered 404' }],
  })
})
