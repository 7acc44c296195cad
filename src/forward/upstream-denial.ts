/**
 * Turns a failure of the upstream into what the client may know: that the upstream was slow (504) or not there (502).
 *
 * In a pod that stops, the service may be gone before the last request comes. Its client is told to come again (503).
 */
import { Denial } from '../errors.ts'
import { isSlowness, UpstreamFailure } from '../upstream/failure.ts'

export function upstreamDenial(error: Error, upstream: string | undefined, isDraining: () => boolean): Denial {
  if (error instanceof Denial) return error
  const detail = error instanceof UpstreamFailure ? error.message : undefined
  const reason = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const code = isSlowness(reason) ? 'upstream_timeout' : isDraining() ? 'draining' : 'upstream_unreachable'
  return new Denial(code, { evidence: { upstream, reason, detail }, cause: error })
}
