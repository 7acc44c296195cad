import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newSessionId, sessionKeys } from '../../src/session/session-keys.ts'

const old = randomBytes(32)
const young = randomBytes(32)
const keys = sessionKeys([old], 'browser')
const rotated = sessionKeys([young, old], 'browser')
const id = newSessionId()

describe('the value of the session cookie', () => {
  test('gives back the id and the generation that went in, and has 48 characters', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(0xffff_ffff), (bytes, generation) => {
        const name = Buffer.from(bytes).toString('base64url')
        const value = keys.cookieOf(name, generation)
        expect(value).toMatch(/^[\w-]{48}$/)
        expect(keys.readCookie(value)).toEqual({ id: name, generation, isOld: false })
      }),
    )
  })

  test('is read with an old secret, too, and said to be old', () => {
    expect(rotated.readCookie(keys.cookieOf(id, 3))).toEqual({ id, generation: 3, isOld: true })
    expect(rotated.readCookie(rotated.cookieOf(id, 3))).toEqual({ id, generation: 3, isOld: false })
    expect(keys.readCookie(rotated.cookieOf(id, 3))).toBeUndefined()
  })

  test('is not read when any character of it is another', () => {
    const value = keys.cookieOf(id, 1)
    fc.assert(
      fc.property(fc.nat(47), fc.string({ minLength: 1, maxLength: 2 }), (at, other) => {
        const changed = value.slice(0, at) + other + value.slice(at + 1)
        fc.pre(changed !== value)
        expect(keys.readCookie(changed)).toBeUndefined()
      }),
    )
  })

  test('is read in no other spelling of the same bytes', () => {
    // This one has both characters in which the alphabets differ.
    let value = ''
    for (let generation = 0; !(value.includes('-') && value.includes('_')); generation++)
      value = keys.cookieOf(newSessionId(), generation)
    const plain = value.replaceAll('-', '+').replaceAll('_', '/')
    for (const spelling of [plain, `${value}=`, ` ${value}`, `${value}\n`, `"${value}"`, `${value}A`])
      expect(keys.readCookie(spelling)).toBeUndefined()
    expect(keys.readCookie('')).toBeUndefined()
  })

  test('is nothing to another provider with the same secret', () => {
    expect(sessionKeys([old], 'other').readCookie(keys.cookieOf(id, 1))).toBeUndefined()
  })
})

describe('a sealed record', () => {
  const plain = randomBytes(4096)

  test('opens with the secret and the id that sealed it', () => {
    const box = keys.sealRecord(id, plain)
    expect(keys.openRecord(id, box)).toEqual(plain)
    expect(rotated.openRecord(id, box)).toEqual(plain)
  })

  test('does not open under another id, another secret or another provider', () => {
    const box = keys.sealRecord(id, plain)
    expect(keys.openRecord(newSessionId(), box)).toBeUndefined()
    expect(sessionKeys([young], 'browser').openRecord(id, box)).toBeUndefined()
    expect(sessionKeys([old], 'other').openRecord(id, box)).toBeUndefined()
  })

  test('does not open when any bit of it is another', () => {
    const box = keys.sealRecord(id, Buffer.from('a record'))
    for (let bit = 0; bit < box.length * 8; bit++) {
      const changed = Buffer.from(box)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(keys.openRecord(id, changed)).toBeUndefined()
    }
  })

  test('is different each time', () => {
    expect(keys.sealRecord(id, plain)).not.toEqual(keys.sealRecord(id, plain))
  })

  test('is never taken for one when it is some other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.string(), (bytes, name) => {
        expect(keys.openRecord(name, Buffer.from(bytes))).toBeUndefined()
      }),
    )
  })
})

describe('what is sealed for a purpose', () => {
  test('opens for that purpose only', () => {
    const box = keys.seal('login', Buffer.from('x'))
    expect(keys.open('login', box)).toEqual(Buffer.from('x'))
    expect(rotated.open('login', box)).toEqual(Buffer.from('x'))
    expect(keys.open('label', box)).toBeUndefined()
    expect(keys.openRecord(id, box)).toBeUndefined()
  })

  test('may be empty', () => {
    expect(keys.open('label', keys.seal('label', Buffer.alloc(0)))).toEqual(Buffer.alloc(0))
  })
})

test('the handle of a session stays when secrets change, and does not tell the id', () => {
  expect(rotated.handleOf(id)).toBe(keys.handleOf(id))
  expect(keys.handleOf(id)).toMatch(/^[\w-]{22}$/)
  expect(keys.handleOf(id)).not.toBe(id)
  expect(keys.handleOf(newSessionId())).not.toBe(keys.handleOf(id))
})
