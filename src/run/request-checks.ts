/**
 * Makes what a policy checks and answers besides routes: layers around the token cache, and endpoints of our own.
 *
 * The gateway and every command that tries a policy call this one function, so no command can pass what the gateway
 * would refuse. The configuration asks for neither today.
 */
import type { TokenStage } from '../errors.ts'
import type { Endpoint } from '../policy.ts'
import type { AuthenticatorLayer } from '../types.ts'

interface RequestChecks {
  /** The innermost comes first; what is off is undefined. */
  readonly layers: ReadonlyArray<AuthenticatorLayer | undefined>
  /** What the layers check of a token, for `token verify` to show. */
  readonly tokenChecks: readonly TokenStage[]
  readonly endpoints: readonly Endpoint[]
}

export function requestChecks(): RequestChecks {
  return { layers: [], tokenChecks: [], endpoints: [] }
}
