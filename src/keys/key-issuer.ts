/**
 * Says for whose tokens a key is, where its set says so: Microsoft Entra puts `issuer` into each key of a set that all
 * tenants share, with `{tenantid}` where the key is for every tenant.
 *
 * No RFC has this member. It is not asked here whether a tenant is accepted: only tokens of an issuer that the provider
 * accepts get here.
 */
import { boundedMemo } from '../lib/bounded-memo.ts'

/** Each placeholder tries up to 64 lengths, so that many of them in a row would be slow to match. */
const MOST_PLACEHOLDERS = 4
const LONGEST_TEMPLATE = 512

/** @returns whether the `issuer` of a key can be matched without much work; a key set comes from somebody else */
export function isIssuerTemplate(text: string): boolean {
  return text.length <= LONGEST_TEMPLATE && text.split('{').length - 1 <= MOST_PLACEHOLDERS
}

/**
 * @param keyIssuer the issuer of the key, in which `{name}` stands for any tenant; undefined: it is for all of them
 * @param issuers every spelling of the token's issuer
 */
export function isKeyOf(keyIssuer: string | undefined, issuers: readonly string[]): boolean {
  if (keyIssuer === undefined || issuers.includes(keyIssuer)) return true
  if (!keyIssuer.includes('{')) return false
  const pattern = patternOf(keyIssuer)
  return issuers.some(issuer => pattern.test(issuer))
}

/** The templates of all sets in use are few. */
const patternOf = boundedMemo(
  template =>
    new RegExp(
      `^${template
        .split(/\{[^{}]*\}/)
        .map(RegExp.escape)
        .join('[A-Za-z0-9._-]{1,64}')}$`,
    ),
  { maxEntries: 256, maxKeyLength: LONGEST_TEMPLATE },
)
