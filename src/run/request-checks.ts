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
import type { SessionRoutes } from '../config/policy-parts.ts'
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { Config, RevocationConfig } from '../config/schema/schema.ts'
import { issuersOf } from '../config/schema/tenants.ts'
import type { TokenStage } from '../errors.ts'
import { issuerTemplate } from '../issuer-template.ts'
import type { Endpoint, Policy } from '../policy.ts'
import type { Revocation } from '../session/sessions.ts'
import type { Principal } from '../types.ts'
import { proofChecks } from './proof-checks.ts'
import { publishedKeysEndpoints } from './published-keys.ts'
import { metadataEndpoints } from './resource-metadata.ts'
import type { RespondersOf, RevocationResponders } from './revocation-responders.ts'
import type { Services } from './services.ts'
import type { RunningSessions } from './sessions.ts'

interface RequestChecks {
  readonly layers: RouteLayers
  /** What the layers check of a token, for `token verify` to show. */
  readonly tokenChecks: readonly TokenStage[]
  readonly isRevoked: Policy['isRevoked']
  readonly checkClientCertificate: Policy['checkClientCertificate']
  readonly endpoints: readonly Endpoint[]
  readonly sessions: ReadonlyMap<string, SessionRoutes>
}

/** What a gateway that runs has, and a command does not. */
export interface RunningParts {
  /** Makes what answers at the endpoints. */
  readonly respondersOf: RespondersOf
  /** Makes the sessions of browsers, by the ids of their providers. */
  readonly sessionsOf: (
    layers: RouteLayers,
    findRevocation: (login: Principal) => Revocation | undefined,
  ) => ReadonlyMap<string, RunningSessions>
  /** The memory of proofs in the store; undefined where no proofs are shared. */
  readonly sharedReplays: ReplayStore | undefined
  /** The secret of the nonces; undefined where the file that the configuration names holds it. */
  readonly nonceSecret?: Buffer | undefined
}

/** A command answers nothing, and what it tries is used up for nobody. Whoever tries sessions brings stand-ins. */
export const COMMAND_PARTS: RunningParts = {
  respondersOf: unanswered,
  sessionsOf: () => new Map(),
  sharedReplays: undefined,
}

export function requestChecks(
  config: Config,
  services: Pick<Services, 'revocations' | 'metrics' | 'clock' | 'replays' | 'signing'>,
  { respondersOf, sessionsOf, sharedReplays, nonceSecret }: RunningParts,
): RequestChecks {
  const { revocation } = config
  const { layer: bound, checkClientCertificate } = proofChecks(config, services, { shared: sharedReplays, nonceSecret })
  const proofs = { tokenChecks: ['proof'], checkClientCertificate } as const
  const metadata = [
    ...metadataEndpoints(config, id => services.metrics.forRoute(id, READ_BY_ALL)),
    ...publishedKeysEndpoints(config, services.signing.published, id => services.metrics.forRoute(id, READ_BY_ALL)),
  ]
  if (revocation === undefined) {
    const layers = () => [bound]
    const { sessions, endpoints } = withSessions(
      sessionsOf(layers, () => undefined),
      metadata,
    )
    return { ...proofs, layers, isRevoked: undefined, endpoints, sessions }
  }
  const standing = standings({
    revocations: services.revocations,
    issuersOf: id => spellingsOf(config, id),
    session: claimReader(revocation.claims.session),
    onBlind: services.metrics.revocationBlind,
  })
  // What an ID token calls the session is fixed, whatever access tokens call it.
  const standingOfLogins = standings({
    revocations: services.revocations,
    issuersOf: id => spellingsOf(config, id),
    session: ({ sid }) => sid,
    onBlind() {},
  })
  const isRevoked = (principal: Principal): boolean =>
    !standing.isClear(principal) && standing.hit(principal) !== undefined
  const layers: RouteLayers = ({ revocation: own, metrics }) => [
    revocationLayer({
      standings: standing,
      whenStale: own?.whenStale ?? revocation.whenStale ?? 'refuse',
      shortLivedSeconds: revocation.shortLived === undefined ? undefined : revocation.shortLived / 1000,
      onStale: metrics.decidedStale,
    }),
    bound,
  ]
  const own = [...endpointsOf(respondersOf(revocation), services), ...metadata]
  return {
    ...proofs,
    ...withSessions(
      sessionsOf(layers, login => (standingOfLogins.isClear(login) ? undefined : standingOfLogins.hit(login))),
      own,
    ),
    layers,
    tokenChecks: ['revocation', ...proofs.tokenChecks],
    isRevoked,
  }
}

function withSessions(running: ReadonlyMap<string, RunningSessions>, endpoints: readonly Endpoint[]) {
  return {
    sessions: new Map([...running].map(([id, { routes }]) => [id, routes] as const)),
    endpoints: [...endpoints, ...[...running.values()].flatMap(each => each.endpoints)],
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
