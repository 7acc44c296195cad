/**
 * Runs test cases against a policy and says of each what did not come as expected.
 *
 * Claims are signed by a stand-in key (`stand-in.ts`) and go through everything a real token goes through.
 */

import type { NamedFiles } from '../../config/read/load.ts'
import { type Requirement, requirementContext, requirementsOf } from '../../config/requirements.ts'
import { certificateSource } from '../../config/schema/certificate-source.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config, ProviderConfig, RouteConfig } from '../../config/schema/schema.ts'
import { type RevocationEntry, withTimes } from '../../revocation/entry.ts'
import type { Services } from '../../run/services.ts'
import type { Claims, CredentialSource, Principal, RequestFacts } from '../../types.ts'
import { headersRefused, preflightIn } from '../engine/asked-preflight.ts'
import { putInForce } from '../engine/known-revocations.ts'
import { presented, presentedWithProof } from '../engine/presented.ts'
import { boundTo, type Prover } from '../engine/prover.ts'
import { certificateBinding, withCertificate } from '../engine/shown-certificate.ts'
import { type StandIn, standIn } from '../engine/stand-in.ts'
import { askedOfCall, bodyOf, isJudged, missingForCall, withJsonBody } from '../engine/tool-call.ts'
import { trial } from '../engine/trial.ts'
import { denialText } from '../explain/denial-text.ts'
import { unmetOf } from '../explain/explanation.ts'
import { linesOf } from '../explain/header-changes.ts'
import { sourcesOf } from '../text/credential-text.ts'
import { requirementName } from '../text/requirement-text.ts'
import { shown } from '../text/shown.ts'
import type { CaseClock } from './case-clock.ts'
import type { TestCase } from './case-file.ts'

export interface Mismatch {
  /** It is `decision`, `route`, `reported`, the name of a header, or the key of a case that has no effect. */
  readonly what: string
  readonly expected: string
  readonly actual: string
  /** It is set when the case says what the configuration has no use for; `expected` is then what it lacks. */
  readonly hasNoEffect?: true
}

export interface CaseResult {
  readonly test: TestCase
  readonly decision: string
  /** The reason of the refusal, as the log would show it; undefined when nothing was refused or reported. */
  readonly reason: string | undefined
  readonly mismatches: readonly Mismatch[]
  /** The id of the route that took the request; undefined when none did. */
  readonly route: string | undefined
  /** Whether the request came without a token, with one that was not accepted, or from a verified caller. */
  readonly caller: 'anonymous' | 'rejected' | 'verified'
  /** The requirements of the route that the caller does not meet, each as {@link requirementName} says it. */
  readonly unmet: readonly string[]
  /** The single scopes and roles that the caller lacks, each as `scopes orders:read`. */
  readonly missing: readonly string[]
  /** What came of a preflight: `unnamed`, if the answer leaves out a header that the page wants to send. */
  readonly preflight: 'allowed' | 'refused' | 'unnamed' | undefined
  /** The line of the route that has judged the call of a tool, as `mcp.tools.orders.delete`. */
  readonly calledBy: string | undefined
}

/** @param clock is the one of `services` */
export async function runCases(
  config: Config,
  cases: readonly TestCase[],
  services: Services,
  namedFiles: NamedFiles,
  clock: CaseClock,
): Promise<readonly CaseResult[]> {
  const deps: CaseDeps = { config, services, namedFiles, trusted: standIn(config, services) }
  const results: CaseResult[] = []
  for (const test of cases) {
    clock.set(test.now)
    results.push(await runCase(test, deps))
  }
  clock.set(undefined)
  return results
}

interface CaseDeps {
  readonly config: Config
  readonly services: Services
  readonly namedFiles: NamedFiles
  readonly trusted: StandIn
}

async function runCase(test: TestCase, deps: CaseDeps): Promise<CaseResult> {
  const { config, services, namedFiles } = deps
  const { policy, prover } = deps.trusted
  const { proof } = test
  const plain = requestWith(test, config)
  const claims = await boundClaims(test, prover)
  const path = plain.target.split('?', 1)[0] ?? ''
  const expectedRoute = policy.matcher.match(plain.method, path)
  const routeConfig = config.routes.find(({ id }) => id === expectedRoute?.id)
  const isCall = isJudged(routeConfig, plain)
  const request = isCall ? withJsonBody(plain) : plain
  const signed = claims && (await tokenOf(test, claims, routeConfig, deps.trusted))
  const facts =
    signed === undefined
      ? request
      : await withToken(request, signed.token, sourcesOf(routeConfig, config), { proof, prover })
  const further = entriesOf(test, signed?.issuer, config, services)
  putInForce(services.revocations, config, { namedFiles, further, state: test.revocation ?? 'fresh' })
  const tried = await trial(policy, facts, isCall && test.message ? bodyOf(test.message) : undefined)
  const { findings, denial, upstreamHeaders } = tried
  const { principal, reported, route } = findings
  const refusal = denial ?? reported
  const preflight = preflightIn(facts, tried)
  const unnamed = preflight === undefined ? [] : headersRefused(preflight, tried)
  const outcome = {
    // The browser is who refuses here, but what the page may not send is refused for whoever writes the case.
    decision: denial?.code ?? (unnamed.length > 0 ? 'cors_refused' : 'allow'),
    reported: reported?.code,
    route: route?.id,
    headers: upstreamHeaders,
  }
  const caller =
    principal !== undefined
      ? 'verified'
      : refusal === undefined || refusal.code === 'token_missing'
        ? 'anonymous'
        : 'rejected'
  const context = requirementContext(config, services.clock)
  const requirements = routeConfig === undefined || principal === undefined ? [] : requirementsOf(routeConfig, context)
  const unmet = principal === undefined ? [] : await unmetOf(requirements, principal, facts)
  const isAsked = principal !== undefined || (caller === 'anonymous' && routeConfig?.access === 'optional')
  const tool = isCall && isAsked ? test.message?.tool : undefined
  const call = tool === undefined || routeConfig?.mcp === undefined ? undefined : askedOfCall(routeConfig.mcp, tool)
  const missingForTool = call === undefined ? [] : missingForCall(call, principal)
  const isCallUnmet = call !== undefined && (call.scopes === undefined || missingForTool.length > 0)
  const hasRoute = { taken: route !== undefined, isPreflight: preflight !== undefined, isCall }
  return {
    test,
    decision: outcome.decision,
    reason:
      refusal === undefined
        ? unnamed.length === 0
          ? undefined
          : shown(`the answer does not name ${unnamed.join(', ')}`)
        : shown(denialText(refusal)),
    mismatches: shown([...withoutEffect(test, config, routeConfig, hasRoute), ...mismatches(test, outcome)]),
    route: route?.id,
    caller,
    unmet: [...unmet.map(requirementName), ...(isCallUnmet ? [call.line] : [])],
    missing: [
      ...(principal === undefined ? [] : unmet.flatMap(requirement => missingValues(requirement, principal))),
      ...missingForTool.map(scope => `${call?.line} ${scope}`),
    ],
    preflight:
      preflight === undefined
        ? undefined
        : denial !== undefined
          ? 'refused'
          : unnamed.length > 0
            ? 'unnamed'
            : 'allowed',
    calledBy: call?.line,
  }
}

/** Returns what the token of a case says, with what it is bound to; undefined where the case has none. */
async function boundClaims(test: TestCase, prover: Prover): Promise<Claims | undefined> {
  const { introspection, proof, certificate } = test
  const given = introspection?.active === true ? introspection.claims : introspection === undefined ? test.claims : {}
  const bound = given && { ...given, ...(certificate && certificateClaims(given, certificate)) }
  return bound && { ...bound, ...(proof && boundTo(await prover.jkt(), bound)) }
}

/** Where the route asks no server, the case is told so by {@link withoutEffect}. */
async function tokenOf(
  { introspection, provider }: TestCase,
  claims: Claims,
  route: RouteConfig | undefined,
  trusted: StandIn,
): Promise<{ readonly token: string; readonly issuer: string | undefined } | undefined> {
  if (introspection === undefined) return await trusted.token(claims, route, provider)
  const { active } = introspection
  return trusted.introspected(active ? { active, claims } : { active }, route, { provider })
}

/** Where the configuration asks for no certificate, the case is told so by {@link withoutEffect}. */
function requestWith({ request, certificate }: TestCase, config: Config): RequestFacts {
  if (certificate === undefined || certificate === 'none') return request
  return withCertificate(request, certificate, config) ?? request
}

function certificateClaims(claims: Claims, certificate: NonNullable<TestCase['certificate']>): Claims {
  return certificateBinding(claims, certificate === 'none' ? undefined : certificate)
}

/** Puts the token into the request, with scheme DPoP and its proof, or as a bearer token where it has none. */
async function withToken(
  request: RequestFacts,
  token: string,
  sources: readonly CredentialSource[],
  { proof, prover }: { readonly proof: TestCase['proof']; readonly prover: Prover },
): Promise<RequestFacts> {
  if (proof === undefined || proof === 'none') return presented(request, token, sources)
  const made = await prover.proof(request, token, proof === 'dpop' ? {} : proof)
  return presentedWithProof(request, token, sources, made)
}

/** @param issuer of the token; undefined where none is sent, and nobody is there to be revoked */
function entriesOf(
  { revoked }: TestCase,
  issuer: string | undefined,
  { revocation }: Config,
  { clock }: Services,
): readonly RevocationEntry[] {
  const nowSeconds = Math.floor(clock.nowMs() / 1000)
  return revoked.flatMap(entry => {
    const of = entry.issuer ?? issuer
    return of === undefined ? [] : [withTimes({ ...entry, issuer: of }, nowSeconds, (revocation?.keep ?? 0) / 1000)]
  })
}

/** A case must not pass because the configuration has no use for what it says. */
function withoutEffect(
  { introspection, provider, revoked, revocation: state, proof, certificate, isPreflight, message }: TestCase,
  { providers, revocation, dpop, listen, clientCertificate }: Config,
  route: RouteConfig | undefined,
  found: { readonly taken: boolean; readonly isPreflight: boolean; readonly isCall: boolean },
): readonly Mismatch[] {
  const accepted = provider === undefined ? (route?.providers ?? Object.keys(providers)) : [provider]
  const needs = (what: string, expected: string): Mismatch => ({ what, expected, actual: 'nothing', hasNoEffect: true })
  return [
    ...(introspection !== undefined && !accepted.some(id => asksServer(providers[id]))
      ? [needs('introspection', 'a provider of `type: introspection` that the route accepts')]
      : []),
    ...(revoked.length > 0 && revocation === undefined
      ? [needs('revoked', 'the section `revocation` in the configuration')]
      : []),
    ...(state === 'stale' && revocation?.store === undefined
      ? [needs('revocation', '`revocation.store` in the configuration, which alone can be stale')]
      : []),
    ...(proof !== undefined && proof !== 'none' && dpop === undefined
      ? [needs('proof', 'the section `dpop` in the configuration')]
      : []),
    ...(certificate !== undefined &&
    certificate !== 'none' &&
    certificateSource(listen, clientCertificate) === undefined
      ? [needs('certificate', '`listen.tls.clientCertificate` or `clientCertificate` in the configuration')]
      : []),
    ...(isPreflight && found.taken && !found.isPreflight
      ? [needs('preflight', '`cors` on the route that takes the request of the page')]
      : []),
    ...(message !== undefined && found.taken && !found.isCall
      ? [needs('mcp', '`mcp.tools` on the route that takes the request')]
      : []),
  ]
}

function asksServer(provider: ProviderConfig | undefined): boolean {
  return provider !== undefined && providerTraits(provider).asksServer
}

function missingValues(requirement: Requirement, principal: Principal): readonly string[] {
  const { kind } = requirement
  switch (kind) {
    case 'scopes':
    case 'roles':
      return requirement.wanted.filter(each => !principal[kind].has(each)).map(each => `${kind} ${each}`)
    case 'anyScope':
    case 'anyRole':
    case 'audiences':
    case 'proof':
    case 'claim':
    case 'acr':
    case 'authAge':
    case 'tokenAge':
      return []
  }
}

interface Outcome {
  readonly decision: string
  readonly reported: string | undefined
  readonly route: string | undefined
  readonly headers: readonly string[] | undefined
}

function mismatches(test: TestCase, { decision, reported, route, headers }: Outcome): readonly Mismatch[] {
  const found: Mismatch[] = []
  const compare = (what: string, expected: string | undefined, actual: string | undefined): void => {
    if (expected !== actual) found.push({ what, expected: expected ?? 'nothing', actual: actual ?? 'nothing' })
  }
  compare('decision', test.expect, decision)
  if (test.reported !== undefined) compare('reported', test.reported, reported)
  if (test.route !== undefined) compare('route', test.route, route)
  // A request that was refused has no headers for the upstream, and the decision has told of that already.
  if (headers !== undefined)
    for (const [name, value] of Object.entries(test.headers))
      compare(name, value ?? undefined, headerValue(headers, name))
  return found
}

function headerValue(headers: readonly string[], name: string): string | undefined {
  const values = linesOf(headers).filter(line => line.name.toLowerCase() === name.toLowerCase())
  return values.length === 0 ? undefined : values.map(({ value }) => value).join(', ')
}
