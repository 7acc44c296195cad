/**
 * Judges what `dpop` and `require.proof` mean together with the other sections: whether the proofs that a route asks
 * for are judged at all, and whether the store that they share is there.
 */
import { certificateSource } from '../schema/certificate-source.ts'
import type { Draft } from '../schema/draft.ts'
import type { RouteConfig } from '../schema/schema.ts'
import { takesSessionsOnly } from './check-session-routes.ts'
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

/** Refuses a route that nobody could get into, because its proofs have no place to come from. */
function requirementFindings(draft: Draft): readonly Finding[] {
  return [...draft.routes].flatMap(([index, route]): readonly Finding[] => {
    // A session has no proof, wherever it may come from, and that is told elsewhere.
    const problem = takesSessionsOnly(draft, route) ? undefined : requirementProblem(draft, route)
    return problem === undefined ? [] : [{ ...problem, path: ['routes', index, 'require', 'proof'] }]
  })
}

function requirementProblem(
  { listen, clientCertificate, dpop, credentials }: Draft,
  { require, credentials: own }: RouteConfig,
): Pick<Finding, 'message' | 'about'> | undefined {
  // Where `listen` itself is wrong, nobody knows whether certificates are asked for.
  const lacksCertificates = listen !== undefined && certificateSource(listen, clientCertificate) === undefined
  switch (require?.proof) {
    case undefined:
      return undefined
    case 'dpop': {
      if (dpop === undefined)
        return { message: 'asks for DPoP proofs, which nobody judges; add the section `dpop`', about: 'dpop' }
      // A proof comes with scheme DPoP, and that in `Authorization` alone.
      if ((own ?? credentials ?? ['authorization']).includes('authorization')) return undefined
      return { message: 'asks for DPoP proofs, which go with `Authorization`; add `authorization` to `credentials`' }
    }
    case 'certificate': {
      if (!lacksCertificates) return undefined
      const message =
        'asks for client certificates, which come from nowhere; add `listen.tls.clientCertificate` or `clientCertificate`'
      return { message, about: 'clientCertificate' }
    }
    case 'any': {
      if (!lacksCertificates || dpop !== undefined) return undefined
      const message =
        'asks for a proof, and none is judged; add `dpop`, `listen.tls.clientCertificate` or `clientCertificate`'
      return { message, about: 'dpop' }
    }
  }
}
