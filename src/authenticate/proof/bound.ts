/**
 * Lets a token that is bound to a key pass only with the proof that its caller holds that key.
 *
 * RFC 9449 §7.1 and §7.2 (DPoP), RFC 8705 §3 (certificates), RFC 7800 §3.1. A token can be bound to both, and then
 * needs both. This layer stands around the token cache, since a proof belongs to one request. It is there although
 * nothing is configured: a bound token without its proof is a stolen token until shown otherwise.
 */
import { Denial, type DenialCode, type DenialCodeOf } from '../../errors.ts'
import { evidenceText } from '../../lib/evidence-text.ts'
import { andThen, type MaybePromise } from '../../lib/maybe-promise.ts'
import { isSameSecret } from '../../lib/secrets.ts'
import type {
  AuthenticatorLayer,
  Credential,
  Principal,
  ProofKind,
  ProofResult,
  RequestFacts,
  RequestNotes,
} from '../../types.ts'
import { thumbprintProblem } from '../confirmation.ts'
import { attributed } from '../evidence.ts'
import type { DpopJudge } from './dpop.ts'
import { mismatch } from './refusals.ts'

interface BoundOptions {
  /** Undefined where no DPoP proof is judged. */
  readonly dpop: DpopJudge | undefined
  /**
   * Gives the thumbprint of the client's certificate in base64url, undefined without one; undefined where nobody asks
   * for certificates.
   */
  readonly certificateOf: ((facts: RequestFacts) => string | undefined) | undefined
  /** Called once for each binding of a token that was judged. */
  readonly onResult: (provider: string, kind: ProofKind, result: ProofResult) => void
}

/** The layer throws `proof_required`, `proof_mismatch`, and what judges a proof throws. */
export function boundTokenLayer(options: BoundOptions): AuthenticatorLayer {
  const { dpop, certificateOf, onResult } = options

  const judge = (
    principal: Principal,
    credential: Credential,
    facts: RequestFacts,
    notes: RequestNotes,
  ): MaybePromise<Principal> => {
    const { confirmation } = principal
    const { token, scheme } = credential
    if (confirmation === undefined && scheme === 'Bearer') return principal
    const { jkt, certificateThumbprint } = confirmation ?? UNBOUND
    if (scheme === 'DPoP' && jkt === undefined) counted(principal, 'dpop', refuseUnbound)
    if (certificateThumbprint !== undefined)
      counted(principal, 'certificate', () => checkCertificate(certificateThumbprint, certificateOf, facts))
    if (jkt === undefined) {
      if (certificateThumbprint === undefined) throw attributedTo(principal, required(UNKNOWN_BINDING))
      return principal
    }
    const judged = counted(principal, 'dpop', () => {
      if (dpop === undefined) throw required('DPoP proofs are not judged here: `dpop` is not configured')
      if (scheme !== 'DPoP') throw required('the token is bound to a key, and came without scheme DPoP')
      return dpop({ token, principal, jkt }, facts, notes)
    })
    return andThen(judged, () => principal)
  }

  /** Counts what comes of a proof, and says whose token it was about. */
  const counted = <T extends ProofResult | Promise<ProofResult>>(
    principal: Principal,
    kind: ProofKind,
    prove: () => T,
  ): T => {
    const { provider } = principal
    const refused = (error: unknown): never => {
      const result = error instanceof Denial ? RESULTS[error.code] : undefined
      if (result !== undefined) onResult(provider, kind, result)
      throw attributedTo(principal, error)
    }
    try {
      const result = prove()
      if (result instanceof Promise) {
        return result.then(found => {
          onResult(provider, kind, found)
          return found
        }, refused) as T
      }
      onResult(provider, kind, result)
      return result
    } catch (error) {
      return refused(error)
    }
  }

  return inner => (credential, facts, notes) =>
    andThen(inner(credential, facts, notes), principal => judge(principal, credential, facts, notes))
}

const UNBOUND = { jkt: undefined, certificateThumbprint: undefined }

const UNKNOWN_BINDING = 'the token is bound (cnf) in a way that is not known here'

/** A proof beside a token that is bound to no key would prove nothing about it (RFC 9449 §7.1). */
function refuseUnbound(): never {
  throw new Denial('proof_mismatch', { evidence: { wanted: 'a token with cnf.jkt', seen: 'none' } })
}

function checkCertificate(wanted: string, certificateOf: BoundOptions['certificateOf'], facts: RequestFacts): 'valid' {
  if (certificateOf === undefined)
    throw required('certificates are not asked for here: set `listen.tls.clientCertificate` or `clientCertificate`')
  const seen = certificateOf(facts)
  if (seen === undefined) throw required('the client has shown no certificate')
  if (thumbprintProblem(wanted) !== undefined || !isSameSecret(Buffer.from(seen), Buffer.from(wanted)))
    throw mismatch(wanted, seen)
  return 'valid'
}

function required(reason: string): Denial {
  return new Denial('proof_required', { evidence: { reason } })
}

/** A refusal of another stage says nothing about a proof, and is not counted. */
type CodeOfProofs = DenialCodeOf<'proof'> | 'overloaded'

/** A new code of the stage has to be added here, or nobody would count it. */
const RESULTS: Readonly<Record<CodeOfProofs, ProofResult>> & { readonly [code in DenialCode]?: ProofResult } = {
  proof_required: 'required',
  proof_invalid: 'invalid',
  proof_nonce_required: 'nonce_required',
  proof_mismatch: 'mismatch',
  proof_replayed: 'replayed',
  overloaded: 'overloaded',
  replay_store_unavailable: 'unavailable',
}

/** The token is verified, so the log may say whose it is, although the request has no caller. */
function attributedTo({ provider, claims: { sub } }: Principal, error: unknown): unknown {
  return attributed(error, provider, typeof sub === 'string' ? { sub: evidenceText(sub) } : {})
}
