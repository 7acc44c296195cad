/**
 * Finds what revocation cannot reach: tokens that need not have the claim by which they would be revoked, and other
 * instances that hear of nothing.
 *
 * Entries of a file are left out of the first: whoever writes one has the token or its claims before them.
 */

import type { Path } from '../../config/check/findings.ts'
import { isLogin } from '../../config/schema/accepted.ts'
import { type ByProviderType, byProviderType } from '../../config/schema/by-provider-type.ts'
import type { Config, RevocationConfig } from '../../config/schema/schema.ts'

interface DoubtfulRevocation {
  readonly code: 'revocation-blind' | 'revocation-local-only'
  readonly path: Path
  readonly message: string
}

export function blindToRevocations({ providers, revocation }: Config): readonly DoubtfulRevocation[] {
  if (revocation === undefined) return []
  // Shared sessions bring the stream with them, and nobody need have thought of tokens.
  const isShared = Object.values(providers).some(each => each.type === 'session' && each.store === 'shared')
  const sources = isShared ? { ...revocation, store: undefined } : revocation
  return Object.entries(providers).flatMap(([id, provider]): readonly DoubtfulRevocation[] => {
    const carried = byProviderType(CARRIED, provider)
    const missing = claimsAskedFor(sources, id).filter(claim => !carried.has(claim))
    if (missing.length === 0) return []
    const names = missing.map(claim => `\`${claim}\``).join(', ')
    const message = `lets tokens in without ${names}, and by what a token lacks nobody can revoke it; add ${missing.length === 1 ? 'it' : 'them'} here if the issuer sends ${missing.length === 1 ? 'it' : 'them'}`
    return [{ code: 'revocation-blind', path: ['providers', id, 'requiredClaims'], message }]
  })
}

/** The claims that every token of a provider has, or it is refused. */
const CARRIED: ByProviderType<ReadonlySet<string>> = {
  // RFC 9068 §2.2 requires these two in every access token.
  jwt: ({ tokenType, requiredClaims }) =>
    new Set([...(tokenType === 'at+jwt' ? ['jti', 'sub'] : []), ...requiredClaims.map(asName)]),
  introspection: ({ requiredClaims }) => new Set(requiredClaims.map(asName)),
  // A session can be revoked by a name of its own, whatever its ID token has.
  session: () => new Set(['jti', 'sub', 'sid']),
  spiffe: ({ requiredClaims }) => new Set(['sub', ...requiredClaims.map(asName)]),
}

/** `/sub` is another way to write `sub`. */
function asName(reference: string): string {
  return /^\/[^/~]+$/.test(reference) ? reference.slice(1) : reference
}

/** Lists by which claims the tokens of a provider may be revoked, as far as the sources of this configuration go. */
function claimsAskedFor(revocation: RevocationConfig, id: string): readonly string[] {
  const { store, api, backchannelLogout = [], signals = [], claims } = revocation
  const logouts = backchannelLogout.filter(({ provider }) => provider === id)
  const isAnything = store !== undefined || api !== undefined
  return [
    ...(isAnything ? ['jti'] : []),
    ...(isAnything || logouts.length > 0 || signals.some(({ provider }) => provider === id) ? ['sub'] : []),
    ...(logouts.some(({ covers }) => covers === 'session') ? [asName(claims.session)] : []),
  ]
}

/** Only one instance gets a logout token or a call of the API; without a store the others let the token in. */
export function revokedHereOnly({ providers, revocation }: Config): readonly DoubtfulRevocation[] {
  if (revocation === undefined || revocation.store !== undefined) return []
  // The endpoint of a session provider is not written, and sessions that are not shared are of one instance anyway.
  const written = revocation.backchannelLogout?.filter(({ provider }) => !isLogin(providers[provider])) ?? []
  const { api, signals } = revocation
  const sources = { api, backchannelLogout: written.length === 0 ? undefined : written, signals }
  const message =
    'is heard by the one instance that is called, and the others still let the token in; add `store` if there are several'
  return (['api', 'backchannelLogout', 'signals'] as const).flatMap(source =>
    sources[source] === undefined
      ? []
      : [{ code: 'revocation-local-only' as const, path: ['revocation', source], message }],
  )
}
