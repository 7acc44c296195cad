/**
 * Requires a token that is of no use to whoever has stolen it: one that is bound to a key.
 *
 * RFC 9449 §6 (DPoP), RFC 8705 §3 (certificates). That the caller holds the key of a bound token is judged before, with
 * every request (`authenticate/proof/`). Here it counts only that the token is bound, and to what.
 */
import { Denial } from '../errors.ts'
import type { Authorizer, Principal } from '../types.ts'

/** What a token has to be bound to. */
export type RequiredProof = 'dpop' | 'certificate' | 'any'

/** Refuses with `proof_required`, which names what is wanted. */
export function requireProof(required: RequiredProof): Authorizer {
  return principal => {
    if (isBound(principal, required)) return
    throw new Denial('proof_required', {
      evidence: { requirement: 'proof', wanted: required, seen: seenProof(principal) },
    })
  }
}

function isBound({ confirmation }: Principal, required: RequiredProof): boolean {
  if (confirmation === undefined) return false
  const { jkt, certificateThumbprint } = confirmation
  return (
    (required !== 'certificate' && jkt !== undefined) || (required !== 'dpop' && certificateThumbprint !== undefined)
  )
}

/** Says in a word what a token is bound to. */
export function seenProof({ confirmation }: Principal): 'none' | 'dpop' | 'certificate' | 'dpop and certificate' {
  const { jkt, certificateThumbprint } = confirmation ?? {}
  if (jkt === undefined) return certificateThumbprint === undefined ? 'none' : 'certificate'
  return certificateThumbprint === undefined ? 'dpop' : 'dpop and certificate'
}
