/**
 * Puts what the gateway itself says into the head of a service's answer, in place of what the service says there.
 *
 * RFC 9449 §8.1, §9 (`DPoP-Nonce`). No proof reaches the service where the gateway judges them, so a nonce of the
 * service would lead the client astray: it would come back to the gateway, which does not know it.
 */
import type { Exchange } from '../exchange.ts'
import { foldedFieldName } from '../lib/field-name.ts'

/** @param lines flat names and values */
export function putOwnLines(lines: string[], { findings, policy }: Pick<Exchange, 'findings' | 'policy'>): void {
  const { route, responseLines: own } = findings
  if (policy.credentialRules.takesProofs && route?.access !== 'public') dropLines(lines, isNonce)
  // Two owners of these lines would contradict each other, and browsers refuse an answer that has two of one.
  if (route?.cors !== undefined) dropLines(lines, isCors)
  const { isOwnCookie } = policy
  if (isOwnCookie !== undefined) dropLines(lines, (name, value) => isSetCookie(name) && isOwnCookie(value))
  if (own.length === 0) return
  const replaced = replacedBy(own)
  if (replaced.size > 0) dropLines(lines, name => replaced.has(foldedFieldName(name)))
  lines.push(...own)
}

function dropLines(lines: string[], isDropped: (name: string, value: string) => boolean): void {
  for (let i = lines.length - 2; i >= 0; i -= 2)
    if (isDropped(lines[i] as string, lines[i + 1] as string)) lines.splice(i, 2)
}

function isSetCookie(name: string): boolean {
  return foldedFieldName(name) === 'set-cookie'
}

function isNonce(name: string): boolean {
  return foldedFieldName(name) === 'dpop-nonce'
}

function isCors(name: string): boolean {
  return /^access-control-/i.test(name)
}

/** Lines of the service that stay beside ours: what the answer varies by besides, and cookies of its own. */
const ADDED = /^(?:vary|set-cookie)$/i

/** The lines of CORS are gone by then. */
function replacedBy(own: readonly string[]): ReadonlySet<string> {
  const names = own.filter((name, index) => index % 2 === 0 && !ADDED.test(name) && !isCors(name))
  return new Set(names.map(foldedFieldName))
}
