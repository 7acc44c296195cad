/** Makes principals of ID tokens, where these say who somebody is: one for all requests until the next refresh. */
import { principalReader } from '../authenticate/principal.ts'
import type { Principal } from '../types.ts'
import type { LiveSession } from './live-session.ts'
import type { SessionTokens } from './session.ts'

interface IdPrincipalsOptions {
  readonly provider: string
  readonly clientId: string
  readonly clockToleranceSeconds: number
}

/** The scopes are those of the token answer: an ID token has none. */
export function idPrincipals(options: IdPrincipalsOptions): (session: Pick<LiveSession, 'record'>) => Principal {
  const { provider, clientId, clockToleranceSeconds } = options
  const read = principalReader({ provider, clockToleranceSeconds, rolesClaim: 'roles' })
  const made = new WeakMap<SessionTokens, Principal>()
  return ({ record: { tokens } }) => {
    const known = made.get(tokens)
    if (known !== undefined) return known
    const { idClaims, scope = '', expiresAtMs } = tokens
    const checked = {
      audiences: [clientId],
      expiresAtSeconds: expiresAtMs / 1_000,
      notBeforeSeconds: undefined,
      confirmation: undefined,
    }
    const principal = read({ ...idClaims, scope }, checked)
    made.set(tokens, principal)
    return principal
  }
}
