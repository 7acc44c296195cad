/**
 * Writes a change as the fields of a stream entry, and reads it again.
 *
 * `v` is 1; `i` the issuer; one of `j`, `s`, `d`, `c` and `a` is what it revokes by; `b` and `u` are whole seconds; `r`
 * is the reason; `x` undoes. What has another `v`, or cannot be read, is nobody's entry here: a later version may have
 * written it.
 */
import { entryOfPrograms, REVOCATION_KINDS, type RevocationKind, withTimes } from './entry.ts'
import type { RevocationChange } from './revoker.ts'

const VERSION = '1'
const LETTERS: Readonly<Record<RevocationKind, string>> = { jti: 'j', sub: 's', sid: 'd', client: 'c', all: 'a' }

/** @returns names and values, one after the other */
export function streamFields(change: RevocationChange): readonly string[] {
  const { issuer, kind, value } = change.do === 'undo' ? change.subject : change.entry
  const named = [LETTERS[kind], kind === 'all' ? '1' : value]
  if (change.do === 'undo') return ['v', VERSION, 'i', issuer, ...named, 'x', '1']
  const { before, until, reason } = change.entry
  return [
    ...['v', VERSION, 'i', issuer, ...named],
    ...(before === undefined ? [] : ['b', String(before)]),
    ...(Number.isFinite(until) ? ['u', String(until)] : []),
    ...(reason === undefined ? [] : ['r', reason]),
  ]
}

/**
 * @param idMs the time of the entry's id, which fills in what it does not say
 * @returns undefined for what is no entry of this version
 */
export function changeIn(fields: readonly string[], idMs: number, keepSeconds: number): RevocationChange | undefined {
  const members = new Map<string, string>()
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = fields[index] as string
    if (members.has(name)) return undefined
    members.set(name, fields[index + 1] as string)
  }
  if (members.get('v') !== VERSION) return undefined
  const subjects = REVOCATION_KINDS.flatMap(kind => {
    const value = members.get(LETTERS[kind])
    return value === undefined ? [] : [[kind, kind === 'all' ? value === '1' : value] as const]
  })
  const parsed = entryOfPrograms.safeParse({
    issuer: members.get('i'),
    ...Object.fromEntries(subjects),
    before: seconds(members.get('b')),
    until: seconds(members.get('u')),
    reason: members.get('r'),
  })
  if (!parsed.success) return undefined
  if (members.has('x')) return members.get('x') === '1' ? { do: 'undo', subject: parsed.data } : undefined
  return { do: 'revoke', entry: withTimes(parsed.data, Math.floor(idMs / 1000), keepSeconds) }
}

/** @returns NaN, which no entry has, for what is no whole number */
function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  return /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
}
