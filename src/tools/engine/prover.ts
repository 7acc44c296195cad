/**
 * Stands in for a client that holds the key of a bound token: binds the tokens of a trial, and makes proofs for them.
 *
 * Keys and the secret of the nonces live as long as the process and are never written anywhere. A proof can be made to
 * miss what is asked of it, so that a trial may show how it is refused.
 */
import { nonces } from '../../authenticate/proof/nonce.ts'
import type { DpopConfig } from '../../config/schema/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Claims, RequestFacts } from '../../types.ts'
import { newProofSigner, type ProofSigner } from './proof-signer.ts'

/** What is wrong with a proof on purpose. */
export interface ProofFaults {
  /** It is made for this URL. */
  readonly htu?: string | undefined
  /** It was made so long ago, and so was its nonce; milliseconds. */
  readonly age?: number | undefined
  /** It is signed with a key that the token is not bound to. */
  readonly key?: 'other' | undefined
}

export interface Prover {
  /** The thumbprint for `cnf.jkt`. */
  jkt(): Promise<string>
  /** Makes a new proof. It is accepted with the request and the token, except for its faults. */
  proof(request: RequestFacts, token: string, faults?: ProofFaults): Promise<string>
}

interface ProverOptions {
  /** Undefined where nobody judges proofs. */
  readonly dpop: DpopConfig | undefined
  /** The secret with which the policy that is tried makes its nonces. */
  readonly nonceSecret: Buffer
  readonly clock: Clock
}

export function prover({ dpop, nonceSecret, clock }: ProverOptions): Prover {
  const keys = new Map<'own' | 'other', Promise<ProofSigner>>()
  const keyOf = (name: 'own' | 'other'): Promise<ProofSigner> => {
    const made = keys.get(name) ?? newProofSigner(dpop?.algorithms ?? [])
    keys.set(name, made)
    return made
  }
  const base = dpop?.baseUrls[0]?.replace(/\/$/, '') ?? ''

  return {
    jkt: async () => (await keyOf('own')).jkt,
    async proof({ method, target }, token, { htu, age = 0, key } = {}) {
      const madeAtMs = clock.nowMs() - age
      const then = { ...clock, nowMs: () => madeAtMs }
      const nonce =
        dpop?.nonce && nonces({ secret: nonceSecret, lifetimeMs: dpop.nonce.lifetime, clock: then }).current()
      const url = htu ?? base + target
      return (await keyOf(key ?? 'own')).proof({
        method,
        url,
        token,
        nonce,
        issuedAtSeconds: Math.floor(madeAtMs / 1000),
      })
    },
  }
}

/** Whether claims say already which key their token is bound to, or what leaves no room for one. */
export function saysItsKey({ cnf = {} }: Claims): boolean {
  return typeof cnf !== 'object' || cnf === null || Array.isArray(cnf) || Object.hasOwn(cnf, 'jkt')
}

/** Returns `cnf` of a token with these claims that is bound to this key, besides what they bind it to already. */
export function boundTo(jkt: string, { cnf = {} }: Claims): Claims {
  return { cnf: { ...(cnf as Claims), jkt } }
}
