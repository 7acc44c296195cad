/** The memory of used proofs: the same answers as a Map, in little memory, whatever the clocks do. */
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { type ReplayMemory, replayMemory } from '../../../src/authenticate/proof/replay-memory.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { manualTime } from '../../support/manual-time.ts'

type Remembered = ReturnType<ReplayMemory['remember']>

const LIFE_MS = 70_000

/** Time that passes, and a wall clock that jumps besides. */
function steppedTime() {
  const time = manualTime()
  let jumpedMs = 0
  return {
    clock: { nowMs: () => time.nowMs() + jumpedMs, monotonicMs: time.monotonicMs } satisfies Clock,
    advance: time.advance,
    jump(ms: number) {
      jumpedMs += ms
    },
  }
}

/** Keys that share nothing. Which keys do depends on the process, and is seen by one keeping another out. */
const [alice, bob, carol] = (() => {
  const found: string[] = []
  for (let index = 0; found.length < 3; index += 1) {
    const jkt = `key-${index}`
    const isApart = found.every(other => {
      const memory = replayMemory({ clock: manualTime(), entries: 2 })
      return remember(memory, other, '1') === 'new' && remember(memory, jkt, '1') === 'new'
    })
    if (isApart) found.push(jkt)
  }
  return found as [string, string, string]
})()

function remember(memory: ReplayMemory, jkt: string, jti: string, lifeMs = LIFE_MS, nowMs = manualTime().nowMs()) {
  return memory.remember({ jkt, jti, madeAtMs: nowMs + lifeMs - LIFE_MS, expiresAtMs: nowMs + lifeMs })
}

let time: ReturnType<typeof steppedTime>
beforeEach(() => {
  time = steppedTime()
})
const memoryOf = (entries: number): ReplayMemory => replayMemory({ clock: time.clock, entries })
/** @param lifeMs from now on, by the wall clock */
const use = (memory: ReplayMemory, jkt: string, jti: string, lifeMs = LIFE_MS): Remembered =>
  remember(memory, jkt, jti, lifeMs, time.clock.nowMs())

describe('a proof', () => {
  test('is new once', () => {
    const memory = memoryOf(10)
    expect(use(memory, alice, '1')).toBe('new')
    expect(use(memory, alice, '1')).toBe('replayed')
    expect(memory.size).toBe(1)
  })

  test('of another key or with another id is another one, wherever the one ends and the other begins', () => {
    const memory = memoryOf(100)
    const pairs = [
      ['ab', 'c'],
      ['a', 'bc'],
      ['', 'abc'],
      ['abc', ''],
      ['1:a', 'bc'],
      ['a', 'bc\0'],
    ] as const
    for (const [jkt, jti] of pairs) expect(use(memory, jkt, jti)).toBe('new')
    for (const [jkt, jti] of pairs) expect(use(memory, jkt, jti)).toBe('replayed')
  })

  test('is remembered until it has expired, and forgotten a second later at most', async () => {
    const memory = memoryOf(10)
    use(memory, alice, '1', 1_500)
    await time.advance(1_499)
    expect(memory.size).toBe(1)
    await time.advance(1_001)
    expect(memory.size).toBe(0)
  })

  test('that was valid up to a moment that has passed meanwhile is taken once all the same', async () => {
    const memory = memoryOf(10)
    expect(use(memory, alice, '1', -5)).toBe('new')
    expect(use(memory, alice, '1', -5)).toBe('replayed')
    await time.advance(1_000)
    expect(use(memory, alice, '1', -1_005)).toBe('forgotten')
  })

  test('that would have to be remembered for longer than two hours is not taken', () => {
    const memory = memoryOf(10)
    expect(use(memory, alice, '1', 2 * 3_600_000)).toBe('new')
    expect(use(memory, alice, '2', 3 * 3_600_000)).toBe('full')
    expect(use(memory, alice, '3', Number.POSITIVE_INFINITY)).toBe('full')
    expect(use(memory, alice, '4', Number.NaN)).toBe('full')
  })
})

describe('a full memory', () => {
  test('takes no further proof, forgets none early, and still knows a replay', async () => {
    const memory = memoryOf(4)
    for (const jti of ['1', '2']) expect([use(memory, alice, jti), use(memory, bob, jti)]).toEqual(['new', 'new'])
    await time.advance(LIFE_MS - 1)
    expect(use(memory, carol, '1')).toBe('full')
    expect(use(memory, alice, '1', 1)).toBe('replayed')
    expect(memory.size).toBe(4)
    await time.advance(1_001)
    expect(use(memory, carol, '1')).toBe('new')
  })

  test('is so for one key when that holds half of it, and not for another key', async () => {
    const memory = memoryOf(5)
    expect(['1', '2', '3'].map(jti => use(memory, alice, jti))).toEqual(['new', 'new', 'full_for_key'])
    expect(['1', '2', '3'].map(jti => use(memory, bob, jti))).toEqual(['new', 'new', 'full_for_key'])
    expect(use(memory, carol, '1')).toBe('new')
    await time.advance(LIFE_MS + 1_000)
    expect(['4', '5', '6'].map(jti => use(memory, alice, jti))).toEqual(['new', 'new', 'full_for_key'])
  })

  test('after a pause is full no more, though one call forgets a thousand at most', async () => {
    const memory = memoryOf(10_000)
    // Of one second, those come last that were used first.
    for (const jkt of [alice, bob])
      for (let index = 0; index < 5_000; index += 1) expect(use(memory, jkt, `${index}`)).toBe('new')
    expect(use(memory, carol, '1')).toBe('full')
    await time.advance(LIFE_MS + 1_000)
    expect(use(memory, alice, 'next')).toBe('new')
    expect(use(memory, carol, '1')).toBe('new')
    expect(memory.size).toBe(2)
  })

  test('after a pause of hours still remembers each proof for its own time', async () => {
    const memory = memoryOf(10_000)
    for (let index = 0; index < 5_000; index += 1) use(memory, alice, `${index}`)
    await time.advance(8_192_000 + 1_000)
    expect(use(memory, bob, '1')).toBe('new')
    expect(memory.size).toBe(1)
    await time.advance(LIFE_MS - 1)
    expect(use(memory, bob, '1', 1)).toBe('replayed')
    expect(memory.size).toBe(1)
    await time.advance(1_001)
    expect(memory.size).toBe(0)
  })
})

describe('a wall clock that jumps', () => {
  test('ahead makes nothing be forgotten early', async () => {
    const memory = memoryOf(10)
    use(memory, alice, '1')
    time.jump(3_600_000)
    await time.advance(LIFE_MS - 1)
    expect(use(memory, alice, '1', 1 - 3_600_000)).toBe('replayed')
  })

  test('back does not make a forgotten proof valid again', async () => {
    const memory = memoryOf(10)
    const expiresAtMs = time.clock.nowMs() + LIFE_MS
    memory.remember({ jkt: alice, jti: '1', madeAtMs: expiresAtMs, expiresAtMs })
    await time.advance(LIFE_MS + 1_000)
    time.jump(-LIFE_MS)
    expect(memory.remember({ jkt: alice, jti: '1', madeAtMs: expiresAtMs, expiresAtMs })).toBe('forgotten')
    // Nobody knows whether this one was used.
    expect(memory.remember({ jkt: bob, jti: 'x', madeAtMs: expiresAtMs, expiresAtMs })).toBe('forgotten')
    expect(memory.remember({ jkt: bob, jti: 'x', madeAtMs: expiresAtMs + 1, expiresAtMs: expiresAtMs + 1 })).toBe('new')
  })

  test('back and forth leaves what is remembered as it is', async () => {
    const memory = memoryOf(10)
    const expiresAtMs = time.clock.nowMs() + LIFE_MS
    memory.remember({ jkt: alice, jti: '1', madeAtMs: expiresAtMs, expiresAtMs })
    for (const ms of [-3_600_000, 7_200_000, -3_600_000]) {
      time.jump(ms)
      expect(memory.remember({ jkt: alice, jti: '1', madeAtMs: expiresAtMs, expiresAtMs })).toBe('replayed')
    }
    await time.advance(LIFE_MS + 1_000)
    expect(memory.size).toBe(0)
  })
})

test('as long as the wall clock does not jump, no proof that is still valid gets the answer forgotten', async () => {
  const memory = memoryOf(1_000)
  for (let index = 0; index < 500; index += 1) {
    await time.advance(997)
    // The oldest proofs that are still valid come beside those of clients whose clocks are ahead.
    expect(use(memory, alice, `old-${index}`, 1)).toBe('new')
    expect(use(memory, alice, `young-${index}`, LIFE_MS)).toBe('new')
  }
})

test('a forgotten proof stays forgotten when a reload lets proofs live for longer', async () => {
  const memory = memoryOf(10)
  const madeAtMs = time.clock.nowMs()
  const proof = { jkt: alice, jti: '1', madeAtMs, expiresAtMs: madeAtMs + LIFE_MS }
  memory.remember(proof)
  await time.advance(LIFE_MS + 1_000)
  expect(memory.remember({ ...proof, expiresAtMs: madeAtMs + 10 * LIFE_MS })).toBe('forgotten')
  const later = { ...proof, madeAtMs: madeAtMs + 1, expiresAtMs: madeAtMs + 10 * LIFE_MS }
  expect(memory.remember(later)).toBe('new')
})

describe('a memory that is resized', () => {
  test('forgets nothing, and with fewer entries is full until enough has expired', async () => {
    const memory = memoryOf(8)
    for (const jti of ['1', '2']) for (const jkt of [alice, bob]) use(memory, jkt, jti)
    await time.advance(10_000)
    use(memory, carol, '1')
    memory.resize(2)
    for (const jkt of [alice, bob]) expect(use(memory, jkt, '2', LIFE_MS - 10_000)).toBe('replayed')
    expect(use(memory, carol, '2')).toBe('full')
    await time.advance(LIFE_MS - 9_000)
    expect(memory.size).toBe(1)
    expect(use(memory, carol, '2')).toBe('full_for_key')
    expect(use(memory, alice, '3')).toBe('new')
    expect(use(memory, bob, '3')).toBe('full')
  })

  test('to more entries has places at once', () => {
    const memory = memoryOf(2)
    for (const jkt of [alice, bob]) use(memory, jkt, '1')
    expect(use(memory, carol, '1')).toBe('full')
    memory.resize(100)
    expect(use(memory, carol, '1')).toBe('new')
    expect(use(memory, alice, '1')).toBe('replayed')
    expect(memory.size).toBe(3)
  })

  test('before the first proof has the new number of entries', () => {
    const memory = memoryOf(2)
    memory.resize(6)
    expect(['1', '2', '3', '4'].map(jti => use(memory, alice, jti))).toEqual(['new', 'new', 'new', 'full_for_key'])
  })
})

/** What the memory has to answer, in the words of a Map. */
class Model {
  readonly entries = new Map<string, { readonly jkt: string; readonly dueMs: number; readonly expiresAtMs: number }>()
  forgottenUntilMs = 0
  most: number
  readonly clock: Clock

  constructor(clock: Clock, most: number) {
    this.clock = clock
    this.most = most
  }

  forget(): void {
    for (const [name, { dueMs, expiresAtMs }] of this.entries) {
      if (dueMs > this.clock.monotonicMs()) continue
      this.entries.delete(name)
      this.forgottenUntilMs = Math.max(this.forgottenUntilMs, expiresAtMs)
    }
  }

  remember(jkt: string, jti: string, expiresAtMs: number): Remembered {
    this.forget()
    const name = JSON.stringify([jkt, jti])
    if (this.entries.has(name)) return 'replayed'
    if (expiresAtMs <= this.forgottenUntilMs) return 'forgotten'
    const held = [...this.entries.values()].filter(entry => entry.jkt === jkt).length
    if (this.entries.size >= this.most) return 'full'
    if (held >= Math.floor(this.most / 2)) return 'full_for_key'
    const nowMs = this.clock.monotonicMs()
    const nextSecondMs = (Math.floor(nowMs / 1000) + 1) * 1000
    const lifeMs = Math.max(0, expiresAtMs - this.clock.nowMs())
    const dueMs = Math.max(nextSecondMs, Math.ceil((nowMs + lifeMs) / 1000) * 1000)
    this.entries.set(name, { jkt, dueMs, expiresAtMs })
    return 'new'
  }
}

/** Proofs of few keys with few ids, so that they meet, and with lives short and long. */
const aUse = fc.record({
  kind: fc.constant('use'),
  jkt: fc.constantFrom(alice, bob, carol),
  jti: fc.nat(30).map(String),
  lifeMs: fc.oneof(fc.integer({ min: -2_000, max: 5_000 }), fc.integer({ min: 0, max: 3_600_000 })),
})
const aWait = fc.record({
  kind: fc.constant('wait'),
  ms: fc.oneof(fc.nat(3_000), fc.double({ min: 0, max: 3_000, noNaN: true }), fc.nat(10_000_000)),
})
const aJump = fc.record({ kind: fc.constant('jump'), ms: fc.integer({ min: -4_000_000, max: 4_000_000 }) })
const aResize = fc.record({ kind: fc.constant('resize'), entries: fc.integer({ min: 2, max: 40 }) })
const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: aUse },
    { weight: 3, arbitrary: aWait },
    { weight: 1, arbitrary: aJump },
    { weight: 1, arbitrary: aResize },
  ),
  { maxLength: 150, size: 'max' },
)

test('it answers as a Map does, whatever is used, waited for, jumped and resized', async () => {
  const answers = new Set<Remembered>()
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 30 }), steps, async (entries, taken) => {
      const each = steppedTime()
      const memory = replayMemory({ clock: each.clock, entries })
      const model = new Model(each.clock, entries)
      for (const step of taken) {
        if (step.kind === 'wait') await each.advance(step.ms)
        else if (step.kind === 'jump') each.jump(step.ms)
        else if (step.kind === 'resize') {
          memory.resize(step.entries)
          model.forget()
          model.most = step.entries
        } else {
          const { jkt, jti, lifeMs } = step
          const expiresAtMs = each.clock.nowMs() + lifeMs
          const answer = memory.remember({ jkt, jti, madeAtMs: expiresAtMs, expiresAtMs })
          expect(answer).toBe(model.remember(jkt, jti, expiresAtMs))
          answers.add(answer)
        }
      }
      model.forget()
      expect(memory.size).toBe(model.entries.size)
    }),
    { numRuns: 300 },
  )
  expect(answers).toEqual(new Set<Remembered>(['new', 'replayed', 'full', 'full_for_key', 'forgotten']))
})
