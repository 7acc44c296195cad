/**
 * Judges whether one provider has signed a JWT: its issuer, then its algorithm, key and signature.
 *
 * RFC 7515 §5.2, RFC 8725 §3. It is the same for access tokens and for what a provider tells us in signed form, such
 * as logout tokens. It says nothing about any claim but `iss`.
 */
import { Denial } from '../../errors.ts'
import { issuerTemplate, type Tenants, tenantJudge } from '../../issuer-template.ts'
import { ASYMMETRIC_ALGORITHMS } from '../../lib/jws-algorithms.ts'
import type { KeyParameter } from '../../lib/key-parameters.ts'
import { andThen, type MaybePromise } from '../../lib/maybe-promise.ts'
import type { Claims, KeySet, VerificationKey } from '../../types.ts'
import type { TakenJwts } from '../verifier.ts'
import { refuseKeyParameters } from './compact-jws.ts'
import type { SignatureRefusal } from './jose-signature.ts'
import type { Jwt } from './parse-jwt.ts'
import { isFitting, signatureRefusal } from './signature.ts'

export interface SignatureJudgeOptions {
  readonly issuer: string
  readonly issuerAliases?: readonly string[] | undefined
  readonly tenants?: Tenants | undefined
  readonly ignoredHeaders?: readonly KeyParameter[] | undefined
  /** Undefined: every asymmetric one. */
  readonly algorithms?: readonly string[] | undefined
  readonly keySet: KeySet
}

interface SignatureJudge {
  readonly takesJwts: TakenJwts
  /**
   * Returns the key that verifies the signature. It waits only for keys and slow signatures.
   *
   * @throws {Denial} the JWT is not the provider's, or what it takes to judge it is not there (503)
   */
  keyOf(jwt: Jwt): MaybePromise<VerificationKey>
}

/** Bounds the work that one token without `kid` can cause. */
const MAX_CANDIDATES = 3

export function signatureJudge(options: SignatureJudgeOptions): SignatureJudge {
  const { keySet, ignoredHeaders = [] } = options
  const algorithms = new Set(options.algorithms ?? ASYMMETRIC_ALGORITHMS)
  const takesJwts = takenJwts(options)
  const spellings = Object.freeze([...takesJwts.issuers])
  return {
    takesJwts,
    keyOf(jwt) {
      const { alg, kid } = jwt.header
      const issuers = issuersOf(jwt.claims, takesJwts, spellings)
      refuseKeyParameters(jwt.header, ignoredHeaders)
      if (!algorithms.has(alg)) throw new Denial('algorithm_not_allowed')
      return andThen(keySet.select({ alg, kid, issuers }), candidates => verifyingKey(jwt, candidates))
    },
  }
}

function takenJwts({
  issuer,
  issuerAliases = [],
  tenants = {},
  ignoredHeaders = [],
}: SignatureJudgeOptions): TakenJwts {
  const template = issuerTemplate(issuer)
  return Object.freeze({
    issuers: new Set(template === undefined ? [issuer, ...issuerAliases] : []),
    template: template && {
      judge: tenantJudge(template, tenants),
      isAlike: (iss: string) => template.valuesIn(iss) !== undefined,
    },
    ignoredHeaders,
  })
}

/**
 * @param spellings those of the one issuer that the provider has, if it has no template
 * @returns every spelling of the token's issuer
 * @throws {Denial} `issuer_unknown`
 */
function issuersOf(claims: Claims, { issuers, template }: TakenJwts, spellings: readonly string[]): readonly string[] {
  const { iss } = claims
  if (typeof iss !== 'string') throw new Denial('issuer_unknown')
  if (issuers.has(iss)) return spellings
  const reason = template?.judge(claims)
  if (template === undefined || reason !== undefined) throw new Denial('issuer_unknown', { evidence: { reason } })
  return [iss]
}

/** Finds the first of the candidates that verifies the signature. @throws {Denial} none does */
export function verifyingKey(jwt: Jwt, candidates: readonly VerificationKey[]): MaybePromise<VerificationKey> {
  const fitting = candidates.slice(0, MAX_CANDIDATES).filter(key => isFitting(key, jwt.header.alg))
  return firstVerifying(jwt, fitting, { code: 'key_unknown', reason: 'no key fits the algorithm' })
}

/** @param refusal what is thrown when no key is left to try */
function firstVerifying(
  jwt: Jwt,
  [key, ...others]: readonly VerificationKey[],
  refusal: SignatureRefusal,
): MaybePromise<VerificationKey> {
  if (key === undefined) throw new Denial(refusal.code, { evidence: { reason: refusal.reason } })
  return andThen(signatureRefusal(jwt, key), refused =>
    refused === undefined ? key : firstVerifying(jwt, others, refused),
  )
}
