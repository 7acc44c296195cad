/**
 * Makes what a token said fit for the operator's log: printable, short, on one line, with the provider that judged.
 *
 * Evidence names a key, an issuer or a claim. It never holds a token, a signature or a whole claims set.
 */
import { Denial } from '../errors.ts'

const MAX_CHARACTERS = 200

/** Text from a token with everything but printable ASCII shown as `?`, cut after 200 characters. */
export function evidenceText(value: string): string {
  const text = value.slice(0, MAX_CHARACTERS).replace(/[^\x20-\x7e]/g, '?')
  return value.length > MAX_CHARACTERS ? `${text}...` : text
}

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
