/**
 * Makes what a test case sends, as its caller would: the token with what it is bound to, the session, what a browser
 * says of the page, and which of that is revoked.
 *
 * What becomes of it is found by `run-cases.ts`.
 */
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import type { Endpoint, Route } from '../../policy.ts'
import { type RevocationEntry, withTimes } from '../../revocation/entry.ts'
import type { Services } from '../../run/services.ts'
import type { Claims, CredentialSource, RequestFacts } from '../../types.ts'
import { fromBrowser, siteOf } from '../engine/browser-request.ts'
import { presented, presentedWithProof } from '../engine/presented.ts'
import { boundTo, type Prover } from '../engine/prover.ts'
import { certificateBinding, withCertificate } from '../engine/shown-certificate.ts'
import type { StandIn } from '../engine/stand-in.ts'
import type { TestCase } from './case-file.ts'

/** Returns what the token of a case says, with what it is bound to; undefined where the case has none. */
export async function boundClaims(test: TestCase, prover: Prover): Promise<Claims | undefined> {
  const { introspection, proof, certificate } = test
  const given = introspection?.active === true ? introspection.claims : introspection === undefined ? test.claims : {}
  const bound = given && { ...given, ...(certificate && certificateClaims(given, certificate)) }
  return bound && { ...bound, ...(proof && boundTo(await prover.jkt(), bound)) }
}

/** Where the route asks no server, the case is told so (`mismatches.ts`). */
export async function tokenOf(
  { introspection, provider }: TestCase,
  claims: Claims,
  route: RouteConfig | undefined,
  trusted: StandIn,
): Promise<{ readonly token: string; readonly issuer: string | undefined } | undefined> {
  if (introspection === undefined) return await trusted.token(claims, route, provider)
  const { active } = introspection
  return trusted.introspected(active ? { active, claims } : { active }, route, { provider })
}

/** Where the route takes no sessions, the case is told so (`mismatches.ts`). */
export async function sessionOf(
  { session, steppedUp }: TestCase,
  config: RouteConfig | undefined,
  trusted: StandIn,
  route: Route | Endpoint | undefined,
) {
  if (session === undefined) return undefined
  const asked = steppedUp && route?.kind === 'route' ? route.challenge : undefined
  return trusted.session(session, config, { asked })
}

/** Says of the page what its browser would. A case that says nothing of a browser is sent by none. */
export function asOfBrowser(
  { session, origin, fetchSite, navigate }: TestCase,
  request: RequestFacts,
  to: { readonly cookie: string | undefined; readonly route: RouteConfig | undefined; readonly config: Config },
): RequestFacts {
  const ofNobody = navigate ? 'none' : 'absent'
  const site = fetchSite ?? (session === undefined ? ofNobody : siteOf(origin, to.route, to.config))
  return fromBrowser(request, { cookie: to.cookie, site, origin, mode: navigate ? 'navigate' : 'fetch' })
}

/** Where the configuration asks for no certificate, the case is told so (`mismatches.ts`). */
export function requestWith({ request, certificate }: TestCase, config: Config): RequestFacts {
  if (certificate === undefined || certificate === 'none') return request
  return withCertificate(request, certificate, config) ?? request
}

function certificateClaims(claims: Claims, certificate: NonNullable<TestCase['certificate']>): Claims {
  return certificateBinding(claims, certificate === 'none' ? undefined : certificate)
}

/** Puts the token into the request, with scheme DPoP and its proof, or as a bearer token where it has none. */
export async function withToken(
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
export function entriesOf(
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
