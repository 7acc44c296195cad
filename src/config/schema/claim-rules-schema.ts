/**
 * Holds the keys of a provider that say which claims are wanted, and where they are: the same for each type of
 * provider. Where the types differ in what a key means, the description is given.
 */
import * as z from 'zod'
import { acrList, claimReference, duration, text } from './fields.ts'

export function audiencesRule() {
  return z
    .array(text())
    .min(1, { error: 'must not be empty: tokens meant for anyone else would pass; list at least one' })
    .describe('A token must carry at least one of them in `aud`.')
}

export function clockToleranceRule(description: string) {
  return duration({ min: '0s', max: '10m' }).prefault('5s').describe(description)
}

export function maxLifetimeRule(description: string) {
  return duration({ min: '1s', max: '87600h' }).optional().describe(description)
}

export function acrOrderRule() {
  return acrList()
    .optional()
    .describe('Values of `acr`, the weakest first: a stronger one than `require.acr` asks for will do, too.')
}

export function requiredClaimsRule(description: string) {
  return z.array(claimReference()).default([]).describe(description)
}

/** Where scopes and roles are. */
export function grantClaims() {
  return {
    scopeClaim: claimReference()
      .optional()
      .describe('Claim with the scopes. Default: `scope`, or `scp` where that is missing or empty.'),
    rolesClaim: claimReference()
      .default('roles')
      .describe('Claim with the roles: a name, or a JSON Pointer when it starts with `/`. Default `roles`.'),
  }
}
