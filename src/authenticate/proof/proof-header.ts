/**
 * Takes the one DPoP proof out of a request.
 *
 * RFC 9449 §4.1 (the header `DPoP`), §4.3 clause 1 (not more than one). A name that only a lax server would read as
 * `DPoP` is none.
 */
import { Denial } from '../../errors.ts'
import { invalidProof } from './refusals.ts'

const MAX_PROOF_BYTES = 4096

/** @throws {Denial} `proof_required`: there is none; `proof_invalid`: there are several, or it is too long */
export function proofIn(rawHeaders: readonly string[]): string {
  let proof: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== 4 || name.toLowerCase() !== 'dpop') continue
    if (proof !== undefined) throw invalidProof('more than one DPoP header')
    proof = rawHeaders[i + 1] as string
  }
  if (proof === undefined) throw new Denial('proof_required', { evidence: { reason: 'there is no DPoP header' } })
  if (proof.length > MAX_PROOF_BYTES)
    throw invalidProof('the proof is too long', { wanted: `at most ${MAX_PROOF_BYTES} bytes`, seen: proof.length })
  return proof
}
