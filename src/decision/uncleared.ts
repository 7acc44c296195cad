/**
 * Refuses what a proxy could not keep from its service: a managed name in a spelling of the client's own.
 *
 * Envoy removes whatever a yes names. The others clear the names in their configuration and no more, so that
 * `X_Auth_Subject`, or an `X-Auth-Admin` of which only `X-Auth-*` is known, would reach the service beside what it is
 * told. Some services take the first for `X-Auth-Subject`.
 */
import { Denial } from '../errors.ts'
import { isHopByHop } from '../forward/hop-by-hop.ts'
import { foldedFieldName } from '../lib/field-name.ts'
import type { Policy } from '../policy.ts'
import type { RequestFacts } from '../types.ts'
import type { Caller } from './callers.ts'

/** @returns undefined for a request whose managed names the proxy clears */
export function uncleared(
  caller: Caller,
  { rawHeaders }: RequestFacts,
  { managedNames, isManaged }: Pick<Policy, 'managedNames' | 'isManaged'>,
): Denial | undefined {
  if (caller === 'envoy') return undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (!isManaged(name) || isHopByHop(foldedFieldName(name))) continue
    const spelling = name.toLowerCase()
    if (managedNames.some(each => each.toLowerCase() === spelling)) continue
    const problem = `is a managed name, and ${caller} clears it in other spellings alone`
    return new Denial('request_malformed', { evidence: { what: spelling, problem } })
  }
  return undefined
}
