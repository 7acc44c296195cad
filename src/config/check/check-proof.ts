/**
 * Judges what `dpop` and `require.proof` mean together with the other sections: whether the proofs that a route asks
 * for are judged at all, and whether the store that they share is there.
 */
import type { Draft } from '../schema/draft.ts'
import type { Finding } from './findings.ts'

export function proofFindings(draft: Draft): readonly Finding[] {
  return [...storeFindings(draft), ...requirementFindings(draft)]
}

function storeFindings({ dpop, store }: Draft): readonly Finding[] {
  if (dpop?.replay.store === true && store === undefined) {
    const message = 'needs the section `store`, which says where the store is; add it'
    return [{ path: ['dpop', 'replay', 'store'], message, at: 'key', about: 'store' }]
  }
  return []
}

/** Refuses a route that nobody could ever get into. */
function requirementFindings({ dpop, routes }: Draft): readonly Finding[] {
  return [...routes].flatMap(([index, { require }]): readonly Finding[] => {
    if (require?.proof !== 'dpop' || dpop !== undefined) return []
    const message = 'asks for DPoP proofs, which nobody judges; add the section `dpop`'
    return [{ path: ['routes', index, 'require', 'proof'], message, about: 'dpop' }]
  })
}
