/** What is written to the stream is read again as it was, and what is no entry is nobody's. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { REVOCATION_KINDS, type RevocationEntry } from '../../src/revocation/entry.ts'
import { changeIn, streamFields } from '../../src/revocation/stream-fields.ts'

const ID_MS = 1_767_225_600_500
const ID_SECONDS = 1_767_225_600
const KEEP = 3600
const ALICE = ['v', '1', 'i', 'https://auth.example.com/', 's', 'alice']

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter(text => !/\p{Cc}/u.test(text))
const seconds = fc.integer({ min: 0, max: 253_402_300_799 })
const subject = fc
  .record({ issuer: name, kind: fc.constantFrom(...REVOCATION_KINDS), value: name })
  .map(each => (each.kind === 'all' ? { ...each, value: '' } : each))
const entry = fc
  .record({ subject, before: seconds, until: seconds, reason: fc.option(name, { nil: undefined }) })
  .map(({ subject: about, ...rest }): RevocationEntry => ({ ...about, ...rest }))

describe('a change', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(entry, written => {
        const change = { do: 'revoke', entry: written } as const
        expect(changeIn(streamFields(change), ID_MS, KEEP)).toEqual(change)
      }),
    )
    fc.assert(
      fc.property(subject, written => {
        const undone = changeIn(streamFields({ do: 'undo', subject: written }), ID_MS, KEEP)
        expect(undone).toMatchObject({ do: 'undo', subject: written })
      }),
    )
  })

  test('takes the times that it does not say from its id', () => {
    const times = (fields: readonly string[]) => {
      const change = changeIn(fields, ID_MS, KEEP)
      return change?.do === 'revoke' ? [change.entry.before, change.entry.until] : undefined
    }
    expect(times(ALICE)).toEqual([ID_SECONDS, ID_SECONDS + KEEP])
    expect(times([...ALICE, 'b', '5'])).toEqual([5, ID_SECONDS + KEEP])
    expect(times([...ALICE, 'b', '5', 'u', '9'])).toEqual([5, 9])
    expect(times(['v', '1', 'i', 'x', 'j', 'token'])).toEqual([undefined, ID_SECONDS + KEEP])
  })

  test.each<readonly [string, readonly string[]]>([
    ['has no version', ALICE.slice(2)],
    ['has a later version', ['v', '2', ...ALICE.slice(2)]],
    ['has two versions', ['v', '1', ...ALICE]],
    ['has no issuer', ['v', '1', 's', 'alice']],
    ['is about nothing', ['v', '1', 'i', 'x']],
    ['is about two', [...ALICE, 'd', 'session']],
    ['is about an empty name', ['v', '1', 'i', 'x', 's', '']],
    ['is about everything and says no', ['v', '1', 'i', 'x', 'a', '0']],
    ['has a time in words', [...ALICE, 'b', 'now']],
    ['has a fraction of a second', [...ALICE, 'b', '1.5']],
    ['has a time before all times', [...ALICE, 'u', '-1']],
    ['has a time in exponents', [...ALICE, 'u', '1e9']],
    ['has a time in milliseconds of a later age', [...ALICE, 'u', '999999999999']],
    ['neither revokes nor undoes', [...ALICE, 'x', '0']],
    ['has a reason of two lines', [...ALICE, 'r', 'one\ntwo']],
  ])('is none when it %s', (_what, fields) => {
    expect(changeIn(fields, ID_MS, KEEP)).toBeUndefined()
  })

  test('never throws, whatever the stream holds', () => {
    const field = fc.oneof(fc.constantFrom('v', '1', 'i', 'j', 's', 'd', 'c', 'a', 'b', 'u', 'r', 'x'), fc.string())
    fc.assert(fc.property(fc.array(field), fields => void changeIn(fields, ID_MS, KEEP)))
  })
})
