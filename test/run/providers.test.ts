import { beforeEach, expect, test } from 'vitest'
import { introspectorRegistry } from '../../src/authenticate/introspection/registry.ts'
import { verifierRegistry } from '../../src/authenticate/registry.ts'
import type { ProviderConfig } from '../../src/config/schema/schema.ts'
import { keySetRegistry } from '../../src/keys/registry.ts'
import { leaseProvider } from '../../src/run/providers.ts'
import { load, SMALL } from '../config/support.ts'
import { recorder } from '../keys/support.ts'
import { type JwtProvider, jwtOf } from '../support/jwt-provider.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'
import { testDecrypterOf } from '../support/policy-parts.ts'

let time: ManualTime
let services: Parameters<typeof leaseProvider>[2]
beforeEach(() => {
  time = manualTime()
  services = {
    clock: time,
    keySets: keySetRegistry({ clock: time, scheduler: time, random: () => 0, observer: recorder() }),
    verifiers: verifierRegistry(time),
    introspectors: introspectorRegistry({
      clock: time,
      scheduler: time,
      observer: { asked() {}, breakerChanged() {} },
    }),
    answerDecrypterOf: testDecrypterOf,
    egress: undefined,
    workers: 1,
    entries: 100,
  }
})

/** Its issuer can be reached by nobody. */
function provider(change: Partial<JwtProvider> = {}): ProviderConfig {
  return { ...jwtOf(load(SMALL.replace('https://auth.example.com/', 'http://127.0.0.1:1/'))), ...change }
}

test('a provider that did not change judges by the same verifier', () => {
  const [one, again] = [leaseProvider('main', provider(), services), leaseProvider('main', provider(), services)]
  expect(again.verifier).toBe(one.verifier)
  expect(leaseProvider('other', provider(), services).verifier).not.toBe(one.verifier)
})

test('a provider whose keys cannot be had is ready all the same, and says that it cannot judge', async () => {
  const { ready, verifier } = leaseProvider('main', provider(), services)
  await ready()
  expect(verifier.health()).toMatchObject({ usable: false, lastError: expect.stringContaining('could not be fetched') })
})

test('a provider that is released leaves nothing behind after a while', async () => {
  const { ready, release } = leaseProvider('main', provider(), services)
  await ready()
  release()
  release()
  await time.advance(60_000)
  expect(time.pendingMs()).toEqual([])
})

test('a provider that cannot be made leaves nothing leased', async () => {
  expect(() => leaseProvider('main', provider({ rolesClaim: '/~2' }), services)).toThrow(SyntaxError)
  await time.advance(60_000)
  await expect.poll(() => time.pendingMs()).toEqual([])
})
