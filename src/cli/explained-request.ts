/**
 * Tries the request of `sallyport explain` with the token that it has: one that was given, or one that stands in for
 * claims or for what a server says.
 */
import type { X509Certificate } from 'node:crypto'
import type { Config, RouteConfig } from '../config/schema/schema.ts'
import type { Caller } from '../decision/callers.ts'
import { decidedPolicy } from '../decision/decided-policy.ts'
import type { Endpoint, Policy, Route } from '../policy.ts'
import type { Services } from '../run/services.ts'
import type { WrittenAnswer } from '../tools/engine/answering.ts'
import { presented, presentedWithProof } from '../tools/engine/presented.ts'
import { boundTo, saysItsKey } from '../tools/engine/prover.ts'
import { certificateBinding } from '../tools/engine/shown-certificate.ts'
import { type StandIn, standIn } from '../tools/engine/stand-in.ts'
import { bodyOf, callOf, isJudged, withJsonBody } from '../tools/engine/tool-call.ts'
import { leasedProviders, toolPolicy } from '../tools/engine/tool-policy.ts'
import { type Trial, trial } from '../tools/engine/trial.ts'
import { type Explanation, explanation } from '../tools/explain/explanation.ts'
import { otherPlaces, sourcesOf } from '../tools/text/credential-text.ts'
import type { Claims, CredentialSource, RequestFacts } from '../types.ts'
import { UsageError } from './command.ts'
import { type AskedBrowser, withSession } from './explained-session.ts'
import { tokenProviders } from './provider-option.ts'

export interface AskedRequest {
  readonly config: Config
  /** It shows the certificate already. */
  readonly request: RequestFacts
  readonly services: Services
  /** The option `--provider`. */
  readonly provider: string | undefined
  readonly certificate: X509Certificate | undefined
  /** The option `--caller`. */
  readonly caller: Caller | undefined
  /** The option `--tool`. */
  readonly tool: string | undefined
  /** What says who is calling. */
  readonly brings: 'session' | 'token'
}

/** Tries the request as it is. A token in one of its headers is judged as the gateway would. */
export async function explainedAsSent(asked: AskedRequest): Promise<Explanation> {
  const { config, request, services } = asked
  const hasToken =
    request.rawHeaders.some(name => name.toLowerCase() === 'authorization') || otherPlaces(config).length > 0
  const policy = hasToken ? await policyWithKeys(config, services) : standIn(config, services).policy
  return explained(asked, await tried(asked, policy, request), {})
}

export async function explainedWithSession(
  asked: AskedRequest,
  { claims, browser }: { readonly claims: Claims; readonly browser: AskedBrowser },
): Promise<Explanation> {
  const { config, services } = asked
  const trusted = standIn(config, services)
  const route = routeOf(config, trusted.policy, asked.request)
  const { request, filledIn } = await withSession(trusted, config, route, { claims, request: asked.request, browser })
  return explained(asked, await tried(asked, trusted.policy, request), filledIn)
}

interface GivenToken {
  readonly token: string
  readonly proof: string | undefined
  /** What the server says of it; undefined: it is asked. */
  readonly answer: WrittenAnswer | undefined
}

export async function explainedWithToken(
  asked: AskedRequest,
  { token, proof, answer }: GivenToken,
): Promise<Explanation> {
  const { config, services, provider } = asked
  const trusted = standIn(config, services)
  const sources = sourcesAsked(config, trusted.policy, asked.request)
  const request = withToken(asked.request, token, sources, proof)
  if (answer === undefined) return explainedAsSent({ ...asked, request })
  const { providers } = introspected(trusted, asked, answer, token)
  const answered = new Map([...trusted.verifiers].filter(([id]) => providers.includes(id)))
  const policy = await policyWithKeys(config, services, answered)
  const found = await tried(asked, policy, request)
  refuseUnasked(found.trial, providers, provider)
  return explained(asked, found, {})
}

/** The answer must not seem to count for a token that another provider judges. */
function refuseUnasked({ findings, denial }: Trial, told: readonly string[], named: string | undefined): void {
  const judge = findings.principal?.provider ?? (denial ?? findings.reported)?.provider
  if (judge === undefined || told.includes(judge)) return
  const remedy = named === undefined ? 'leave it out' : `leave it out, or name ${judge} with --provider`
  throw new UsageError(`--introspection has no effect: the token is one of ${judge}; ${remedy}`)
}

type StandingIn = { readonly proof: 'auto' | undefined } & (
  | { readonly claims: Claims }
  /** It counts as it is, but for what `--proof auto` and `--certificate` bind the token to. */
  | { readonly answer: WrittenAnswer }
)

export async function explainedWithStandIn(asked: AskedRequest, standing: StandingIn): Promise<Explanation> {
  const { config, request, services, certificate } = asked
  const trusted = standIn(config, services)
  const { policy, prover } = trusted
  const written = 'claims' in standing ? standing.claims : standing.answer.active ? standing.answer.claims : {}
  const shown = certificate === undefined ? {} : certificateBinding(written, certificate)
  const given = { ...written, ...shown }
  if (standing.proof === 'auto' && saysItsKey(given))
    throw new UsageError(
      `--proof auto says what cnf.jkt is; leave it out of the ${'claims' in standing ? 'claims' : 'answer'}`,
    )
  const binding = { ...shown, ...(standing.proof === 'auto' && boundTo(await prover.jkt(), given)) }
  const claims = { ...given, ...binding }
  const signed = await tokenWith(trusted, asked, standing, claims)
  const shownProof = standing.proof === 'auto' ? await prover.proof(request, signed.token) : undefined
  const asSent = withToken(request, signed.token, sourcesAsked(config, policy, request), shownProof)
  const bound = 'answer' in standing && !standing.answer.active ? {} : binding
  return explained(asked, await tried(asked, policy, asSent), { ...signed.filledIn, ...bound })
}

interface Tried {
  readonly policy: Policy
  readonly request: RequestFacts
  readonly trial: Trial
}

/** @throws {UsageError} a tool is named, and nobody judges which one is called */
async function tried(asked: AskedRequest, inForce: Policy, request: RequestFacts): Promise<Tried> {
  const { config, tool, caller } = asked
  const policy = caller === undefined ? inForce : decidedPolicy(inForce)
  const isCall = isJudged(matched(policy, request), request)
  const sent = isCall ? withJsonBody(request) : request
  const found = await trial(policy, sent, isCall && tool !== undefined ? bodyOf(callOf(tool)) : undefined)
  const taken = found.findings.route ?? found.findings.endpoint
  if (tool !== undefined && !isCall && taken !== undefined)
    throw new UsageError(`--tool has no effect: ${whyUnjudged(config, taken.id)}`)
  return { policy, request: sent, trial: found }
}

/** @param taken the id of the route or endpoint that takes the request */
function whyUnjudged({ routes }: Config, taken: string): string {
  const isServer = routes.some(({ id, mcp }) => id === taken && mcp?.tools !== undefined)
  return isServer ? 'only a POST calls tools' : `${taken} has no \`mcp.tools\``
}

function explained(asked: AskedRequest, found: Tried, filledIn: Claims): Promise<Explanation> {
  const { config, services, tool, caller, brings } = asked
  return explanation({ config, ...found, tool, caller, filledIn, brings, clock: services.clock })
}

/** @param claims those that are given, and what they are bound to */
async function tokenWith(
  trusted: StandIn,
  asked: AskedRequest,
  tried: StandingIn,
  claims: Claims,
): Promise<{ readonly token: string; readonly filledIn: Claims }> {
  const { config, request, provider } = asked
  if ('claims' in tried) return trusted.token(claims, routeOf(config, trusted.policy, request), provider)
  const { active } = tried.answer
  const { token } = introspected(trusted, asked, active ? { active, claims } : { active })
  return { token, filledIn: {} }
}

/** @throws {UsageError} nobody would be asked */
function introspected(
  trusted: StandIn,
  { config, request, provider }: AskedRequest,
  answer: WrittenAnswer,
  token?: string,
) {
  const route = routeOf(config, trusted.policy, request)
  const told = trusted.introspected(answer, route, { token, provider })
  if (told !== undefined) return told
  const who =
    provider !== undefined ? `${provider} is` : route === undefined ? 'there is' : `the route ${route.id} accepts`
  throw new UsageError(
    `--introspection has no effect: ${who} no provider of type introspection${provider === undefined ? '' : '; name one with --provider'}`,
  )
}

/**
 * Makes one attempt to get the keys. When it fails, the explanation says `keys_unavailable`.
 *
 * @param standIns judge in place of the providers with these ids, which are not asked
 */
async function policyWithKeys(
  config: Config,
  services: Services,
  standIns: StandIn['verifiers'] = new Map(),
): Promise<Policy> {
  // Logins take no tokens, so that nobody has to be asked for their keys.
  const ofTokens = tokenProviders(config)
  const logins = [...standIn(config, services).verifiers].filter(([id]) => !ofTokens.includes(id))
  const others = Object.entries(config.providers).filter(([id]) => !standIns.has(id) && ofTokens.includes(id))
  const providers = [...leasedProviders({ ...config, providers: Object.fromEntries(others) }, services)]
  await Promise.all(providers.map(([, { ready }]) => ready()))
  const verifiers = providers.map(([id, { verifier }]) => [id, verifier] as const)
  return toolPolicy(config, new Map([...verifiers, ...logins, ...standIns]), services)
}

function withToken(
  request: RequestFacts,
  token: string,
  sources: readonly CredentialSource[],
  proof: string | undefined,
): RequestFacts {
  if (proof === undefined) return presented(request, token, sources)
  return presentedWithProof(request, token, sources, proof)
}

/** Returns where the route of this request looks for tokens. */
function sourcesAsked(config: Config, policy: Policy, request: RequestFacts): readonly CredentialSource[] {
  return sourcesOf(routeOf(config, policy, request), config)
}

function routeOf(config: Config, policy: Policy, request: RequestFacts): RouteConfig | undefined {
  const route = matched(policy, request)
  return config.routes.find(({ id }) => id === route?.id)
}

function matched({ matcher }: Policy, { method, target }: RequestFacts): Route | Endpoint | undefined {
  return matcher.match(method, target.split('?', 1)[0] ?? '')
}
