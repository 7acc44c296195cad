/**
 * Compares two things that a request must satisfy: which of them lets more through, and in what.
 *
 * What is asked is positive throughout, so a larger "all of" is tighter and a larger "any of" is looser. Where neither
 * lets through all that the other does, it is a change.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Requirement, requirementsOf } from '../../config/requirements.ts'
import type { ClaimRequirement, Config, ProviderConfig, RouteConfig } from '../../config/schema/schema.ts'
import { requirementName, wantedText } from '../text/requirement-text.ts'

export type Direction = 'loosened' | 'tightened' | 'changed'

export interface Difference {
  readonly direction: Direction
  readonly text: string
}

const ACCESS_ORDER: readonly RouteConfig['access'][] = ['public', 'optional', 'required']

/** @param before,after with the policies they are part of, whose providers they accept by default */
export function routeDifferences(
  before: RouteConfig,
  after: RouteConfig,
  old: Config,
  next: Config,
): readonly Difference[] {
  const found: Difference[] = []
  if (before.access !== after.access) {
    const isTighter = ACCESS_ORDER.indexOf(after.access) > ACCESS_ORDER.indexOf(before.access)
    found.push({ direction: isTighter ? 'tightened' : 'loosened', text: `access: ${before.access} → ${after.access}` })
  }
  if (before.mode !== after.mode)
    found.push({
      direction: after.mode === 'enforce' ? 'tightened' : 'loosened',
      text: `mode: ${before.mode} → ${after.mode}`,
    })
  // What a public route asked would not have been asked, and what it now asks is part of its being closed.
  if (before.access !== 'public' && after.access !== 'public') {
    found.push(...requirementDifferences(requirementsOf(before), requirementsOf(after)))
    found.push(
      ...anyOf(
        'providers',
        before.providers ?? Object.keys(old.providers),
        after.providers ?? Object.keys(next.providers),
      ),
    )
  }
  found.push(...anyOf('pathAllow', before.pathAllow, after.pathAllow))
  const [from, to] = [before.upstream ?? onlyKey(old), after.upstream ?? onlyKey(next)]
  const [fromUrl, toUrl] = [old.upstreams[from]?.url, next.upstreams[to]?.url]
  if (!isDeepStrictEqual(fromUrl, toUrl))
    found.push({ direction: 'changed', text: `upstream: ${from} → ${to}${from === to ? ' with another address' : ''}` })
  return found
}

/** What decides about a token before any route does. */
export function providerDifferences(before: ProviderConfig, after: ProviderConfig): readonly Difference[] {
  const changed = (['issuer', 'keys', 'scopeClaim', 'rolesClaim'] as const).filter(
    name => !isDeepStrictEqual(before[name], after[name]),
  )
  return [
    ...changed.map((name): Difference => ({ direction: 'changed', text: `${name} is another` })),
    ...anyOf('audiences', before.audiences, after.audiences),
    ...optionalAnyOf('algorithms', before.algorithms, after.algorithms),
    ...allOf('requiredClaims', before.requiredClaims, after.requiredClaims),
    ...limit('maxLifetime in ms', before.maxLifetime, after.maxLifetime),
    ...limit('clockTolerance in ms', before.clockTolerance, after.clockTolerance),
    ...(before.tokenType === after.tokenType
      ? []
      : [
          {
            direction: after.tokenType === 'at+jwt' ? ('tightened' as const) : ('loosened' as const),
            text: `tokenType: ${before.tokenType} → ${after.tokenType}`,
          },
        ]),
  ]
}

/** More is looser; undefined is no limit. */
export function limit(name: string, before: number | undefined, after: number | undefined): readonly Difference[] {
  if (before === after) return []
  const isLooser = (after ?? Number.POSITIVE_INFINITY) > (before ?? Number.POSITIVE_INFINITY)
  return [{ direction: isLooser ? 'loosened' : 'tightened', text: `${name}: ${before ?? 'any'} → ${after ?? 'any'}` }]
}

function requirementDifferences(before: readonly Requirement[], after: readonly Requirement[]): readonly Difference[] {
  const old = new Map(before.map(requirement => [requirementName(requirement), requirement]))
  const next = new Map(after.map(requirement => [requirementName(requirement), requirement]))
  return [...new Set([...old.keys(), ...next.keys()])].flatMap((name): readonly Difference[] => {
    const [one, other] = [old.get(name), next.get(name)]
    if (one === undefined)
      return other === undefined ? [] : [{ direction: 'tightened', text: `now asks for ${name}: ${wantedText(other)}` }]
    if (other === undefined) return [{ direction: 'loosened', text: `no longer asks for ${name}: ${wantedText(one)}` }]
    if (one.kind === 'claim' && other.kind === 'claim') return claimDifferences(name, one.wanted, other.wanted)
    if (one.kind === 'claim' || other.kind === 'claim') return []
    return one.kind === 'scopes' || one.kind === 'roles'
      ? allOf(name, one.wanted, other.wanted)
      : anyOf(name, one.wanted, other.wanted)
  })
}

function claimDifferences(name: string, before: ClaimRequirement, after: ClaimRequirement): readonly Difference[] {
  if (isDeepStrictEqual(before, after)) return []
  if ('anyOf' in before && 'anyOf' in after) return anyOf(name, before.anyOf, after.anyOf)
  if ('all' in before && 'all' in after) return allOf(name, before.all, after.all)
  // Any value at all is the least that can be asked.
  if ('exists' in before) return [{ direction: 'tightened', text: `${name}: not any value any more` }]
  if ('exists' in after) return [{ direction: 'loosened', text: `${name}: any value will do` }]
  return [{ direction: 'changed', text: `${name} is asked for in another way` }]
}

function allOf<T>(name: string, before: readonly T[], after: readonly T[]): readonly Difference[] {
  return [
    ...without(after, before).map(value => ({ direction: 'tightened' as const, text: `${name}: also ${value}` })),
    ...without(before, after).map(value => ({ direction: 'loosened' as const, text: `${name}: no longer ${value}` })),
  ]
}

function anyOf<T>(name: string, before: readonly T[], after: readonly T[]): readonly Difference[] {
  return [
    ...without(after, before).map(value => ({ direction: 'loosened' as const, text: `${name}: or ${value}` })),
    ...without(before, after).map(value => ({
      direction: 'tightened' as const,
      text: `${name}: not ${value} any more`,
    })),
  ]
}

/** Undefined is anything. */
function optionalAnyOf<T>(
  name: string,
  before: readonly T[] | undefined,
  after: readonly T[] | undefined,
): readonly Difference[] {
  if (before !== undefined && after !== undefined) return anyOf(name, before, after)
  if (before === after) return []
  return before === undefined
    ? [{ direction: 'tightened', text: `${name}: only ${after?.join(', ')}` }]
    : [{ direction: 'loosened', text: `${name}: any, not only ${before.join(', ')}` }]
}

function without<T>(values: readonly T[], others: readonly T[]): readonly T[] {
  return values.filter(value => !others.includes(value))
}

function onlyKey({ upstreams }: Config): string {
  return Object.keys(upstreams)[0] ?? ''
}
