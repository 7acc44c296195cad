/** Makes the refusals of proofs. Their evidence says what was wanted and what was seen, and never holds a proof. */
import { Denial } from '../../errors.ts'
import { thumbprintProblem } from '../confirmation.ts'
import { evidenceText } from '../evidence.ts'

interface Seen {
  readonly wanted?: string
  readonly seen?: string | number
}

/** @param reason the header parameter or claim that is wrong, or a sentence */
export function invalidProof(reason: string, seen: Seen = {}): Denial {
  return new Denial('proof_invalid', { evidence: { reason, ...seen } })
}

/** @param wanted the thumbprint in the token @param seen that of the key or the certificate */
export function mismatch(wanted: string, seen: string): Denial {
  const reason = thumbprintProblem(wanted)
  return new Denial('proof_mismatch', {
    evidence: { wanted: evidenceText(wanted), seen, ...(reason !== undefined && { reason }) },
  })
}
