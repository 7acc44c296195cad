/**
 * Hands out one authenticator per definition, the same object each time it is asked for again.
 *
 * Verified tokens are remembered for the authenticator that verified them, so a reload which changes neither the rules
 * of a provider nor its keys keeps them; one that changes either makes a new authenticator, and they are verified anew.
 */
import { LRUCache } from 'lru-cache'
import type { ProviderConfig } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { KeySet } from '../types.ts'
import { jwtVerifier } from './jwt/jwt.ts'
import type { TokenVerifier } from './verifier.ts'

export interface Authenticators {
  /** @param provider its id */
  of(provider: string, config: ProviderConfig, keySet: KeySet): TokenVerifier
}

/** Definitions that are kept for one key set: a change that is taken back finds its tokens verified. */
const KEPT_DEFINITIONS = 8

export function authenticators(clock: Clock): Authenticators {
  const byKeySet = new WeakMap<KeySet, LRUCache<string, TokenVerifier>>()
  return {
    of(provider, config, keySet) {
      // Where keys come from is what the key set stands for; all else decides verdicts, or might.
      const { keys: _source, ...rules } = config
      const definition = JSON.stringify([provider, rules])
      const known = byKeySet.get(keySet) ?? new LRUCache({ max: KEPT_DEFINITIONS })
      byKeySet.set(keySet, known)
      const authenticator = known.get(definition) ?? newAuthenticator(provider, config, keySet, clock)
      known.set(definition, authenticator)
      return authenticator
    },
  }
}

function newAuthenticator(provider: string, config: ProviderConfig, keySet: KeySet, clock: Clock): TokenVerifier {
  return jwtVerifier({
    provider,
    issuer: config.issuer,
    audiences: config.audiences,
    algorithms: config.algorithms === undefined ? undefined : new Set(config.algorithms),
    keySet,
    clockToleranceSeconds: config.clockTolerance / 1000,
    maxLifetimeSeconds: config.maxLifetime === undefined ? undefined : config.maxLifetime / 1000,
    tokenType: config.tokenType,
    requiredClaims: config.requiredClaims,
    scopeClaim: config.scopeClaim,
    rolesClaim: config.rolesClaim,
    clock,
  })
}
