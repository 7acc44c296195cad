/**
 * Verifies a token as the gateway does, names the check that failed, and says what to do about it.
 *
 * The checks are those of the pipeline, in its order; what stands behind the one that failed was not looked at.
 */
import { issuerAuthenticator } from '../../authenticate/by-issuer.ts'
import { extractCredential } from '../../authenticate/extract.ts'
import type { Config } from '../../config/schema/schema.ts'
import { Denial, type DenialCode } from '../../errors.ts'
import type { Services } from '../../run/services.ts'
import type { Principal } from '../../types.ts'
import { leasedProviders } from '../engine/tool-policy.ts'
import { denialText } from '../explain/explanation.ts'
import { shown } from '../text/shown.ts'

export interface VerifiedToken {
  readonly verdict: 'valid' | DenialCode
  /** In the order of the pipeline. */
  readonly checks: ReadonlyArray<{ readonly check: string; readonly result: 'ok' | 'fails' | 'not reached' }>
  /** Why not, and what to do; undefined for a valid token. */
  readonly reason: string | undefined
  readonly remedy: string | undefined
  /** Undefined for a refused token. */
  readonly caller: VerifiedCaller | undefined
}

export type VerifiedCaller = {
  readonly provider: string
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
} & Pick<Principal, 'claims'>

/** What each check can refuse with, in the order of the pipeline. */
const CHECKS: ReadonlyArray<readonly [string, readonly DenialCode[]]> = [
  ['form', ['request_malformed', 'token_malformed']],
  ['issuer', ['issuer_unknown']],
  ['algorithm', ['algorithm_not_allowed']],
  ['key', ['keys_unavailable', 'key_unknown']],
  ['signature', ['signature_invalid']],
  ['type', ['token_type_invalid']],
  ['claims', ['claim_invalid', 'proof_required']],
  ['audience', ['audience_mismatch']],
  ['lifetime', ['token_lifetime_exceeded']],
  ['time', ['token_expired', 'token_not_yet_valid']],
]

const REMEDIES: Readonly<Partial<Record<DenialCode, string>>> = {
  request_malformed: 'Copy the token again: it holds characters that no token has.',
  token_malformed: 'Check that this is the whole access token, and a JWT; an opaque one cannot be verified here.',
  issuer_unknown:
    'Compare `iss` with `providers.*.issuer`, byte for byte: a slash at the end counts. `sallyport check --online` looks for that slip.',
  algorithm_not_allowed:
    'Have the issuer sign with an algorithm of `providers.*.algorithms`, or add its algorithm there. Keys in the token, `crit` and `none` are never accepted.',
  keys_unavailable: 'See that the key server answers: `sallyport check --online` says what is wrong with it.',
  key_unknown:
    'See that the issuer publishes the key named by `kid`, and that `keys` points to its key set, not to that of another realm or stage.',
  signature_invalid:
    'Get a new token: this one was changed on its way, or signed by somebody else. A token of Microsoft Graph is not meant for others.',
  token_type_invalid:
    'Send an access token, not an ID token; or set `tokenType: compatible` if the issuer does not type them.',
  claim_invalid: 'Have the issuer send the claim as the reason says, or take it out of `requiredClaims`.',
  proof_required:
    'Ask the issuer for a bearer token: this one is bound to a key (`cnf`) and its proof is not checked here.',
  audience_mismatch: 'Ask the issuer for a token for this API, or add its audience to `providers.*.audiences`.',
  token_lifetime_exceeded: 'Have the issuer make shorter tokens, or raise `maxLifetime`.',
  token_expired: 'Get a new token. If it is new, compare the clocks of the issuer and of this machine.',
  token_not_yet_valid:
    'Wait until `nbf`. If the token is in use already, compare the clocks of the issuer and of this machine.',
}

/** @param provider the only one to ask; undefined: all of the configuration */
export async function verifiedToken(
  token: string,
  config: Config,
  provider: string | undefined,
  shared: Services,
): Promise<VerifiedToken> {
  const providers = Object.entries(config.providers).filter(([id]) => provider === undefined || id === provider)
  const leased = [...leasedProviders({ ...config, providers: Object.fromEntries(providers) }, shared).values()]
  await Promise.all(leased.map(({ ready }) => ready()))
  try {
    const credential = extractCredential(['Authorization', `Bearer ${token}`], config.limits.tokenBytes)
    if (credential === undefined) throw new Denial('token_missing')
    return accepted(await issuerAuthenticator(leased.map(({ verifier }) => verifier))(credential))
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return refused(error)
  }
}

function accepted({ provider, scopes, roles, claims }: Principal): VerifiedToken {
  return {
    verdict: 'valid',
    checks: CHECKS.map(([check]) => ({ check, result: 'ok' })),
    reason: undefined,
    remedy: undefined,
    caller: shown({ provider, scopes: [...scopes], roles: [...roles], claims }),
  }
}

function refused(denial: Denial): VerifiedToken {
  // Before a provider was chosen, an algorithm is refused for the form: `none`, or a key carried in the token.
  const isForm = denial.code === 'algorithm_not_allowed' && denial.provider === undefined
  const failing = isForm ? 0 : CHECKS.findIndex(([, codes]) => codes.includes(denial.code))
  return {
    verdict: denial.code,
    checks: CHECKS.map(([check], index) => ({
      check,
      result: index < failing ? 'ok' : index === failing ? 'fails' : 'not reached',
    })),
    reason: shown(denialText(denial)),
    remedy: REMEDIES[denial.code],
    caller: undefined,
  }
}
