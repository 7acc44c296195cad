/**
 * Makes what a provider of `type: session` is in a running gateway: how its sessions are found, and what answers at its
 * endpoints.
 *
 * What outlives a reload is leased: the sessions that this process holds, the connection to the store, and what is
 * known of the provider. So a new configuration logs nobody out, unless it is about another provider.
 */
import type { RouteLayers } from '../authenticate/layers.ts'
import type { TokenVerifier } from '../authenticate/verifier.ts'
import type { SessionRoutes } from '../config/policy-parts.ts'
import type { ProviderConfigs } from '../config/schema/by-provider-type.ts'
import type { Config } from '../config/schema/schema.ts'
import { withoutLineBreak } from '../lib/secrets.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import type { Endpoint } from '../policy.ts'
import { refreshes } from '../session/refreshes.ts'
import { sessionKeys } from '../session/session-keys.ts'
import { sessionRecords } from '../session/session-records.ts'
import { sessionRevocation } from '../session/session-revocation.ts'
import { type Revocation, sessions } from '../session/sessions.ts'
import type { Principal, SessionStatus, StatementVerifier } from '../types.ts'
import type { Services } from './services.ts'
import { SESSION_LABEL, sessionEndpoints } from './session-endpoints.ts'
import type { ClientDefinition } from './session-registry.ts'
import { idPrincipalsOf, layeredFor, lifetimeOf, sessionRoutes } from './session-routes.ts'
import { storeDefinition } from './store-definition.ts'

type SessionConfig = ProviderConfigs['session']

/** A process waits a little longer for another's renewal than that may take. */
const WAIT_MARGIN_MS = 2_000

/** What is there when the sessions of a provider are made. */
interface SessionParts {
  /** Verifies what the provider signs, ID tokens among it. */
  readonly events: StatementVerifier
  readonly verifiers: ReadonlyMap<string, TokenVerifier>
  readonly layers: RouteLayers
  readonly findRevocation: (login: Principal) => Revocation | undefined
}

export interface RunningSessions {
  readonly routes: SessionRoutes
  readonly endpoints: readonly Endpoint[]
}

/** What a provider of sessions holds for as long as its policy is in force. */
interface LeasedSessions {
  ready(): Promise<void>
  status(): SessionStatus
  /** Call it when the policy is in force, and not before: it may be given up until then. */
  putInForce(): void
  release(): void
  run(parts: SessionParts): RunningSessions
}

/** @throws {Error} a file with a secret was good when it was checked, and cannot be used any more */
export function leaseSessions(id: string, config: SessionConfig, whole: Config, services: Services): LeasedSessions {
  const { clock, scheduler, metrics, log, revoker, sessions: registry } = services
  const secrets = config.keyFiles.map(file => withoutLineBreak(readTrustedFile(file)))
  const keys = sessionKeys(secrets, id)
  const memory = registry.memories.acquire({ provider: id, issuer: config.issuer, client: config.client.id })
  const block = whole.store
  const store =
    config.store === 'shared' && block !== undefined
      ? registry.stores.acquire({ store: storeDefinition(block), provider: id, keys })
      : undefined
  const provider = registry.clients.acquire({ provider: id, ...clientDefinition(config, whole) })
  const { client } = provider.value
  const lifetime = lifetimeOf(config)
  const shared = store?.value.shared
  let lastFailure: SessionStatus['lastRefreshFailure']
  let lastLoginFailure: SessionStatus['lastLoginFailure']
  let stop = (): void => {}
  let takeOver = (): void => {}

  function run({ events, verifiers, layers, findRevocation }: SessionParts): RunningSessions {
    const series = metrics.forRoute(SESSION_LABEL, { methods: ['GET', 'POST'], access: 'public', mode: 'enforce' })
    const layered = layeredFor(config, verifiers, services)

    const principalOf = idPrincipalsOf(id, config)
    const records = sessionRecords({
      provider: id,
      clock,
      absoluteMs: lifetime.absoluteMs,
      events,
      authenticate: layered([]),
      judge: layered(layers({ revocation: undefined, metrics: series })),
      requireReadable: record => void principalOf?.({ record }),
      takesAccessTokens: principalOf === undefined,
    })

    const revocation = sessionRevocation({
      provider: id,
      issuer: config.issuer,
      clientId: config.client.id,
      keepSeconds: lifetime.absoluteMs / 1_000,
      handleOf: ({ id: sessionId }) => keys.handleOf(sessionId),
      clock,
      revoker,
      onUntold(error) {
        log.error({ provider: id, err: error }, 'the end of a session was not told to others')
      },
    })
    const refreshing = refreshes({
      provider: id,
      clock,
      scheduler,
      random: Math.random,
      client,
      shared,
      refreshBeforeMs: lifetime.refreshBeforeMs,
      waitMs: config.timeout + WAIT_MARGIN_MS,
      leftMs: session => kept.leftMs(session),
      tokensOf: records.tokensOf,
      end: (session, reason) => kept.end(session, reason),
      isOver: session => kept.isOver(session),
      onRefreshed(result, seconds, reason) {
        metrics.sessionRefreshed(id, result, seconds)
        if (reason === undefined) return
        lastFailure = { reason, atSeconds: clock.nowMs() / 1_000 }
        log.warn({ provider: id, result, reason }, 'the tokens of a session were not renewed')
      },
    })
    const kept = sessions({
      provider: id,
      clock,
      scheduler,
      keys,
      lifetime,
      memory: memory.value,
      shared,
      refreshes: refreshing,
      loginOf: revocation.loginOf,
      findRevocation,
      tell: revocation.tell,
      onEnded(reason) {
        metrics.sessionEnded(id, reason)
        if (reason === 'reused') log.error({ provider: id }, 'a session was ended, because its cookie was used twice')
      },
    })
    stop = kept.close
    takeOver = kept.takeOver

    return {
      routes: sessionRoutes({ provider: id, config, sessions: kept, layered, nowMs: clock.nowMs }),
      endpoints: sessionEndpoints({
        provider: id,
        config,
        services,
        metrics: series,
        sessions: kept,
        keys,
        shared,
        client,
        records,
        onLogin(result, refusal) {
          metrics.loggedIn(id, result)
          if (refusal === undefined) return
          const { reason = refusal.code, refused } = refusal.evidence ?? {}
          const said = [refused, reason].filter(each => each !== undefined).join(': ')
          lastLoginFailure = { reason: said, atSeconds: clock.nowMs() / 1_000 }
        },
      }),
    }
  }

  return {
    ready: provider.value.ready,
    status: () => ({
      discovery: client.discovery,
      held: memory.value.size,
      lastRefreshFailure: lastFailure,
      lastLoginFailure,
      store: store?.value.status(),
    }),
    putInForce() {
      metrics.initSessions(id)
      // Sessions outlive reloads.
      metrics.sessionsHeld(id, memory.value.size)
      store?.value.use(keys)
      takeOver()
    },
    release() {
      stop()
      provider.release()
      store?.release()
      memory.release()
    },
    run,
  }
}

/** What the provider is asked with. */
export function clientDefinition(config: SessionConfig, { egress }: Config): Omit<ClientDefinition, 'provider'> {
  const { issuer, client, scopes, resource, parameters, publicUrl, paths, clockTolerance, caFile, timeout } = config
  return {
    issuer,
    client,
    scopes,
    resource,
    parameters,
    redirectUri: `${publicUrl}${paths}/callback`,
    clockToleranceSeconds: clockTolerance / 1_000,
    caFile,
    egress,
    hosts: config.hosts ?? [],
    allowInsecureHttp: config.allowInsecureHttp,
    timeoutMs: timeout,
  }
}
