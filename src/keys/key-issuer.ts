/**
 * Says for whose tokens a key is, where its set says so: Microsoft Entra puts `issuer` into each key of a set that all
 * tenants share, with `{tenantid}` where the key is for every tenant.
 *
 * No RFC has this member. It is not asked here whether a tenant is accepted: only tokens of an issuer that the provider
 * accepts get here.
 */
import { issuerTemplate, MOST_PLACEHOLDERS } from '../issuer-template.ts'
import { boundedMemo } from '../lib/bounded-memo.ts'

const LONGEST = 512

/** @returns whether the `issuer` of a key can be matched without much work; a key set comes from somebody else */
export function isKeyIssuer(text: string): boolean {
  return text.length <= LONGEST && text.split('{').length - 1 <= MOST_PLACEHOLDERS
}

/**
 * @param keyIssuer the issuer of the key, in which `{name}` stands for any tenant; undefined: it is for all of them
 * @param issuers every spelling of the token's issuer
 */
export function isKeyOf(keyIssuer: string | undefined, issuers: readonly string[]): boolean {
  if (keyIssuer === undefined || issuers.includes(keyIssuer)) return true
  const { template } = readIssuer(keyIssuer)
  return template !== undefined && issuers.some(issuer => template.valuesIn(issuer) !== undefined)
}

/** The issuers in all sets in use are few. */
const readIssuer = boundedMemo(text => ({ template: issuerTemplate(text) }), { maxEntries: 256, maxKeyLength: LONGEST })
