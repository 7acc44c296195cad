/**
 * Verifies a token as the gateway does, names the check that failed, and says what to do about it.
 *
 * The checks are those of the pipeline, in its order; what stands behind the one that failed was not looked at. A
 * proof of possession belongs to a request, and there is none here: a bound token whose proof the gateway would judge
 * is valid as far as can be said.
 */
import { layeredAuthenticator } from '../../authenticate/authenticator.ts'
import { isProvable } from '../../authenticate/confirmation.ts'
import { extractCredential } from '../../authenticate/extract.ts'
import { readAnyFile } from '../../config/read/own-file.ts'
import type { Config } from '../../config/schema/schema.ts'
import { Denial, type DenialCode, STAGES, type Stage } from '../../errors.ts'
import { andThen } from '../../lib/maybe-promise.ts'
import { judgedProofs } from '../../run/proof-checks.ts'
import { COMMAND_PARTS, requestChecks } from '../../run/request-checks.ts'
import { revocationSettings } from '../../run/revocation-settings.ts'
import type { Services } from '../../run/services.ts'
import type { AuthenticatorLayer, Claims, Principal } from '../../types.ts'
import { putInForce } from '../engine/known-revocations.ts'
import { entryText, revokingEntries } from '../engine/revoking-entries.ts'
import { leasedProviders } from '../engine/tool-policy.ts'
import { trialRequest } from '../engine/trial.ts'
import { denialText } from '../explain/explanation.ts'
import { shown } from '../text/shown.ts'
import { decodedToken } from './decoded-token.ts'

export interface VerifiedToken {
  readonly verdict: 'valid' | DenialCode
  /** In the order of the pipeline. */
  readonly checks: ReadonlyArray<{ readonly check: string; readonly result: VerifiedCheck }>
  /** Why not, and what to do; undefined for a valid token. */
  readonly reason: string | undefined
  readonly remedy: string | undefined
  /** The entries that revoke the token, where it is refused for them. */
  readonly revokedBy: readonly string[] | undefined
  /** Undefined for a refused token. */
  readonly caller: VerifiedCaller | undefined
}

/** `with each request`: it was not made, because it takes a request. */
type VerifiedCheck = 'ok' | 'fails' | 'not reached' | 'with each request'

type VerifiedCaller = {
  readonly provider: string
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
} & Pick<Principal, 'claims' | 'confirmation'>

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
  putInForce(shared.revocations, config, { namedFiles: 'read' })
  const { layers, tokenChecks } = requestChecks(config, shared, COMMAND_PARTS)
  /** What is checked of the tokens of a provider; of a token whose provider is not known, what any of them checks. */
  const checksOf = (id: string | undefined): ReadonlySet<Stage> =>
    new Set([
      ...verifiers.filter(each => id === undefined || each.provider === id).flatMap(({ checks }) => checks),
      ...tokenChecks,
    ])
  let boundTo: Principal | undefined
  /** A token that came as far as its proof has passed every other check. */
  const noteBinding: AuthenticatorLayer = inner => (credential, facts, notes) =>
    andThen(inner(credential, facts, notes), principal => {
      boundTo = principal
      return principal
    })
  try {
    const ofNoRoute = layers({ revocation: undefined, metrics: { decidedStale: () => {} } })
    const authenticate = layeredAuthenticator({ verifiers, tokenCache: undefined, decrypterOf: shared.decrypterOf })([
      noteBinding,
      ...ofNoRoute,
    ])
    const facts = { ...trialRequest('GET', '/', []), rawHeaders: ['Authorization', `Bearer ${token}`] }
    const credential = extractCredential(facts.rawHeaders, { tokenBytes: config.limits.tokenBytes, takesProofs: false })
    if (credential === undefined) throw new Denial('token_missing')
    const principal = await authenticate(credential, facts, { path: '/', responseLines: [] })
    return accepted(principal, checksOf(principal.provider))
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    if (
      error.code === 'proof_required' &&
      boundTo?.confirmation &&
      isProvable(boundTo.confirmation, judgedProofs(config))
    )
      return accepted(boundTo, checksOf(boundTo.provider))
    const revokedBy = error.code === 'token_revoked' ? entriesAgainst(token, config, shared) : undefined
    return refused(error, checksOf(error.provider), revokedBy)
  }
}

function accepted(principal: Principal, made: ReadonlySet<Stage>): VerifiedToken {
  const { provider, scopes, roles, claims, confirmation } = principal
  const ofProof = confirmation === undefined ? 'ok' : 'with each request'
  return {
    verdict: 'valid',
    checks: STAGES.ofToken
      .filter(stage => made.has(stage))
      .map(check => ({ check, result: check === 'proof' ? ofProof : 'ok' })),
    reason: undefined,
    remedy: undefined,
    revokedBy: undefined,
    caller: shown({ provider, scopes: [...scopes], roles: [...roles], claims, confirmation }),
  }
}

/** The token was verified, and then refused for what a file says. */
function entriesAgainst(token: string, config: Config, { clock }: Services): readonly string[] {
  const { claims } = decodedToken(token, clock.nowMs())
  const entries = revocationSettings(config, readAnyFile)?.fileEntries ?? []
  return revokingEntries(claims as Claims, config, entries, Math.floor(clock.nowMs() / 1000)).map(
    entry => `${entryText(entry)} (${config.revocation?.file})`,
  )
}

function refused(denial: Denial, made: ReadonlySet<Stage>, revokedBy: VerifiedToken['revokedBy']): VerifiedToken {
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
    revokedBy: shown(revokedBy),
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
