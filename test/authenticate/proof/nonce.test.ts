/** The nonces of DPoP proofs: made of the time and a secret, known to all who have that, and valid for a while. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { nonces } from '../../../src/authenticate/proof/nonce.ts'

const LIFETIME_MS = 300_000
const STEP_MS = LIFETIME_MS / 2
const START_MS = STEP_MS * 11_800_000
const SECRET = randomBytes(32)

function ofProcess(nowMs = START_MS, { secret = SECRET, lifetimeMs = LIFETIME_MS } = {}) {
  const time = { nowMs }
  const clock = { nowMs: () => time.nowMs, monotonicMs: () => 0 }
  return { ...nonces({ secret, lifetimeMs, clock }), time }
}

describe('RFC 9449 §8: a nonce', () => {
  test('has characters of NQCHAR alone (§8.1), and no more than a header line can carry easily', () => {
    const { current, time } = ofProcess()
    for (let step = 0; step < 500; step += 1) {
      time.nowMs += STEP_MS
      expect(current()).toMatch(/^[0-9a-f]{32}$/)
    }
  })

  test('is unlike those of all other steps', () => {
    const { current, time } = ofProcess()
    const seen = new Set<string>()
    for (let step = 0; step < 500; step += 1) {
      seen.add(current())
      time.nowMs += STEP_MS
    }
    expect(seen.size).toBe(500)
  })

  test('is valid in its step and in the next one, and not in any other', () => {
    const { current, judge, time } = ofProcess()
    const nonce = current()
    const valid = { expiresAtMs: START_MS + LIFETIME_MS }
    for (const laterMs of [0, STEP_MS - 1, STEP_MS, LIFETIME_MS - 1]) {
      time.nowMs = START_MS + laterMs
      expect(judge(nonce)).toMatchObject(valid)
    }
    for (const laterMs of [LIFETIME_MS, 10 * LIFETIME_MS]) {
      time.nowMs = START_MS + laterMs
      expect(judge(nonce)).toBeUndefined()
    }
  })

  test('that is handed out at the end of a step is still valid for half of its lifetime', () => {
    const { current, judge, time } = ofProcess(START_MS + STEP_MS - 1)
    const nonce = current()
    time.nowMs += STEP_MS
    expect(judge(nonce)).toEqual({ isAging: true, expiresAtMs: START_MS + LIFETIME_MS })
    time.nowMs += 1
    expect(judge(nonce)).toBeUndefined()
  })

  test('is aging in the last third of its lifetime', () => {
    const { current, judge, time } = ofProcess()
    const nonce = current()
    const isAgingAfter = (laterMs: number) => {
      time.nowMs = START_MS + laterMs
      return judge(nonce)?.isAging
    }
    expect([0, STEP_MS, (LIFETIME_MS * 2) / 3 - 1].map(isAgingAfter)).toEqual([false, false, false])
    expect([(LIFETIME_MS * 2) / 3, LIFETIME_MS - 1].map(isAgingAfter)).toEqual([true, true])
  })

  test('of a step that is still to come is not valid, as after a clock was set back', () => {
    const { current, judge, time } = ofProcess()
    const nonce = current()
    time.nowMs = START_MS - 1
    expect(judge(nonce)).toBeUndefined()
    expect(judge(current())).toBeDefined()
    time.nowMs = START_MS
    expect(judge(nonce)).toBeDefined()
  })

  test('is known to every process with the same secret, and after a restart', () => {
    const { current } = ofProcess()
    const other = ofProcess(START_MS + STEP_MS)
    expect(other.judge(current())).toBeDefined()
    expect(other.current()).toBe(ofProcess(START_MS + STEP_MS).current())
  })

  test('of another secret or another lifetime is not valid', () => {
    const { judge } = ofProcess()
    expect(judge(ofProcess(START_MS, { secret: randomBytes(32) }).current())).toBeUndefined()
    // Both have the same number of steps behind them.
    const shorter = ofProcess(START_MS / 2, { lifetimeMs: LIFETIME_MS / 2 })
    expect(judge(shorter.current())).toBeUndefined()
  })

  test('that somebody made up is not valid', () => {
    const { current, judge } = ofProcess()
    const nonce = current()
    const last = nonce.at(-1) === 'A' ? 'B' : 'A'
    const madeUp = ['', 'x', nonce.slice(1), `${nonce}A`, `${nonce} `, `${nonce}=`, nonce.slice(0, -1) + last]
    // The second byte of the first character of each is that of the nonce, which Latin-1 alone would keep.
    const folded = String.fromCharCode(nonce.charCodeAt(0) + 0x100) + nonce.slice(1)
    for (const text of [...madeUp, folded, '\ud800'.repeat(22)]) expect(judge(text)).toBeUndefined()
  })
})
