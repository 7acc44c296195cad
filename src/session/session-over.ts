/** Tells that a session is over from everything else that may be wrong with a request. */
import { Denial } from '../errors.ts'

export function isOver(error: unknown): boolean {
  return error instanceof Denial && (error.code === 'session_expired' || error.code === 'session_reused')
}
