/**
 * Makes what a policy checks and answers besides routes: layers around the token cache, and endpoints of our own.
 *
 * The gateway and every command that tries a policy call this one function, so no command can pass what the gateway
 * would refuse.
 */
import type { RouteLayers } from '../authenticate/layers.ts'
import type { ReplayStore } from '../authenticate/proof/replay-store.ts'
import { revocationLayer, standings } from '../authenticate/revoked.ts'
import { claimReader } from '../claim-reader.ts'
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { Config, RevocationConfig } from '../config/schema/schema.ts'
import { issuersOf } from '../config/schema/tenants.ts'
import type { TokenStage } from '../errors.ts'
import { issuerTemplate } from '../issuer-template.ts'
import type { Endpoint, Policy } from '../policy.ts'
import { proofChecks } from './proof-checks.ts'
import { metadataEndpoints } from './resource-metadata.ts'
import type { RespondersOf, RevocationResponders } from './revocation-responders.ts'
import type { Services } from './services.ts'

interface RequestChecks {
  readonly layers: RouteLayers
  /** What the layers check of a token, for `token verify` to show. */
  readonly tokenChecks: readonly TokenStage[]
  readonly isRevoked: Policy['isRevoked']
  readonly checkClientCertificate: Policy['checkClientCertificate']
  readonly endpoints: readonly Endpoint[]
}

/** What a gateway that runs has, and a command does not. */
interface RunningParts {
  /** Makes what answers at the endpoints. */
  readonly respondersOf: RespondersOf
  /** The memory of proofs in the store; undefined where no proofs are shared. */
  readonly sharedReplays: ReplayStore | undefined
  /** The secret of the nonces; undefined where the file that the configuration names holds it. */
  readonly nonceSecret?: Buffer | undefined
}

/** A command answers nothing, and what it tries is used up for nobody. */
export const COMMAND_PARTS: RunningParts = { respondersOf: unanswered, sharedReplays: undefined }

export function requestChecks(
  config: Config,
  services: Pick<Services, 'revocations' | 'metrics' | 'clock' | 'replays'>,
  { respondersOf, sharedReplays, nonceSecret }: RunningParts,
): RequestChecks {
  const { revocation } = config
  const { layer: bound, checkClientCertificate } = proofChecks(config, services, { shared: sharedReplays, nonceSecret })
  const proofs = { tokenChecks: ['proof'], checkClientCertificate } as const
  const metadata = metadataEndpoints(config, id => services.metrics.forRoute(id, READ_BY_ALL))
  if (revocation === undefined) return { ...proofs, layers: () => [bound], isRevoked: undefined, endpoints: metadata }
  const standing = standings({
    revocations: services.revocations,
    issuersOf: id => spellingsOf(config, id),
    session: claimReader(revocation.claims.session),
    onBlind: services.metrics.revocationBlind,
  })
  return {
    ...proofs,
    layers: ({ revocation: own, metrics }) => [
      revocationLayer({
        standings: standing,
        whenStale: own?.whenStale ?? revocation.whenStale ?? 'refuse',
        shortLivedSeconds: revocation.shortLived === undefined ? undefined : revocation.shortLived / 1000,
        onStale: metrics.decidedStale,
      }),
      bound,
    ],
    tokenChecks: ['revocation', ...proofs.tokenChecks],
    isRevoked: principal => !standing.isClear(principal) && standing.hit(principal) !== undefined,
    endpoints: [...endpointsOf(respondersOf(revocation), services), ...metadata],
  }
}

const READ_BY_ALL = { methods: ['GET'], access: 'public', mode: 'enforce' } as const

function endpointsOf(responders: RevocationResponders, { metrics }: Pick<Services, 'metrics'>): readonly Endpoint[] {
  if (responders.length === 0) return []
  const id = '(revocation)'
  const shared = metrics.forRoute(id, { methods: ['POST'], access: 'public', mode: 'enforce' })
  // Every method is theirs, because another one than POST is 405, and must not reach a service.
  return responders.map(({ path, respond }) =>
    Object.freeze({ kind: 'endpoint' as const, id, path, methods: undefined, respond, metrics: shared }),
  )
}

function unanswered({ backchannelLogout = [], signals = [] }: RevocationConfig): RevocationResponders {
  const answer = (): never => {
    throw new Error('a command answers nothing')
  }
  return [...backchannelLogout, ...signals].map(({ path }) => ({ path, respond: () => ({ mostBytes: 0, answer }) }))
}

/** An entry may name any spelling of an issuer, whichever of them the token has. */
function spellingsOf({ providers }: Config, id: string): readonly string[] | undefined {
  const provider = providers[id]
  const taken = provider && providerTraits(provider).issuers
  return taken === undefined || issuerTemplate(taken.issuer) !== undefined ? undefined : issuersOf(taken)
}
