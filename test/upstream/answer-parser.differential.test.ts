/**
 * Holds `AnswerParser` against the parsers that everybody trusts: what it takes, they take and read the same.
 *
 * The inputs are counted, not timed, so that a slow machine compares as much as a fast one. `npm run fuzz -- --only
 * answer` goes on for as long as one likes.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { assertNodeAgrees, assertUndiciAgrees, newTally, type Tally } from '../support/clients/answer-agreement.ts'
import { startUndiciJudge, type UndiciJudge } from '../support/clients/undici-judge.ts'
import { exchange } from '../support/services/answer-input.ts'
import { GET } from '../support/services/asked.ts'
import { BROKEN_ANSWERS } from '../support/services/broken-answers.ts'

const FOR_NODE = 20_000
const FOR_UNDICI = 5000

describe("Node's own parser", () => {
  test('reads what we take, and reads the same', { timeout: 300_000 }, () => {
    const tally = newTally()
    fc.assert(
      fc.property(exchange, ({ requests, text }) => {
        assertNodeAgrees(Buffer.from(text, 'latin1'), requests, tally)
      }),
      { numRuns: FOR_NODE },
    )
    expectTelling(tally, FOR_NODE)
  })

  test.each(BROKEN_ANSWERS)('reads the same until we refuse $name', ({ text, asked }) => {
    assertNodeAgrees(Buffer.from(text, 'latin1'), [asked], newTally())
  })
})

describe("undici's client", () => {
  let judge: UndiciJudge
  beforeAll(async () => {
    judge = await startUndiciJudge()
  })
  afterAll(() => judge.close())

  test('reads what we take, and reads the same', { timeout: 300_000 }, async () => {
    const tally = newTally()
    await fc.assert(
      fc.asyncProperty(exchange, ({ requests, text }) =>
        assertUndiciAgrees(judge, Buffer.from(text, 'latin1'), requests[0] ?? GET, tally),
      ),
      { numRuns: FOR_UNDICI },
    )
    expectTelling(tally, FOR_UNDICI)
  })
})

/** A comparison that refuses everything, or that never meets a kind of answer, would hold without telling anything. */
function expectTelling(tally: Tally, inputs: number): void {
  expect(tally.inputs).toBe(inputs)
  const shares = {
    agreed: 0.2,
    reusable: 0.1,
    chunked: 0.05,
    closed: 0.03,
    trailers: 0.02,
    interim: 0.005,
    switched: 0.001,
  }
  for (const [kind, share] of Object.entries(shares))
    expect(tally[kind as keyof Tally] / inputs, kind).toBeGreaterThan(share)
}
