/** The key set keeps its promises whatever the sequence of answers, of time and of traffic. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { VerificationKey } from '../../src/types.ts'
import { manualTime } from '../support/manual-time.ts'
import { conditional, json, type KeyServer, reset, startKeyServer, status } from '../support/services/key-server.ts'
import { ecJwk, es256, outcome, type Started, startedKeySet, TUNING } from './support.ts'

const KIDS = ['a', 'b', 'c', 'd']
const JWKS = new Map(KIDS.map(kid => [kid, ecJwk(kid)]))
const setOf = (kids: readonly string[]) => ({ keys: kids.map(kid => JWKS.get(kid)) })

/** The answer that the provider gives from now on. */
type Answering = { readonly good: readonly string[] } | { readonly bad: keyof typeof BAD }

const BAD = {
  error: status(500),
  redirect: status(302, { location: '/' }),
  reset,
  html: (_request: unknown, response: import('node:http').ServerResponse) => void response.end('<html>'),
  noSet: json({ keys: {} }),
  tooMany: json({ keys: Array.from({ length: 1_001 }, () => null) }),
  wrongNotModified: status(304, { etag: '"never-sent"' }),
} as const

interface Step {
  readonly answering: Answering
  readonly advanceMs: number
  readonly kids: readonly string[]
}

const answering: fc.Arbitrary<Answering> = fc.oneof(
  fc.record({ good: fc.subarray(KIDS) }),
  fc.record({ bad: fc.constantFrom(...(Object.keys(BAD) as Array<keyof typeof BAD>)) }),
)
const step: fc.Arbitrary<Step> = fc.record({
  answering,
  advanceMs: fc.oneof(fc.nat(5_000), fc.nat(90_000), fc.nat(1_200_000)),
  kids: fc.array(fc.oneof(fc.constantFrom(...KIDS), fc.uuid()), { maxLength: 30 }),
})

const MAX_STALE_MS = 600_000

/** The key set should believe this: the newest good set that the server has sent, and when. */
interface Truth {
  kids: readonly string[]
  atMs: number
}

async function run(
  server: KeyServer,
  steps: readonly Step[],
  check: (started: Started, truth: Truth, everSeen: ReadonlySet<VerificationKey>) => void,
): Promise<readonly number[]> {
  const time = manualTime()
  const truth: Truth = { kids: [], atMs: Number.NEGATIVE_INFINITY }
  const attemptsAtMs: number[] = []
  const script = (next: Answering): void => {
    const etag = 'good' in next ? `"${next.good.join()}"` : ''
    const answer = 'good' in next ? conditional(setOf(next.good), etag) : BAD[next.bad]
    server.answer((request, response) => {
      attemptsAtMs.push(time.monotonicMs())
      // An empty set counts as a failed fetch.
      if ('good' in next) {
        if (next.good.length > 0) Object.assign(truth, { kids: next.good, atMs: time.monotonicMs() })
      }
      // A 304 that answers a validator we really sent vouches for the set in force, bad script or not.
      else if (next.bad === 'wrongNotModified' && request.headers['if-none-match']) truth.atMs = time.monotonicMs()
      answer(request, response)
    })
  }
  script(steps[0]?.answering ?? { bad: 'error' })
  const source = { type: 'jwksUri', url: server.url, ...TUNING, maxStaleMs: MAX_STALE_MS } as const
  const started = await startedKeySet(source, { time, random: () => 0.5 })
  const everSeen = new Set<VerificationKey>()
  for (const { answering, advanceMs, kids } of steps) {
    script(answering)
    await started.advance(advanceMs)
    await Promise.all(kids.map(kid => outcome(started.keySet, es256(kid))))
    for (const kid of KIDS) {
      try {
        const selected = started.keySet.select(es256(kid))
        for (const key of await selected) everSeen.add(key)
      } catch {
        // `check` judges refusals.
      }
    }
    check(started, truth, everSeen)
  }
  await started.registry.close()
  return attemptsAtMs
}

describe('properties', () => {
  test('no token is ever accepted by a key outside the newest good set, nor later than maxStale', async () => {
    const server = await startKeyServer()
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async steps => {
        await run(server, steps, ({ keySet, time }, truth, everSeen) => {
          const isAlive = time.monotonicMs() - truth.atMs <= MAX_STALE_MS
          const current = [...everSeen].filter(key => keySet.isCurrent(key)).map(({ kid }) => kid ?? '')
          expect(isAlive ? truth.kids : []).toEqual(expect.arrayContaining(current))
          const accepted = KIDS.filter(kid => {
            try {
              return Array.isArray(keySet.select(es256(kid)))
            } catch {
              return false
            }
          })
          expect(accepted).toEqual(isAlive ? KIDS.filter(kid => truth.kids.includes(kid)) : [])
        })
      }),
      { numRuns: 60 },
    )
  })

  test('the number of fetches in any minute is bounded', async () => {
    const server = await startKeyServer()
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async steps => {
        const attemptsAtMs = await run(server, steps, () => {})
        const perMinute = attemptsAtMs.map(
          startMs => attemptsAtMs.filter(atMs => atMs >= startMs && atMs < startMs + 60_000).length,
        )
        // Retries come at 0, 0.9, 2.7, 6.3 and 13.5 s, the last of which succeeds; a cooldown later comes an unknown
        // key, and retries again: 43.5, 44.4, 46.2, 49.8 and 57 s. A longer first run leaves less room for the second.
        expect(Math.max(0, ...perMinute)).toBeLessThanOrEqual(10)
      }),
      { numRuns: 60 },
    )
  })
})
