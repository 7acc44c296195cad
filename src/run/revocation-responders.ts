/** Makes what answers at the endpoints for logout tokens and security events, with the secrets of their files. */
import type { RevocationConfig } from '../config/schema/schema.ts'
import { secretsIn } from '../lib/secrets.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import { logoutResponder } from '../revocation/logout-endpoint.ts'
import { signalsResponder } from '../revocation/signals-endpoint.ts'
import type { Responder, StatementVerifier } from '../types.ts'
import type { Services } from './services.ts'

export type RevocationResponders = ReadonlyArray<{ readonly path: string; readonly respond: Responder }>

export type RespondersOf = (revocation: RevocationConfig) => RevocationResponders

type ResponderServices = Pick<Services, 'clock' | 'revoker' | 'revocations' | 'eventMemory' | 'onEventRefused'>

/**
 * @param verifierOf finds what verifies the events of a provider
 * @throws {Error} a file with secrets was good when it was checked, and cannot be used any more
 */
export function revocationResponders(
  services: ResponderServices,
  verifierOf: (provider: string) => StatementVerifier | undefined,
): RespondersOf {
  const { clock, revoker, revocations, eventMemory: memory, onEventRefused: onRefused } = services
  const verifying = (provider: string): StatementVerifier => {
    const events = verifierOf(provider)
    // The configuration was checked, so a missing one is a bug.
    if (events === undefined) throw new Error(`the provider ${provider} signs no events`)
    return events
  }
  return ({ keep, backchannelLogout = [], signals = [] }) => {
    const shared = { keepSeconds: keep / 1000, clock, revoker, revocations, memory, onRefused }
    return [
      ...backchannelLogout.map(({ path, provider, clientId, covers }) => ({
        path,
        respond: logoutResponder({ ...shared, provider, events: verifying(provider), clientId, covers }),
      })),
      ...signals.map(({ path, provider, audience, tokenFile }) => ({
        path,
        respond: signalsResponder({
          ...shared,
          provider,
          events: verifying(provider),
          audience,
          secrets: secretsIn(readTrustedFile(tokenFile)),
        }),
      })),
    ]
  }
}
