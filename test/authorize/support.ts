/** Makes callers, and asks a requirement about them. */
import { Denial } from '../../src/errors.ts'
import type { Authorizer, Claims, Principal, RequestFacts } from '../../src/types.ts'
import { factsOf } from '../support/facts.ts'

interface Granted {
  /** Default: `main`. */
  readonly provider?: string
  readonly scopes?: readonly string[]
  readonly roles?: readonly string[]
  readonly audiences?: readonly string[]
  readonly claims?: Claims
}

export function principal(granted: Granted): Principal {
  const { provider = 'main', scopes = [], roles = [], audiences = [], claims = {} } = granted
  return {
    provider,
    claims,
    scopes: new Set(scopes),
    roles: new Set(roles),
    audiences,
    expiresAtSeconds: 2_000_000_000,
    validUntilMs: 2_000_000_005_000,
    confirmation: undefined,
    standing: { fingerprints: [], reader: undefined, clearAt: 0 },
    kept: { newest: undefined },
    tenure: undefined,
  }
}

/** @returns undefined for a caller who passes */
export function refusal(
  authorize: Authorizer,
  caller: Principal,
  { facts = factsOf(), path = '/' }: { readonly facts?: RequestFacts; readonly path?: string } = {},
): Pick<Denial, 'code' | 'evidence'> | undefined {
  try {
    authorize(caller, facts, path)
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return { code: error.code, evidence: error.evidence }
  }
  return undefined
}
