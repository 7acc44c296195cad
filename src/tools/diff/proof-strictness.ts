/**
 * Compares how proofs of possession are judged.
 *
 * A new key needs a row here. Without the section `dpop`, tokens that are bound to a key are refused.
 */
import type { DpopConfig } from '../../config/schema/schema.ts'
import { anyOf, type Comparisons, type Difference, differencesOf, limitMs, otherwise, ranked } from './strictness.ts'

export function dpopDifferences(before: DpopConfig | undefined, after: DpopConfig | undefined): readonly Difference[] {
  if (before === undefined && after === undefined) return []
  if (before === undefined)
    return [{ direction: 'loosened', text: 'now takes tokens that are bound to a key, with a DPoP proof' }]
  if (after === undefined) return [{ direction: 'tightened', text: 'no longer takes tokens that are bound to a key' }]
  return differencesOf(DPOP, before, after, { before, after })
}

const DPOP: Comparisons<DpopConfig> = {
  baseUrls: anyOf,
  algorithms: anyOf,
  maxAge: limitMs,
  clockTolerance: limitMs,
  nonce: (name, before, after) => {
    if (before === undefined && after === undefined) return []
    if (before === undefined) return [{ direction: 'tightened', text: `${name}: now asked for` }]
    if (after === undefined) return [{ direction: 'loosened', text: `${name}: no longer asked for` }]
    return [
      ...limitMs(`${name}.lifetime`, before.lifetime, after.lifetime),
      ...otherwise(`${name}.secretFile`, before.secretFile, after.secretFile),
    ]
  },
  replay: (name, before, after, around) => [
    ...ranked({ true: 1, false: 0 })(`${name}.store`, before.store === true, after.store === true, around),
    ...ranked({ refuse: 1, local: 0 })(
      `${name}.whenUnavailable`,
      before.whenUnavailable,
      after.whenUnavailable,
      around,
    ),
  ],
}
