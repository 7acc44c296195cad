/** Says what a client is told when the gateway ends a stream that both ends would have gone on with. */
import type { DenialCode } from '../errors.ts'
import type { StreamEnd } from '../types.ts'

/** Maps the reason why the gateway ends a stream to the code that its client is told, where it can be told. */
export const END_CODES: Readonly<Record<StreamEnd, DenialCode>> = {
  expired: 'token_expired',
  revoked: 'token_revoked',
  inactive: 'token_inactive',
  unconfirmed: 'introspection_unavailable',
  forbidden: 'claim_forbidden',
  idle: 'request_timeout',
  stalled: 'request_timeout',
  shutdown: 'draining',
}
