/** Reads secrets from files, and compares what somebody sends with them, in a time that says nothing about either. */
import { createHash, timingSafeEqual } from 'node:crypto'

export const LEAST_SECRET_BYTES = 32

/** Reads the secrets of a file: one a line, without the blanks around it. Several make a rotation possible. */
export function secretsIn(content: Buffer): readonly Buffer[] {
  return content
    .toString('latin1')
    .split('\n')
    .map(line => Buffer.from(line.trim(), 'latin1'))
    .filter(({ length }) => length > 0)
}

/** Returns a secret without one line break at its end, which editors and `echo` add. */
export function withoutLineBreak(content: Buffer): Buffer {
  const lineBreak = /\r?\n$/.exec(content.subarray(-2).toString('latin1'))?.[0] ?? ''
  return content.subarray(0, content.length - lineBreak.length)
}

/** Is true when both are the same. The time says nothing of where they differ. How long they are counts as known. */
export function isSameSecret(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}

/** Is true when one of the secrets is what was sent. Digests are compared, so that no length shows either. */
export function isOneOf(secrets: readonly Buffer[], sent: string): boolean {
  const digest = digestOf(Buffer.from(sent, 'latin1'))
  let found = false
  for (const secret of secrets) if (timingSafeEqual(digestOf(secret), digest)) found = true
  return found
}

function digestOf(secret: Buffer): Buffer {
  return createHash('sha256').update(secret).digest()
}
