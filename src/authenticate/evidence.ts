/**
 * Says in the evidence of a refusal which provider judged.
 *
 * Evidence names a key, an issuer or a claim. It never holds a token, a signature or a whole claims set.
 */
import { Denial } from '../errors.ts'

/** Adds the provider and further evidence to a refusal; anything else is a bug and stays as it is. */
export function attributed(error: unknown, provider: string, evidence: Readonly<Record<string, unknown>>): unknown {
  if (!(error instanceof Denial)) return error
  const { code, cause, retryAfterSeconds } = error
  return new Denial(code, {
    provider,
    evidence: { ...evidence, ...error.evidence },
    cause,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}
