/**
 * Makes the verifier of a provider whose tokens are JWTs that it signs: what these have in common, whatever their
 * claims have to say.
 *
 * RFC 7519 §7.2. The order is fixed: nothing is said about the claims of a token, that it expired included, before its
 * signature holds. Verdicts rest on the key that verified the signature. It waits only for keys and slow signatures.
 */
import { Denial, type TokenStage } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { evidenceText } from '../../lib/evidence-text.ts'
import { andThen, type MaybePromise } from '../../lib/maybe-promise.ts'
import type { Claims, KeySet, VerificationKey } from '../../types.ts'
import { type CheckedClaims, checkTime } from '../claim-checks.ts'
import type { Decryption } from '../decryption.ts'
import { attributed } from '../evidence.ts'
import { principalReader } from '../principal.ts'
import type { PresentedToken, TakenJwts, TokenVerifier, Verdict } from '../verifier.ts'
import type { Jwt } from './parse-jwt.ts'

interface SignedTokenOptions {
  /** The provider's id in the configuration. */
  readonly provider: string
  readonly takesJwts: TakenJwts
  /** Undefined where its tokens are never encrypted. */
  readonly decryption?: Decryption | undefined
  readonly keySet: KeySet
  readonly clock: Clock
  readonly clockToleranceSeconds: number
  readonly scopeClaim?: string | undefined
  readonly rolesClaim: string
  /** Finds the key that verifies the signature. @throws {Denial} */
  readonly keyOf: (jwt: Jwt) => MaybePromise<VerificationKey>
  /** Judges the type and the claims of a token that is signed, but not whether its time has come or is over. */
  readonly judge: (jwt: Jwt, nowSeconds: number) => { readonly claims: Claims; readonly checked: CheckedClaims }
}

const CHECKS: readonly TokenStage[] = [
  'form',
  'issuer',
  'algorithm',
  'key',
  'signature',
  'type',
  'claims',
  'audience',
  'lifetime',
  'time',
]

/** @throws {SyntaxError} `scopeClaim` or `rolesClaim` is an invalid JSON Pointer */
export function signedTokenVerifier(options: SignedTokenOptions): TokenVerifier<VerificationKey> {
  const { provider, keySet, clockToleranceSeconds, keyOf, judge } = options
  const isEncryptionRequired = options.decryption?.required === true
  const readPrincipal = principalReader(options)
  const nowSeconds = (): number => options.clock.nowMs() / 1000

  const verdict = (jwt: Jwt, key: VerificationKey): Verdict<VerificationKey> => {
    const now = nowSeconds()
    const { claims, checked } = judge(jwt, now)
    checkTime(checked, clockToleranceSeconds, now)
    return Object.freeze({
      principal: readPrincipal(claims, checked),
      notBeforeSeconds: checked.notBeforeSeconds,
      basis: key,
    })
  }

  return Object.freeze({
    provider,
    takesJwts: options.takesJwts,
    takesOpaque: undefined,
    decryption: options.decryption,
    checks: CHECKS,
    verify({ jwt, wasEncrypted }: PresentedToken) {
      if (jwt === undefined) throw new Denial('token_malformed', { provider, evidence: { reason: 'not a JWT' } })
      if (isEncryptionRequired && !wasEncrypted)
        throw new Denial('token_type_invalid', { provider, evidence: { reason: 'not encrypted' } })
      const refuse = (error: unknown): never => {
        throw attributed(error, provider, tokenEvidence(jwt))
      }
      try {
        const judged = andThen(keyOf(jwt), key => verdict(jwt, key))
        return judged instanceof Promise ? judged.catch(refuse) : judged
      } catch (error) {
        return refuse(error)
      }
    },
    stillHolds: ({ basis }: Verdict<VerificationKey>) => keySet.isCurrent(basis),
    checkTime({ principal: { expiresAtSeconds, claims }, notBeforeSeconds }: Verdict<VerificationKey>) {
      try {
        checkTime({ expiresAtSeconds, notBeforeSeconds }, clockToleranceSeconds, nowSeconds())
      } catch (error) {
        throw attributed(error, provider, issuerEvidence(claims))
      }
    },
    health() {
      const status = keySet.status()
      return { usable: status.usable, lastError: status.lastError, kind: 'keys' as const, keySet: status }
    },
  })
}

function tokenEvidence({ header: { alg, kid }, claims }: Jwt): Readonly<Record<string, unknown>> {
  return {
    alg: evidenceText(alg),
    ...(kid === undefined ? {} : { kid: evidenceText(kid) }),
    ...issuerEvidence(claims),
  }
}

function issuerEvidence({ iss }: Claims): Readonly<Record<string, unknown>> {
  return typeof iss === 'string' ? { iss: evidenceText(iss) } : {}
}
