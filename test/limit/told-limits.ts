/** Reads what an answer says of limits, with a parser of structured fields that is not ours (RFC 9651). */
import { type Item, parseList } from 'structured-headers'
import type { RawReply } from '../support/wire.ts'

export interface ToldLimits {
  /** `name: { q, w }`, in the order in which they stand there. */
  readonly policies: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** `name: { r, t }` */
  readonly rests: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

const FIELDS = ['ratelimit-policy', 'ratelimit'] as const

/** @throws {Error} a field is there twice, is malformed, or has parameters that the draft does not allow */
export function toldLimits(reply: Pick<RawReply, 'head' | 'headers'>): ToldLimits {
  const [policies = {}, rests = {}] = FIELDS.map(name => {
    const lines = reply.head.split('\r\n').filter(line => line.toLowerCase().startsWith(`${name}:`))
    if (lines.length > 1) throw new Error(`${name} is there ${lines.length} times`)
    return membersOf(reply.headers.get(name) ?? '')
  })
  return { policies, rests }
}

function membersOf(text: string): ToldLimits['rests'] {
  const members = (text === '' ? [] : (parseList(text) as Item[])).map(([name, parameters]) => {
    if (typeof name !== 'string') throw new Error(`${String(name)} is no string`)
    for (const [key, value] of parameters)
      if (!Number.isInteger(value) || Number(value) < 0) throw new Error(`${key} of ${name} is ${String(value)}`)
    return [name, Object.fromEntries(parameters)] as const
  })
  if (new Set(members.map(([name]) => name)).size !== members.length) throw new Error(`a name is there twice: ${text}`)
  return Object.fromEntries(members)
}
