/**
 * Verifies a token of the gateway's own as a service should, and says which check fails.
 *
 * RFC 7515 §5.2 (the signature), RFC 7519 §4.1 (claims) and §5.1 (`typ`). The keys are those that the gateway
 * publishes.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import type { InternalTokenConfig } from '../../config/schema/schema.ts'
import type { JsonObject } from '../../types.ts'
import { shown } from '../text/shown.ts'

interface VerifiedInternal {
  readonly verdict: 'valid' | 'refused'
  /** Why not, in our words; undefined for a valid token. */
  readonly reason: string | undefined
  /** Undefined for a refused token. */
  readonly claims: Readonly<Record<string, unknown>> | undefined
}

interface VerifyingOptions {
  /** As published. */
  readonly keys: readonly JsonObject[]
  /** What the configuration asks for; undefined: only the signature and the times are judged. */
  readonly expected: Pick<InternalTokenConfig, 'issuer' | 'audience'> | undefined
  readonly nowMs: number
}

export async function verifiedInternal(
  token: string,
  { keys, expected, nowMs }: VerifyingOptions,
): Promise<VerifiedInternal> {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys } as unknown as JSONWebKeySet), {
      typ: 'JWT',
      algorithms: ['ES256', 'EdDSA'],
      currentDate: new Date(nowMs),
      ...(expected && { issuer: expected.issuer, audience: [expected.audience].flat() }),
    })
    return shown({ verdict: 'valid' as const, reason: undefined, claims: claimsOf(payload) })
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    return { verdict: 'refused', reason: reasonOf(error), claims: undefined }
  }
}

function claimsOf(payload: JWTPayload): Readonly<Record<string, unknown>> {
  return { ...payload }
}

function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'it has expired; the gateway sends a new one with the next request'
  if (error instanceof errors.JWKSNoMatchingKey)
    return 'none of the keys signed it: another gateway did, or its key was taken out of the folder (--admin asks a gateway that runs, which publishes it until its last token is dead), or it is no token of a gateway'
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return 'its signature is not that of the key which it names'
  if (error instanceof errors.JWTClaimValidationFailed)
    return error.claim === 'iss' || error.claim === 'aud'
      ? `its \`${error.claim}\` is not that of \`identity.token\``
      : `its \`${error.claim}\` is not what it must be`
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'it is not signed by ES256 or EdDSA, as every token of a gateway is'
  return 'it is no signed token (JWT in compact form)'
}
