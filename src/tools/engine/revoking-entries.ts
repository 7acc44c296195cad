/**
 * Finds the entries that revoke a token, with what people wrote into them. What is in force keeps fingerprints only,
 * which say that a token is revoked and not in whose words.
 */
import { claimReader } from '../../claim-reader.ts'
import { isIssuerConfigured } from '../../config/schema/accepted.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import { issuersOf } from '../../config/schema/tenants.ts'
import { issuerTemplate } from '../../issuer-template.ts'
import { type RevocationEntry, type RevocationKind, subjectText } from '../../revocation/entry.ts'
import type { Claims, JsonValue } from '../../types.ts'
import { exactTime } from '../text/moments.ts'
import { takesClaims } from './made-up-claims.ts'

/** @param entries of which each counts as it stands, also where another is about the same */
export function revokingEntries<Entry extends RevocationEntry>(
  claims: Claims,
  config: Config,
  entries: readonly Entry[],
  nowSeconds: number,
): readonly Entry[] {
  const issuers = [...trustDomains(config, claims), ...spellings(config, claims.iss)]
  const values: Readonly<Record<RevocationKind, JsonValue | undefined>> = {
    jti: claims.jti,
    sub: claims.sub,
    sid: claimReader(config.revocation?.claims.session ?? 'sid')(claims),
    client: claims.client_id ?? claims.azp,
    all: '',
  }
  const { iat } = claims
  return entries.filter(
    ({ issuer, kind, value, before, until }) =>
      issuers.includes(issuer) &&
      values[kind] === value &&
      until >= nowSeconds &&
      (before === undefined || typeof iat !== 'number' || iat <= before),
  )
}

/** An entry may name any spelling of an issuer, whichever of them the token has. */
function spellings({ providers }: Config, iss: JsonValue | undefined): readonly string[] {
  if (typeof iss !== 'string') return []
  const named = Object.values(providers).flatMap(provider => {
    const { issuers } = providerTraits(provider)
    return issuerTemplate(issuers.issuer) === undefined ? [issuersOf(issuers)] : []
  })
  return named.find(each => each.includes(iss)) ?? [iss]
}

/** An entry against a workload names its trust domain, whatever `iss` its tokens have. */
function trustDomains(config: Config, claims: Claims): readonly string[] {
  if (isIssuerConfigured(config, claims)) return []
  return Object.values(config.providers).flatMap(provider =>
    providerTraits(provider).trustDomain !== undefined && takesClaims(provider, claims)
      ? [providerTraits(provider).issuers.issuer]
      : [],
  )
}

/** Says of an entry what it revokes, up to when it does, and why, as far as it is written there. */
export function entryText(entry: RevocationEntry): string {
  const { before, until, reason } = entry
  return [
    subjectText(entry),
    ...(before === undefined ? [] : [`issued until ${timeText(before)}`]),
    ...(Number.isFinite(until) ? [`kept until ${timeText(until)}`] : []),
    ...(reason === undefined || reason === '' ? [] : [`reason: ${reason}`]),
  ].join(', ')
}

/** @param seconds since the epoch, at most those of the year 9999 */
export function timeText(seconds: number): string {
  return exactTime(seconds * 1000)
}
