/**
 * Judges what `dpop` and `require.proof` mean together with the other sections: whether the proofs that a route asks
 * for are judged at all, and whether the store that they share is there.
 */
import type { Draft } from '../schema/draft.ts'
import type { Finding } from './findings.ts'

export function proofFindings(draft: Draft): readonly Finding[] {
  return [...storeFindings(draft), ...requirementFindings(draft)]
}

function storeFindings({ dpop, store, identity }: Draft): readonly Finding[] {
  if (dpop === undefined && identity?.forwardToken === 'asBearer') {
    const message = 'has no effect without `dpop`: no token comes with another scheme; write `true`'
    return [{ path: ['identity', 'forwardToken'], message, about: 'dpop' }]
  }
  if (dpop?.replay.whenUnavailable !== undefined && dpop.replay.store !== true) {
    const message = 'has no effect without `store: true`; add that, or leave it out'
    return [{ path: ['dpop', 'replay', 'whenUnavailable'], message, at: 'key' }]
  }
  if (dpop?.replay.store === true && store === undefined) {
    const message = 'needs the section `store`, which says where the store is; add it'
    return [{ path: ['dpop', 'replay', 'store'], message, at: 'key', about: 'store' }]
  }
  return []
}

/** Refuses a route that nobody could get into: a proof comes with scheme DPoP, and that in `Authorization` alone. */
function requirementFindings({ dpop, credentials, routes }: Draft): readonly Finding[] {
  return [...routes].flatMap(([index, { require, credentials: own }]): readonly Finding[] => {
    if (require?.proof !== 'dpop') return []
    const path = ['routes', index, 'require', 'proof']
    if (dpop === undefined) {
      const message = 'asks for DPoP proofs, which nobody judges; add the section `dpop`'
      return [{ path, message, about: 'dpop' }]
    }
    if ((own ?? credentials ?? ['authorization']).includes('authorization')) return []
    const message = 'asks for DPoP proofs, which go with `Authorization`; add `authorization` to `credentials`'
    return [{ path, message }]
  })
}
