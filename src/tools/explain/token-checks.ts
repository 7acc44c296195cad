/** Shows how the token of a request was judged: whether it counts, is taken back, and belongs to who has brought it. */

import { isDeepStrictEqual } from 'node:util'
import { acceptedProviders } from '../../config/schema/accepted.ts'
import { certificateSource } from '../../config/schema/certificate-source.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import type { Denial } from '../../errors.ts'
import type { Route } from '../../policy.ts'
import type { Principal } from '../../types.ts'
import type { Trial } from '../engine/trial.ts'
import { sourcesOf, sourceText } from '../text/credential-text.ts'
import { isAnonymous } from './call-checks.ts'
import { denialText } from './denial-text.ts'
import type { ExplainedCheck } from './explained-check.ts'
import { isOfSession, wantedCredential, wantedInSession } from './session-checks.ts'

export function tokenChecks(
  tried: Trial,
  route: Route,
  routeConfig: RouteConfig,
  config: Config,
  brings: 'session' | 'token',
): readonly ExplainedCheck[] {
  return [
    tokenCheck(tried, route, routeConfig, { config, brings }),
    ...revocationChecks(tried, config),
    ...possessionChecks(tried, config),
  ]
}

function tokenCheck(
  { findings: { principal, reported }, denial }: Trial,
  route: Route,
  routeConfig: RouteConfig,
  { config, brings }: { readonly config: Config; readonly brings: 'session' | 'token' },
): ExplainedCheck {
  const refusal = denial ?? reported
  if (brings === 'session') {
    const inSession = { check: 'token', wanted: wantedInSession(routeConfig, config) }
    if (principal === undefined && refusal !== undefined && isOfSession(refusal))
      return { ...inSession, result: 'skipped', saw: 'not looked at' }
    if (principal !== undefined) return { ...inSession, result: 'ok', saw: `valid, of ${principal.provider}` }
  }
  const accepted = acceptedProviders(config, routeConfig)
  const sources = sourcesOf(routeConfig, config).map(sourceText)
  const where = isDeepStrictEqual(sources, ['Authorization']) ? '' : `, in ${sources.join(' or ')}`
  const wanted = `${route.access === 'optional' ? 'none, or ' : ''}${wantedCredential(config, accepted)}${where}`
  if (principal !== undefined) return { check: 'token', result: 'ok', wanted, saw: `valid, of ${principal.provider}` }
  if (route.access === 'optional' && isAnonymous(refusal)) return { check: 'token', result: 'ok', wanted, saw: 'none' }
  if (refusal === undefined) return { check: 'token', result: 'ok', wanted, saw: 'none' }
  if (isOfValidToken(refusal)) return { check: 'token', result: 'ok', wanted, saw: `valid, of ${refusal.provider}` }
  return { check: 'token', result: 'fails', wanted, saw: denialText(refusal) }
}

/** What is refused in a layer is a token that was verified. */
function isOfValidToken({ provider, spec: { stage } }: Denial): boolean {
  return stage === 'revocation' || (stage === 'proof' && provider !== undefined)
}

/** A token is verified before anybody asks whether it was taken back. */
function revocationChecks(
  { findings: { principal, reported }, denial }: Trial,
  { revocation }: Config,
): readonly ExplainedCheck[] {
  if (revocation === undefined) return []
  const check = 'revocation'
  const wanted = 'a token that is not revoked'
  if (principal !== undefined) return [{ check, result: 'ok', wanted, saw: 'no entry that revokes it' }]
  const refusal = denial ?? reported
  if (refusal?.spec.stage === 'revocation') return [{ check, result: 'fails', wanted, saw: denialText(refusal) }]
  if (refusal?.spec.stage === 'proof') return [{ check, result: 'ok', wanted, saw: 'no entry that revokes it' }]
  return [{ check, result: 'skipped', wanted, saw: 'no token to ask it of' }]
}

/**
 * Tells whether the caller holds the key of a bound token. Where nobody judges proofs or asks for certificates, only a
 * refusal is shown.
 */
function possessionChecks(
  { findings: { principal, reported }, denial }: Trial,
  { dpop, listen, clientCertificate }: Config,
): readonly ExplainedCheck[] {
  const check = 'possession'
  const wanted = 'a proof of the key that the token is bound to'
  const refusal = denial ?? reported
  if (principal === undefined && refusal?.spec.stage === 'proof')
    return [{ check, result: 'fails', wanted, saw: denialText(refusal) }]
  if (principal?.confirmation !== undefined) return [{ check, result: 'ok', wanted, saw: boundText(principal) }]
  if (dpop === undefined && certificateSource(listen, clientCertificate) === undefined) return []
  if (principal !== undefined) return [{ check, result: 'ok', wanted, saw: 'a token that is not bound' }]
  return [{ check, result: 'skipped', wanted, saw: 'no token to ask it of' }]
}

function boundText({ confirmation: { jkt, certificateThumbprint } = NOTHING }: Principal): string {
  return [
    ...(jkt === undefined ? [] : [`the proof of key ${jkt}`]),
    ...(certificateThumbprint === undefined ? [] : [`the certificate ${certificateThumbprint}`]),
  ].join(', ')
}

const NOTHING = { jkt: undefined, certificateThumbprint: undefined }
