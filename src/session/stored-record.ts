/** Turns what is kept of a session into sealed text for the store, and back. The store sees no token and no name. */
import type { SessionKeys, SessionRecord } from './session.ts'

/** What commands show of a session that they cannot open, because they do not know its id. */
export interface SessionLabel {
  readonly issuer: string | undefined
  readonly subject: string
  readonly sid: string | undefined
  readonly createdAtMs: number
}

/** Goes up when a record means something else than before, so that no gateway misreads what another one has written. */
const VERSION = 1

export function sealedRecord(keys: SessionKeys, id: string, record: SessionRecord): string {
  return keys.sealRecord(id, Buffer.from(JSON.stringify({ v: VERSION, record }))).toString('base64url')
}

/** @returns undefined: no key opens it, or it is of another generation or version */
export function openedRecord(
  keys: SessionKeys,
  id: string,
  generation: number,
  sealed: string,
): SessionRecord | undefined {
  const plain = keys.openRecord(id, Buffer.from(sealed, 'base64url'))
  if (plain === undefined) return undefined
  const { v, record } = JSON.parse(plain.toString()) as { readonly v: number; readonly record: SessionRecord }
  // Attack: who may write to the store puts an old record under a new generation.
  return v === VERSION && record.generation === generation ? record : undefined
}

export function sealedLabel(keys: SessionKeys, { tokens, subject, sid, createdAtMs }: SessionRecord): string {
  const { iss } = tokens.idClaims
  const label: SessionLabel = { issuer: typeof iss === 'string' ? iss : undefined, subject, sid, createdAtMs }
  return keys.seal('label', Buffer.from(JSON.stringify({ v: VERSION, label }))).toString('base64url')
}

/** @returns undefined: no key opens it, or it is of another version */
export function openedLabel(keys: SessionKeys, sealed: string): SessionLabel | undefined {
  const plain = keys.open('label', Buffer.from(sealed, 'base64url'))
  if (plain === undefined) return undefined
  const { v, label } = JSON.parse(plain.toString()) as { readonly v: number; readonly label: SessionLabel }
  return v === VERSION ? label : undefined
}
