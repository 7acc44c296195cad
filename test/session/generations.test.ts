import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { noted, standingOf } from '../../src/session/generations.ts'
import type { SessionUse } from '../../src/session/session.ts'

const GRACE = 30
const fresh: SessionUse = { lastUsedAtMs: 0, seen: 0, seenAtMs: 0, seenBefore: 0, endsAtMs: Number.POSITIVE_INFINITY }

describe('a cookie', () => {
  const use: SessionUse = { ...fresh, seen: 4, seenAtMs: 100, seenBefore: 3 }

  test('of the newest generation passes', () => {
    expect(standingOf(4, use, 4, 1000, GRACE)).toEqual({ kind: 'current' })
  })

  test('is led to the next generation after a refresh, once all answers of the turn before have arrived', () => {
    expect(standingOf(9, use, 4, 159, GRACE)).toEqual({ kind: 'current' })
    expect(standingOf(9, use, 4, 160, GRACE)).toEqual({ kind: 'older', next: 5 })
  })

  test('of the one before passes for the grace, and is led to the newest that was sent', () => {
    expect(standingOf(9, use, 3, 129, GRACE)).toEqual({ kind: 'older', next: 4 })
    expect(standingOf(9, use, 3, 130, GRACE)).toEqual({ kind: 'reused' })
  })

  test('of an earlier generation is reused at once', () => {
    expect(standingOf(9, use, 2, 101, GRACE)).toEqual({ kind: 'reused' })
  })

  test('of a generation after the record tells that the copy of the record is old', () => {
    expect(standingOf(4, use, 5, 101, GRACE)).toEqual({ kind: 'unknown' })
  })
})

describe('what is noted', () => {
  test('is the same object unless the generation is new', () => {
    expect(noted(fresh, 0, 50)).toBe(fresh)
    const use = noted(fresh, 1, 50)
    expect(use).toEqual({ ...fresh, seen: 1, seenAtMs: 50, seenBefore: 0 })
    expect(noted(use, 0, 60)).toBe(use)
    expect(noted(use, 1, 60)).toBe(use)
  })

  test('is the generation before, also when this process has missed some', () => {
    expect(noted(fresh, 3, 50)).toMatchObject({ seen: 3, seenBefore: 2 })
  })
})

/** A session at a server: refreshes raise the generation, requests use it. */
class Session {
  generation = 0
  use = fresh

  ask(sent: number, nowMs: number): ReturnType<typeof standingOf> {
    const standing = standingOf(this.generation, this.use, sent, nowMs, GRACE)
    if (standing.kind === 'current' || standing.kind === 'older') this.use = noted(this.use, sent, nowMs)
    return standing
  }
}

interface Event {
  readonly atMs: number
  run(nowMs: number): void
}

/** Runs events in the order of their times; they may add further ones. */
function play(events: Event[]): void {
  for (;;) {
    const [next] = events.toSorted((a, b) => a.atMs - b.atMs)
    if (next === undefined) return
    events.splice(events.indexOf(next), 1)
    next.run(next.atMs)
  }
}

const gap = fc.oneof({ weight: 15, arbitrary: fc.nat(2) }, fc.nat(2 * GRACE), fc.nat(200))
const travel = fc.oneof({ weight: 4, arbitrary: fc.nat(1) }, fc.nat(GRACE - 1), fc.constant(GRACE - 1))
const step = fc.oneof(
  fc.record({ kind: fc.constant('refresh' as const), gap }),
  fc.record({ kind: fc.constant('request' as const), gap, there: travel, back: fc.option(travel, { freq: 3 }) }),
)

test('one browser is never refused, however refreshes fall, answers are lost, and both are late within the grace', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const session = new Session()
      let cookie = 0
      const kinds: string[] = []
      const events: Event[] = []
      const refresh = (): void => {
        session.generation += 1
      }
      const take = (next: number): void => {
        cookie = next
      }
      let atMs = 0
      for (const each of steps) {
        atMs += each.gap
        if (each.kind === 'refresh') {
          events.push({ atMs, run: refresh })
          continue
        }
        const { there, back } = each
        const arrive = (sent: number, nowMs: number): void => {
          const standing = session.ask(sent, nowMs)
          kinds.push(standing.kind)
          if (standing.kind !== 'older' || back === null) return
          const { next } = standing
          events.push({ atMs: nowMs + back, run: () => take(next) })
        }
        const send = (nowMs: number): void => {
          const sent = cookie
          events.push({ atMs: nowMs + there, run: now => arrive(sent, now) })
        }
        events.push({ atMs, run: send })
      }
      play(events)
      expect(kinds.filter(kind => kind !== 'current' && kind !== 'older')).toEqual([])
    }),
    { numRuns: 1000 },
  )
})

test('a browser that goes on asking always arrives at the generation of the record', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), generation => {
      const session = new Session()
      session.generation = generation
      let cookie = 0
      for (let nowMs = 0; nowMs <= 3 * GRACE * generation; nowMs += GRACE) {
        const standing = session.ask(cookie, nowMs)
        if (standing.kind === 'older') cookie = standing.next
      }
      expect(cookie).toBe(generation)
    }),
  )
})

test('of two with the same cookie, one who has been left behind for the grace is found out, whichever it is', () => {
  const use = fc.record({ kind: fc.constantFrom('refresh' as const, 0 as const, 1 as const), gap })
  fc.assert(
    fc.property(fc.array(use, { maxLength: 80 }), uses => {
      const session = new Session()
      const cookies = [0, 0]
      /** When each generation was first sent. */
      const firstMs = new Map([[0, 0]])
      let nowMs = 0
      for (const { kind, gap: waitMs } of uses) {
        nowMs += waitMs
        if (kind === 'refresh') {
          session.generation += 1
          continue
        }
        const sent = cookies[kind] as number
        const wentOnMs = firstMs.get(sent + 1)
        const isLeftBehind = wentOnMs !== undefined && nowMs - wentOnMs >= GRACE
        const standing = session.ask(sent, nowMs)
        expect(standing.kind === 'reused').toBe(isLeftBehind)
        if (standing.kind === 'reused') return
        if (!firstMs.has(sent)) firstMs.set(sent, nowMs)
        if (standing.kind === 'older') cookies[kind] = standing.next
      }
    }),
    { numRuns: 1000 },
  )
})
