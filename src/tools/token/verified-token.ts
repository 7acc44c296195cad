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
  const verifiers = leased.map(({ verifier }) => verifier)
  const { layers, tokenChecks } = requestChecks(config, shared)
  /** What is checked of the tokens of a provider; of a token whose provider is not known, what any of them checks. */
  const checksOf = (id: string | undefined): ReadonlySet<Stage> =>
    new Set([
      ...verifiers.filter(each => id === undefined || each.provider === id).flatMap(({ checks }) => checks),
      ...tokenChecks,
    ])
  try {
    const ofNoRoute = layers({ revocation: undefined, metrics: { decidedStale: () => {} } })
    const authenticate = layeredAuthenticator({ verifiers, tokenCache: undefined })(ofNoRoute)
    const facts = { ...trialRequest('GET', '/', []), rawHeaders: ['Authorization', `Bearer ${token}`] }
    const credential = extractCredential(facts.rawHeaders, config.limits.tokenBytes)
    if (credential === undefined) throw new Denial('token_missing')
    const principal = await authenticate(credential, facts)
    return accepted(principal, checksOf(principal.provider))
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return refused(error, checksOf(error.provider))
  }
}

function accepted({ provider, scopes, roles, claims }: Principal, made: ReadonlySet<Stage>): VerifiedToken {
  return {
    verdict: 'valid',
    checks: STAGES.ofToken.filter(stage => made.has(stage)).map(check => ({ check, result: 'ok' })),
    reason: undefined,
    remedy: undefined,
    caller: shown({ provider, scopes: [...scopes], roles: [...roles], claims }),
  }
}

function refused(denial: Denial, made: ReadonlySet<Stage>): VerifiedToken {
  const failing = failingCheck(denial)
  const checks = [...STAGES.ofToken, ...STAGES.after].filter(stage => made.has(stage) || stage === failing)
  return {
    verdict: denial.code,
    checks: checks.map((check, index) => ({
      check,
      result: check === failing ? 'fails' : index < checks.indexOf(failing) ? 'ok' : 'not reached',
    })),
    reason: shown(denialText(denial)),
    remedy: denial.spec.remedy,
    caller: undefined,
  }
}

type CheckStage = (typeof STAGES)['ofToken' | 'after'][number]

/**
 * Whatever is refused before anybody looks into a token is refused for its form. So is, before a provider is chosen,
 * its algorithm: `none`, or a key carried in the token.
 */
function failingCheck({ code, provider, spec: { stage } }: Denial): CheckStage {
  if (code === 'algorithm_not_allowed' && provider === undefined) return 'form'
  return isBefore(stage) ? 'form' : stage
}

function isBefore(stage: Stage): stage is Exclude<Stage, CheckStage> {
  return STAGES.before.some(each => each === stage)
}
