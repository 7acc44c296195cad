/** Says what of a case did not come as expected, and what of it the configuration has no use for. */
import { acceptedProviders } from '../../config/schema/accepted.ts'
import { certificateSource } from '../../config/schema/certificate-source.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config, ProviderConfig, RouteConfig } from '../../config/schema/schema.ts'
import { takesSessions } from '../engine/browser-request.ts'
import { linesOf } from '../explain/header-changes.ts'
import type { TestCase } from './case-file.ts'

export interface Mismatch {
  /** It is `decision`, `route`, `reported`, the name of a header, or the key of a case that has no effect. */
  readonly what: string
  readonly expected: string
  readonly actual: string
  /** It is set when the case says what the configuration has no use for; `expected` is then what it lacks. */
  readonly hasNoEffect?: true
}

interface Outcome {
  readonly decision: string
  readonly reported: string | undefined
  readonly route: string | undefined
  readonly headers: readonly string[] | undefined
  /** Where a browser is sent. */
  readonly location: string | undefined
}

export function mismatches(
  test: TestCase,
  { decision, reported, route, headers, location }: Outcome,
): readonly Mismatch[] {
  const found: Mismatch[] = []
  const compare = (what: string, expected: string | undefined, actual: string | undefined): void => {
    if (expected !== actual) found.push({ what, expected: expected ?? 'nothing', actual: actual ?? 'nothing' })
  }
  compare('decision', test.expect, decision)
  if (test.reported !== undefined) compare('reported', test.reported, reported)
  if (test.location !== undefined) compare('location', test.location, location)
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

/** A case must not pass because the configuration has no use for what it says. */
export function withoutEffect(
  test: TestCase,
  config: Config,
  route: RouteConfig | undefined,
  found: { readonly hasRoute: boolean; readonly isPreflight: boolean; readonly isCall: boolean },
): readonly Mismatch[] {
  const { introspection, provider, session, revoked, revocation: state, proof, certificate } = test
  const { isPreflight, message, repeat } = test
  const { providers, revocation, dpop, listen, clientCertificate } = config
  const accepted = provider === undefined ? acceptedProviders({ providers }, route ?? {}) : [provider]
  const needs = (what: string, expected: string): Mismatch => ({ what, expected, actual: 'nothing', hasNoEffect: true })
  return [
    ...(introspection !== undefined && !accepted.some(id => asksServer(providers[id]))
      ? [needs('introspection', 'a provider of `type: introspection` that the route accepts')]
      : []),
    ...(session !== undefined && route !== undefined && !takesSessions(route, config)
      ? [needs('session', 'a provider of `type: session` that the route names')]
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
    ...(isPreflight && found.hasRoute && !found.isPreflight
      ? [needs('preflight', '`cors` on the route that takes the request of the page')]
      : []),
    ...(message !== undefined && found.hasRoute && !found.isCall
      ? [needs('mcp', '`mcp.tools` on the route that takes the request')]
      : []),
    ...(repeat !== undefined && found.hasRoute && route?.rateLimits === undefined
      ? [needs('repeat', '`rateLimits` on the route that takes the request')]
      : []),
  ]
}

function asksServer(provider: ProviderConfig | undefined): boolean {
  return provider !== undefined && providerTraits(provider).asksServer
}
