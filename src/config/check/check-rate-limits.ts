/**
 * Judges what `rateLimits` mean together with the other sections: whether routes name limits that are there, and
 * whether what a limit says about sharing has an effect.
 *
 * Several processes (`workers`) share what they count by the one that started them, which is never away. So `sync`
 * counts there, and `onFailure` does not.
 */
import { intervalMs, type Rate } from '../../limit/rate.ts'
import type { Draft } from '../schema/draft.ts'
import type { RateLimitConfig } from '../schema/schema.ts'
import { unknownText } from './check-routes.ts'
import type { Finding } from './findings.ts'

export function rateLimitFindings(draft: Draft): readonly Finding[] {
  const { rateLimits } = draft
  if (rateLimits === undefined) return []
  return [
    ...referenceFindings(draft, Object.keys(rateLimits)),
    ...Object.entries(rateLimits).flatMap(([id, limit]) => {
      const path = ['rateLimits', id]
      return sharingFindings(draft, limit).map(
        ({ key, ...found }): Finding => ({
          ...found,
          path: [...path, key],
          at: 'key',
        }),
      )
    }),
  ]
}

function referenceFindings({ routes }: Draft, ids: readonly string[]): readonly Finding[] {
  return [...routes].flatMap(([index, { rateLimits = [] }]) =>
    rateLimits.flatMap((id, position): readonly Finding[] => {
      if (ids.includes(id)) return []
      const path = ['routes', index, 'rateLimits', position]
      return [{ path, message: unknownText('limit', id, ids), about: 'rateLimits' }]
    }),
  )
}

interface KeyProblem extends Pick<Finding, 'message' | 'about'> {
  readonly key: keyof RateLimitConfig
}

function sharingFindings({ store, workers }: Draft, limit: RateLimitConfig): readonly KeyProblem[] {
  if (!limit.store) return aloneFindings(limit, workers)
  const message = 'needs the section `store`, which says where the store is; add it'
  return [
    ...(store === undefined ? [{ key: 'store' as const, message, about: 'store' as const }] : []),
    ...(limit.exact && limit.sync !== undefined ? [{ key: 'sync' as const, message: SYNC_BESIDE_EXACT }] : []),
    ...(limit.exact && ratesOf(limit).some(isFast) ? [{ key: 'exact' as const, message: FAST_AND_EXACT }] : []),
  ]
}

function ratesOf({ rate }: RateLimitConfig): readonly Rate[] {
  return 'claim' in rate ? [...Object.values(rate.values), rate.default] : [rate]
}

/** The store counts in whole microseconds, so that a faster rate would not be exact, either. */
function isFast(rate: Rate): boolean {
  return intervalMs(rate) < 1
}

const FAST_AND_EXACT =
  'asks the store about each request, which is for rates of up to `1000/s`; leave it out, or write a lower rate'
const SYNC_BESIDE_EXACT = 'has no effect with `exact: true`, where each request tells the store; leave it out'
const WITHOUT_STORE = 'has no effect without `store: true`; add that, or leave it out'
const ALONE = 'has no effect without `store: true`, since one process counts all; add that, or leave it out'

/** @param workers undefined where nobody knows how many there are */
function aloneFindings(
  { exact, onFailure, sync }: RateLimitConfig,
  workers: number | undefined,
): readonly KeyProblem[] {
  return [
    ...(exact ? [{ key: 'exact' as const, message: WITHOUT_STORE }] : []),
    ...(onFailure === undefined ? [] : [{ key: 'onFailure' as const, message: WITHOUT_STORE }]),
    ...(sync === undefined || workers !== 1 ? [] : [{ key: 'sync' as const, message: ALONE }]),
  ]
}
