/** Compiles what tells the service who is calling: the identity headers, and the token that we sign. */
import {
  compileIdentity,
  DEFAULT_IDENTITY_HEADERS,
  type IdentityHeader,
  identityHeader,
  type TokenHeader,
} from '../identity/header-lines.ts'
import { callerClaim, internalTokens } from '../signing/internal-token.ts'
import type { PolicyParts } from './policy-parts.ts'
import type { Config } from './schema/schema.ts'

type SigningParts = Pick<PolicyParts, 'signing' | 'clock'>

export function compiledIdentity(config: Config, parts: SigningParts): ReturnType<typeof compileIdentity> {
  const { reserved, maxBytes } = config.identity
  return compileIdentity({ headers: identityHeaders(config), token: tokenHeader(config, parts), reserved, maxBytes })
}

function identityHeaders({ identity: { headers } }: Config): readonly IdentityHeader[] {
  if (headers === undefined) return DEFAULT_IDENTITY_HEADERS
  return Object.entries(headers).map(([name, { claim, join }]) => identityHeader(name, claim, join))
}

function tokenHeader({ identity: { token } }: Config, { signing, clock }: SigningParts): TokenHeader | undefined {
  if (token === undefined || signing === undefined) return undefined
  const { header: name, issuer, audience, lifetime: lifetimeMs } = token
  const claims = Object.entries(token.claims).map(([claim, from]) => [claim, callerClaim(from)] as const)
  return { name, tokens: internalTokens({ issuer, audience, lifetimeMs, claims, clock, ...signing }) }
}
