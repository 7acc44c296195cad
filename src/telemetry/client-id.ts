/**
 * Finds the program that a token was issued to, for the log and the audit log.
 *
 * RFC 9068 §2.2 names it `client_id`, and older providers say `azp` (OpenID Connect Core §2).
 */
import type { Principal } from '../types.ts'

export function clientIdOf({ claims }: Principal): string | undefined {
  const { client_id: clientId, azp } = claims
  if (typeof clientId === 'string') return clientId
  return typeof azp === 'string' ? azp : undefined
}
