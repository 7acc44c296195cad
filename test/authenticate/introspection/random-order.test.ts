/** Whatever the order of requests, answers, failures and time: what must never happen does not. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ActiveAnswer, QuestionFailure } from '../../../src/authenticate/introspection/answer.ts'
import { Denial } from '../../../src/errors.ts'
import type { Tenure } from '../../../src/types.ts'
import { type AskedQuestion, asking, type Requested, settled } from './support.ts'

const QUEUE = 4
/** They all have room in their line, so none of them may be refused for want of it. */
const KNOWN = ['k-0', 'k-1', 'k-2', 'k-3']
const STRANGERS = Array.from({ length: 24 }, (_unused, index) => `s-${index}`)
const TIMEOUT_MS = 2_000
const INACTIVE_TTL_MS = 5_000

const someToken = fc.oneof(fc.constantFrom(...KNOWN), fc.constantFrom(...STRANGERS))
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('request' as const), token: someToken }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('contradict' as const), which: fc.nat(7) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      which: fc.nat(7),
      kind: fc.constantFrom('timeout' as const, 'unauthorized' as const, 'error' as const, 'invalid' as const),
      retryAfterSeconds: fc.option(fc.integer({ min: -1, max: 90 }), { nil: undefined }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.oneof(fc.nat(300), fc.constantFrom(0, 500, 1_000, 2_000, 8_000, 10_000, 35_000), fc.nat(15_000)),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('use' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('look' as const) }) },
)

const settings = fc.record({
  concurrency: fc.integer({ min: 1, max: 6 }),
  ttlMs: fc.constantFrom(0, 500, 10_000),
  maxStaleMs: fc.constantFrom(0, 20_000),
  refreshAhead: fc.boolean(),
  entries: fc.constantFrom(2, 1_000),
})

/** What the server has said about a token, as the test knows it. */
interface Said {
  readonly active: boolean
  readonly serial: number
  readonly askedAtMs: number
  readonly saidAtMs: number
}

test('random orders of everything keep all that is promised', async () => {
  await fc.assert(
    fc.asyncProperty(settings, fc.array(step, { maxLength: 120, size: 'max' }), async (chosen, steps) => {
      const all = asking({ ...chosen, queue: QUEUE, timeoutMs: TIMEOUT_MS, inactiveTtlMs: INACTIVE_TTL_MS })
      const { introspector, server, time, results } = all
      const said = new Map<string, Said>()
      const lastInactive = new Map<string, number>()
      const askedAtMs = new Map<AskedQuestion, number>()
      const strangers = new Set<AskedQuestion>()
      const everActive = new Set<string>()
      const pending = new Set<{ readonly token: string; readonly wasKnown: boolean; readonly request: Requested }>()
      const answers = new Set<ActiveAnswer>()
      const streams: { readonly token: string; readonly serial: number; readonly tenure: Tenure }[] = []
      const hasRoomForAll = chosen.entries > KNOWN.length + STRANGERS.length
      let serial = 0

      const noteQuestions = (): void => {
        for (const question of server.asked) {
          if (askedAtMs.has(question)) continue
          askedAtMs.set(question, time.monotonicMs())
          // A stream knows its token as one that was active, whatever the memory has forgotten since.
          const isKnown = hasRoomForAll ? said.get(question.token)?.active === true : everActive.has(question.token)
          if (!isKnown) strangers.add(question)
        }
      }
      const serialOf = ({ claims }: ActiveAnswer): number => Number(claims.serial)

      const judgeAnswer = (token: string, answer: ActiveAnswer): void => {
        const truth = said.get(token)
        expect(answer.token).toBe(token)
        expect(truth).toMatchObject({ active: true, serial: serialOf(answer) })
        const ageMs = time.monotonicMs() - (truth?.askedAtMs ?? 0)
        expect(ageMs).toBeLessThanOrEqual(Math.max(chosen.ttlMs + chosen.maxStaleMs, TIMEOUT_MS))
        if (answers.has(answer)) return
        answers.add(answer)
        streams.push({ token, serial: serialOf(answer), tenure: introspector.tenureOf(answer, () => true) })
      }
      const judgeDenial = (token: string, denial: Denial, wasKnown: boolean): void => {
        if (denial.code === 'token_inactive') {
          const truth = said.get(token)
          expect(truth?.active).toBe(false)
          expect(time.monotonicMs() - (truth?.saidAtMs ?? 0)).toBeLessThan(INACTIVE_TTL_MS)
          return
        }
        expect(denial.code).toBe('introspection_unavailable')
        expect(denial.retryAfterSeconds).toBeGreaterThanOrEqual(1)
        expect(denial.retryAfterSeconds).toBeLessThanOrEqual(60)
        expect(JSON.stringify(denial.evidence)).not.toContain(token)
        if (wasKnown && hasRoomForAll) expect(denial.evidence?.reason).not.toContain('too many')
      }
      const judge = (): void => {
        noteQuestions()
        for (const each of pending) {
          const { outcome } = each.request
          if (outcome === 'waits') continue
          pending.delete(each)
          if (outcome instanceof Denial) judgeDenial(each.token, outcome, each.wasKnown)
          else judgeAnswer(each.token, outcome)
        }
        const underWay = server.underWay()
        const status = introspector.status()
        expect(underWay.length).toBeLessThanOrEqual(chosen.concurrency)
        expect(status.inFlight).toBe(underWay.length)
        expect(new Set(underWay.map(({ token }) => token)).size).toBe(underWay.length)
        const strange = underWay.filter(question => strangers.has(question))
        expect(strange.length).toBeLessThanOrEqual(Math.max(1, Math.floor(chosen.concurrency / 2)))
        expect(status.queued).toBeLessThanOrEqual(2 * QUEUE)
        expect(status.activeTokens).toBeLessThanOrEqual(chosen.entries)
        expect(status.inactiveTokens).toBeLessThanOrEqual(chosen.entries)
        // Of two lanes, one may wait while the other is stopped.
        if (status.breaker === 'open') expect(status.queued).toBeLessThanOrEqual(QUEUE)
      }
      const say = async (question: AskedQuestion | undefined, active: boolean): Promise<void> => {
        if (question === undefined) return
        serial += 1
        const nowMs = time.monotonicMs()
        said.set(question.token, { active, serial, askedAtMs: askedAtMs.get(question) ?? nowMs, saidAtMs: nowMs })
        if (active) everActive.add(question.token)
        else lastInactive.set(question.token, serial)
        await (active ? question.active({ serial }) : question.inactive())
      }
      const pick = (which: number): AskedQuestion | undefined => {
        const underWay = server.underWay()
        return underWay[which % Math.max(1, underWay.length)]
      }
      const isGood = (token: string | undefined): boolean => token?.startsWith('k') === true

      // What a task begins has to be seen at its time.
      const pass = (ms: number): Promise<void> =>
        time.advance(ms, async () => {
          await settled()
          judge()
        })

      for (const each of steps) {
        if (each.do === 'request') {
          const wasKnown = said.get(each.token)?.active === true
          pending.add({ token: each.token, wasKnown, request: all.request(each.token) })
        }
        if (each.do === 'answer') await say(pick(each.which), isGood(pick(each.which)?.token))
        if (each.do === 'contradict') await say(pick(each.which), !isGood(pick(each.which)?.token))
        if (each.do === 'fail') {
          const { kind, retryAfterSeconds } = each
          await pick(each.which)?.fail(new QuestionFailure(kind, 'in our words', { retryAfterSeconds }))
        }
        if (each.do === 'pass') await pass(each.ms)
        if (each.do === 'use') {
          for (const answer of answers) {
            if (!introspector.stillHolds(answer)) continue
            const truth = said.get(answer.token)
            expect(truth).toMatchObject({ active: true, serial: serialOf(answer) })
            expect(time.monotonicMs() - (truth?.askedAtMs ?? 0)).toBeLessThan(chosen.ttlMs)
          }
        }
        if (each.do === 'look') {
          for (const { token, serial: opened, tenure } of streams) {
            const end = tenure.endedBy()
            const inactiveSince = lastInactive.get(token) ?? 0
            if (hasRoomForAll && inactiveSince > opened) expect(end).not.toBeUndefined()
            if (end === 'inactive') expect(inactiveSince).toBeGreaterThan(opened)
          }
        }
        judge()
      }

      await pass(TIMEOUT_MS)
      judge()
      expect([...pending].map(({ token }) => token)).toEqual([])
      await all.pass(TIMEOUT_MS)
      expect(introspector.status()).toMatchObject({ inFlight: 0, queued: 0 })
      const counted = results.filter(result => result !== 'rejected' && result !== 'open')
      expect(counted).toHaveLength(server.asked.length)
      await introspector.close()
      expect(time.pendingMs()).toEqual([])
    }),
    { numRuns: 400 },
  )
})
