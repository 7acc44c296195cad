/**
 * Turns a failure of the upstream into what the client may know: that the upstream was slow (504) or not there (502).
 *
 * In a pod that stops, the service may be gone before the last request comes. Its client is told to come again (503).
 */
import { Denial } from '../errors.ts'

const TIMEOUT_CODES = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
])

export function upstreamDenial(error: Error, upstream: string | undefined, isDraining: () => boolean): Denial {
  if (error instanceof Denial) return error
  const reason = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const code = TIMEOUT_CODES.has(reason) ? 'upstream_timeout' : isDraining() ? 'draining' : 'upstream_unreachable'
  return new Denial(code, { evidence: { upstream, reason }, cause: error })
}
