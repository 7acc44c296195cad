/**
 * Finds those to whom an opaque token belongs.
 *
 * A token in the form of a JWS or a JWE is opaque to nobody. Otherwise a stranger's JWT could be sent to a server that
 * is asked about opaque tokens.
 */
import { compactForm } from '../lib/compact-form.ts'
import { isToken68 } from '../lib/token68.ts'
import type { TokenVerifier } from './verifier.ts'

/** @returns at most one of those that a route accepts */
export function opaqueTakers(token: string, verifiers: readonly TokenVerifier[]): readonly TokenVerifier[] {
  if (compactForm(token) !== 'neither' || !isToken68(token)) return []
  return verifiers.filter(({ takesOpaque }) => takesOpaque?.(token) === true)
}
