/**
 * Verifies a token as the gateway does, names the check that failed, and says what to do about it.
 *
 * The checks are those of the pipeline, in its order; what stands behind the one that failed was not looked at.
 */
import { layeredAuthenticator } from '../../authenticate/authenticator.ts'
import { extractCredential } from '../../authenticate/extract.ts'
import type { Config } from '../../config/schema/schema.ts'
import { Denial, type DenialCode, STAGES, type Stage } from '../../errors.ts'
import { requestChecks } from '../../run/request-checks.ts'
import type { Services } from '../../run/services.ts'
import type { Principal } from '../../types.ts'
import { leasedProviders } from '../engine/tool-policy.ts'
import { trialRequest } from '../engine/trial.ts'
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

type VerifiedCaller = {
  readonly provider: string
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
} & Pick<Principal, 'claims'>

/** The checks of a token, in the order of the pipeline. */
const CHECKS: readonly Stage[] = STAGES.slice(STAGES.indexOf('form'), STAGES.indexOf('time') + 1)

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
    const verifiers = leased.map(({ verifier }) => verifier)
    const authenticate = layeredAuthenticator({ verifiers, tokenCache: undefined, layers: requestChecks().layers })
    const facts = { ...trialRequest('GET', '/', []), rawHeaders: ['Authorization', `Bearer ${token}`] }
    const credential = extractCredential(facts.rawHeaders, config.limits.tokenBytes)
    if (credential === undefined) throw new Denial('token_missing')
    return accepted(await authenticate(credential, facts))
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return refused(error)
  }
}

function accepted({ provider, scopes, roles, claims }: Principal): VerifiedToken {
  return {
    verdict: 'valid',
    checks: CHECKS.map(check => ({ check, result: 'ok' })),
    reason: undefined,
    remedy: undefined,
    caller: shown({ provider, scopes: [...scopes], roles: [...roles], claims }),
  }
}

function refused(denial: Denial): VerifiedToken {
  const { code, provider, spec } = denial
  // Before a provider is chosen, an algorithm is refused for the form: `none`, or a key carried in the token. So is
  // whatever the pipeline refuses before it looks into the token.
  const isForm = code === 'algorithm_not_allowed' && provider === undefined
  const failing = isForm ? 0 : Math.max(0, CHECKS.indexOf(spec.stage))
  return {
    verdict: code,
    checks: CHECKS.map((check, index) => ({
      check,
      result: index < failing ? 'ok' : index === failing ? 'fails' : 'not reached',
    })),
    reason: shown(denialText(denial)),
    remedy: spec.remedy,
    caller: undefined,
  }
}
