/** Makes the refusals of proofs. Their evidence says what was wanted and what was seen, and never holds a proof. */
import { Denial } from '../../errors.ts'
import { evidenceText } from '../../lib/evidence-text.ts'
import { redactPath } from '../../lib/redact-path.ts'
import type { JsonValue } from '../../types.ts'
import { thumbprintProblem } from '../confirmation.ts'

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

/** @param htu what the proof says @param path that of the request @param baseUrls as the configuration writes them */
export function wrongTarget(htu: JsonValue | undefined, path: string, baseUrls: readonly string[]): Denial {
  const wanted = `${baseUrls.join(' or ')}, followed by ${redactPath(path)}`
  return invalidProof('htu', { wanted, seen: typeof htu === 'string' ? shownUrl(htu) : 'no text' })
}

/** The query of a proof's URL counts for nothing, and may hold what the log must not. */
function shownUrl(htu: string): string {
  const [whole, scheme = '', authority = ''] = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)/i.exec(htu) ?? []
  // Without a scheme, nobody can tell where a user would end.
  if (whole === undefined) return 'no URL'
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  return evidenceText(scheme + redactPath(host) + redactPath(htu.slice(whole.length)))
}

/** No word of a proof is as long as the shortest token or proof, so that neither gets into the log in place of one. */
const MAX_WORD_CHARS = 40

/** Shows what a proof says where it should have a certain word. */
export function shownWord(value: JsonValue | undefined): string {
  if (typeof value !== 'string') return 'no text'
  return value.length > MAX_WORD_CHARS ? 'a longer text' : evidenceText(value)
}
