/**
 * Reads what a token is bound to, from its claim `cnf`.
 *
 * RFC 7800 §3.1 (`cnf`), RFC 9449 §6.1 (`jkt`), RFC 8705 §3.1 (`x5t#S256`). Whether the caller holds the keys is judged
 * with each request (`proof/`), and is no part of what is remembered about a token. A binding that the gateway does not
 * know, and a thumbprint that is none, count as bindings that nobody can prove. Beside one that it knows, another
 * member is not looked at.
 */
import type { Claims, Confirmation, JsonValue, ProofKind } from '../types.ts'

const UNKNOWN_BINDING: Confirmation = Object.freeze({ jkt: undefined, certificateThumbprint: undefined })

/** @returns undefined for a token that is bound to nothing */
export function confirmationOf(claims: Claims): Confirmation | undefined {
  if (!Object.hasOwn(claims, 'cnf')) return undefined
  const { cnf } = claims
  if (typeof cnf !== 'object' || cnf === null || Array.isArray(cnf)) return UNKNOWN_BINDING
  const members = cnf as Claims
  return Object.freeze({
    jkt: thumbprintIn(members, 'jkt'),
    certificateThumbprint: thumbprintIn(members, 'x5t#S256'),
  })
}

/** @returns `''` for a member that is no text: no thumbprint is empty, so it is never equal to one */
function thumbprintIn(members: Claims, name: string): string | undefined {
  if (!Object.hasOwn(members, name)) return undefined
  const value: JsonValue | undefined = members[name]
  return typeof value === 'string' ? value : ''
}

/** Is true when somebody who holds the keys can prove all that a token with this binding asks for. */
export function isProvable({ jkt, certificateThumbprint }: Confirmation, judged: ReadonlySet<ProofKind>): boolean {
  if (jkt === undefined && certificateThumbprint === undefined) return false
  const canProve = (kind: ProofKind, thumbprint: string | undefined): boolean =>
    thumbprint === undefined || (judged.has(kind) && thumbprintProblem(thumbprint) === undefined)
  return canProve('dpop', jkt) && canProve('certificate', certificateThumbprint)
}

/** Says why nobody can prove a binding to this thumbprint; undefined for a good one. */
export function thumbprintProblem(thumbprint: string): string | undefined {
  if (SHA_256.test(thumbprint)) return undefined
  return HEXADECIMAL.test(thumbprint)
    ? 'the thumbprint in the token is hexadecimal, and not base64url (RFC 8705 §3.1)'
    : 'the thumbprint in the token is no SHA-256 in base64url'
}

/** The last of 43 characters stands for four bits, so that two of its six are 0. */
const SHA_256 = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/
const HEXADECIMAL = /^(?:[0-9a-f]{2}:?){32}$/i
