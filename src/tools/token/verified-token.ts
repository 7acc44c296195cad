/**
 * Verifies a token as the gateway does, names the check that failed, and says what to do about it.
 *
 * The checks are those of the pipeline, in its order; what stands behind the one that failed was not looked at. Of a
 * token that a server is asked about, its answer is shown, without the token. A
 * proof of possession belongs to a request, and there is none here: a bound token whose proof the gateway would judge
 * is valid as far as can be said.
 */

import { layeredAuthenticator } from '../../authenticate/authenticator.ts'
import { isProvable } from '../../authenticate/confirmation.ts'
import { extractCredential } from '../../authenticate/extract.ts'
import { opaqueTakers } from '../../authenticate/opaque-takers.ts'
import { readAnyFile } from '../../config/read/own-file.ts'
import { audienceRequirements, requirementContext } from '../../config/requirements.ts'
import { isIssuerConfigured, isLogin, judgesOn } from '../../config/schema/accepted.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import { Denial, type DenialCode, STAGES, type Stage } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { compactForm } from '../../lib/compact-form.ts'
import { andThen } from '../../lib/maybe-promise.ts'
import { judgedProofs } from '../../run/proof-checks.ts'
import { COMMAND_PARTS, requestChecks } from '../../run/request-checks.ts'
import { revocationSettings } from '../../run/revocation-settings.ts'
import type { Services } from '../../run/services.ts'
import type { AuthenticatorLayer, Claims, Principal } from '../../types.ts'
import { putInForce } from '../engine/known-revocations.ts'
import { overheard } from '../engine/overheard.ts'
import { entryText, revokingEntries } from '../engine/revoking-entries.ts'
import { leasedProviders } from '../engine/tool-policy.ts'
import { trialRequest } from '../engine/trial.ts'
import { denialText } from '../explain/denial-text.ts'
import { unmetOf } from '../explain/explanation.ts'
import { shown, withoutToken } from '../text/shown.ts'

export interface VerifiedToken {
  readonly verdict: 'valid' | DenialCode
  /** In the order of the pipeline. */
  readonly checks: ReadonlyArray<{ readonly check: string; readonly result: VerifiedCheck }>
  /** Why not, and what to do; undefined for a valid token. */
  readonly reason: string | undefined
  readonly remedy: string | undefined
  /** The entries that revoke the token, where it is refused for them. */
  readonly revokedBy: readonly string[] | undefined
  /** What a server says of the token; undefined where none was asked, or none answered. */
  readonly answer: ServerAnswer | undefined
  /** Undefined for a refused token. */
  readonly caller: VerifiedCaller | undefined
}

/** All members of the answer of an introspection endpoint. */
type ServerAnswer = Claims & { readonly active: boolean }

/** `with each request`: it was not made, because it takes a request. */
type VerifiedCheck = 'ok' | 'fails' | 'not reached' | 'with each request'

type VerifiedCaller = {
  readonly provider: string
  /** The ids of the routes that take tokens of the provider for the audiences of this one. */
  readonly routes: readonly string[]
  /** Whether these are all that take tokens of the provider. */
  readonly isForAllRoutes: boolean
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
} & Pick<Principal, 'claims' | 'confirmation'>

/** Several servers would be asked about a token. It is for one of them, and the others must not get it. */
export class RivalServers extends Error {
  readonly providers: readonly string[]

  constructor(providers: readonly string[]) {
    super('several servers would be asked about the token')
    this.providers = providers
  }
}

/**
 * @param provider the only one to ask; undefined: all of the configuration
 * @throws {RivalServers} nobody was asked
 */
export async function verifiedToken(
  token: string,
  config: Config,
  provider: string | undefined,
  shared: Services,
): Promise<VerifiedToken> {
  const providers = Object.entries(config.providers).filter(
    ([id, each]) => (provider === undefined || id === provider) && !isLogin(each),
  )
  let answer: ServerAnswer | undefined
  const introspectors = overheard(shared.introspectors, heard => {
    answer = heard.active ? { active: true, ...heard.claims } : { active: false }
  })
  const asked = { ...config, providers: Object.fromEntries(providers) }
  const leased = [...leasedProviders(asked, { ...shared, introspectors }).values()]
  const verifiers = leased.map(({ verifier }) => verifier)
  const takers = opaqueTakers(token, verifiers)
  if (takers.length > 1) throw new RivalServers(takers.map(taker => taker.provider))
  await Promise.all(leased.map(({ ready }) => ready()))
  putInForce(shared.revocations, config, { namedFiles: 'read' })
  const { layers, tokenChecks } = requestChecks(config, shared, COMMAND_PARTS)
  const isOpened = compactForm(token) === 'jwe' && verifiers.some(({ decryption }) => decryption !== undefined)
  /** What is checked of the tokens of a provider; of a token whose provider is not known, what any of them checks. */
  const checksOf = (id: string | undefined): ReadonlySet<Stage> =>
    new Set<Stage>([
      ...(isOpened ? (['decryption'] as const) : []),
      ...verifiers.filter(each => id === undefined || each.provider === id).flatMap(({ checks }) => checks),
      ...tokenChecks,
    ])
  let verified: Principal | undefined
  /** A token that came as far as a layer has passed the checks of its provider. */
  const noteVerified: AuthenticatorLayer = inner => (credential, facts, notes) =>
    andThen(inner(credential, facts, notes), principal => {
      verified = principal
      return principal
    })
  /** A server may repeat the token in its answer. */
  const told = (result: VerifiedToken): VerifiedToken => ({
    ...result,
    answer: withoutToken(shown(answer), token),
    caller: withoutToken(result.caller, token),
  })
  try {
    const ofNoRoute = layers({ revocation: undefined, metrics: { decidedStale: () => {} } })
    const authenticate = layeredAuthenticator({
      verifiers,
      tokenCache: undefined,
      decrypterOf: shared.decrypterOf,
      isIssuerConfigured: claims => isIssuerConfigured(config, claims),
    })([noteVerified, ...ofNoRoute])
    const facts = { ...trialRequest('GET', '/', []), rawHeaders: ['Authorization', `Bearer ${token}`] }
    const credential = extractCredential(facts.rawHeaders, { tokenBytes: config.limits.tokenBytes, takesProofs: false })
    if (credential === undefined) throw new Denial('token_missing')
    const principal = await authenticate(credential, facts, { path: '/', responseLines: [], isPrivate: false })
    return told(accepted(principal, checksOf(principal.provider), await meantRoutes(principal, config, shared.clock)))
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    if (
      error.code === 'proof_required' &&
      verified?.confirmation &&
      isProvable(verified.confirmation, judgedProofs(config))
    )
      return told(accepted(verified, checksOf(verified.provider), await meantRoutes(verified, config, shared.clock)))
    const revokedBy =
      error.code === 'token_revoked' && verified !== undefined ? entriesAgainst(verified, config, shared) : undefined
    return told(
      refused(error, checksOf(error.provider), { revokedBy, answer, isOpaque: compactForm(token) === 'neither' }),
    )
  }
}

type MeantRoutes = Pick<VerifiedCaller, 'routes' | 'isForAllRoutes'>

/** A token for a resource is one of its provider, and counts on the routes of that resource alone. */
async function meantRoutes(principal: Principal, config: Config, clock: Clock): Promise<MeantRoutes> {
  const context = requirementContext(config, clock)
  const facts = trialRequest('GET', '/', [])
  const taking = config.routes.filter(route => route.access !== 'public' && judgesOn(config, route, principal.provider))
  const unmet = await Promise.all(
    taking.map(route => unmetOf(audienceRequirements(route, context), principal, { facts, path: '/' })),
  )
  const routes = taking.filter((_, index) => unmet[index]?.length === 0).map(({ id }) => id)
  return { routes, isForAllRoutes: routes.length === taking.length }
}

function accepted(principal: Principal, made: ReadonlySet<Stage>, meant: MeantRoutes): VerifiedToken {
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
    answer: undefined,
    caller: shown({ provider, ...meant, scopes: [...scopes], roles: [...roles], claims, confirmation }),
  }
}

/** The token was verified, and then refused for what a file says. An answer of a server need not name the issuer. */
function entriesAgainst({ provider, claims }: Principal, config: Config, { clock }: Services): readonly string[] {
  const of = config.providers[provider]
  const issued = { ...(of === undefined ? {} : { iss: providerTraits(of).issuers.issuer }), ...claims }
  const entries = revocationSettings(config, readAnyFile)?.fileEntries ?? []
  return revokingEntries(issued, config, entries, Math.floor(clock.nowMs() / 1000)).map(
    entry => `${entryText(entry)} (${config.revocation?.file})`,
  )
}

type RefusedToken = Pick<VerifiedToken, 'revokedBy' | 'answer'> & { readonly isOpaque: boolean }

function refused(
  denial: Denial,
  made: ReadonlySet<Stage>,
  { revokedBy, answer, isOpaque: hidesIssuer }: RefusedToken,
): VerifiedToken {
  const failing = failingCheck(denial)
  const checks = [...STAGES.ofToken, ...STAGES.after].filter(stage => made.has(stage) || stage === failing)
  // The issuer of an opaque token is in the answer, so its server was asked before that check.
  const isPassed = (check: Stage, index: number): boolean => {
    if (check === 'introspection' && answer?.active === true) return true
    if (check === 'issuer' && failing === 'introspection' && hidesIssuer) return false
    return index < checks.indexOf(failing)
  }
  return {
    verdict: denial.code,
    checks: checks.map((check, index) => ({
      check,
      result: check === failing ? 'fails' : isPassed(check, index) ? 'ok' : 'not reached',
    })),
    reason: shown(denialText(denial)),
    remedy: denial.spec.remedy,
    revokedBy: shown(revokedBy),
    answer: undefined,
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
