/** Reads from a provider of `type: introspection` whom to ask, and by which rules answers are judged. */
import type { IntrospectionRules } from '../authenticate/introspection/introspection.ts'
import type { IntrospectionDefinition } from '../authenticate/introspection/registry.ts'
import { equalShare } from '../config/equal-share.ts'
import type { ProviderConfigs } from '../config/schema/by-provider-type.ts'
import type { EgressConfig } from '../config/schema/schema.ts'

type IntrospectionConfig = ProviderConfigs['introspection']

export function introspectionRules(id: string, config: IntrospectionConfig): IntrospectionRules {
  const { issuer, audiences, audienceCheckedByServer, tokens, requiredClaims, scopeClaim, rolesClaim } = config
  const { clockTolerance, maxLifetime } = config
  return {
    provider: id,
    issuer,
    audiences,
    audienceCheckedByServer,
    ...tokens,
    clockToleranceSeconds: clockTolerance / 1000,
    maxLifetimeSeconds: maxLifetime === undefined ? undefined : maxLifetime / 1000,
    requiredClaims,
    scopeClaim,
    rolesClaim,
  }
}

export interface QuestionSettings {
  readonly egress: EgressConfig | undefined
  /** Several processes share what the server is asked. */
  readonly workers: number
  /** Most tokens that are remembered, of each kind. */
  readonly entries: number
}

export function introspectionDefinition(
  id: string,
  config: IntrospectionConfig,
  { egress, workers, entries }: QuestionSettings,
): IntrospectionDefinition {
  const { issuer, endpoint, client, response, cache, clockTolerance, timeout } = config
  return {
    provider: id,
    issuer,
    endpoint,
    client,
    response,
    clockToleranceSeconds: clockTolerance / 1000,
    caFile: config.caFile,
    allowInsecureHttp: config.allowInsecureHttp,
    egress,
    timeoutMs: timeout,
    // A server that takes no more than this must not get more, so what cannot be shared equally is nobody's. That each
    // process has enough of it is for `check-introspection.ts` to see.
    concurrency: Math.floor(config.concurrency / workers),
    queue: equalShare(config.queue, workers),
    ttlMs: cache.ttl,
    inactiveTtlMs: cache.inactiveTtl,
    refreshAhead: cache.refreshAhead,
    maxStaleMs: cache.maxStale,
    entries,
  }
}
