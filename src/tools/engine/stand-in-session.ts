/**
 * Lets sessions be tried without a login: each provider of sessions has the keeper of the gateway, in memory and with
 * keys of its own, and a session is put in as a login would have made it.
 *
 * So the cookie, the origin, the end by a revocation and the access token pass through what judges real sessions. The
 * keys live as long as the process. Nobody is asked for new tokens, and the endpoints answer nothing.
 */
import { randomBytes } from 'node:crypto'
import type { TokenVerifier } from '../../authenticate/verifier.ts'
import type { ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import type { Config } from '../../config/schema/schema.ts'
import { SESSION_ENDPOINTS, sessionPath } from '../../config/schema/session-paths.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import type { Endpoint } from '../../policy.ts'
import type { RunningParts } from '../../run/request-checks.ts'
import type { Services } from '../../run/services.ts'
import { SESSION_LABEL } from '../../run/session-endpoints.ts'
import { layeredFor, lifetimeOf, sessionRoutes } from '../../run/session-routes.ts'
import type { RunningSessions } from '../../run/sessions.ts'
import type { SessionRecord } from '../../session/session.ts'
import { newSessionId, sessionKeys } from '../../session/session-keys.ts'
import { sessionMemory } from '../../session/session-memory.ts'
import { sessionRevocation } from '../../session/session-revocation.ts'
import { type Sessions, sessions } from '../../session/sessions.ts'

type SessionConfig = ProviderConfigs['session']

export interface StandInSessions {
  /** Makes them anew, for one policy. */
  readonly sessionsOf: RunningParts['sessionsOf']
  /** Puts a session in, as its login would. @returns the value of its cookie */
  begin(provider: string, record: SessionRecord): Promise<string>
}

export function standInSessions(
  config: Config,
  verifiers: ReadonlyMap<string, TokenVerifier>,
  services: Services,
): StandInSessions {
  const keepers = new Map<string, Sessions>()
  return {
    sessionsOf: (_layers, findRevocation) =>
      new Map(
        Object.entries(config.providers).flatMap(([id, provider]) => {
          if (provider.type !== 'session') return []
          const kept = keeper(id, provider, findRevocation, services)
          keepers.set(id, kept)
          return [[id, running(id, provider, kept, { verifiers, services })] as const]
        }),
      ),
    async begin(provider, record) {
      const kept = keepers.get(provider)
      if (kept === undefined) throw new Error(`no sessions are those of ${provider}`)
      return kept.firstCookie(await kept.begin(newSessionId(), record, undefined))
    },
  }
}

const KEY_BYTES = 32
const MOST_SESSIONS = 100
/** No time passes while a command tries something. */
const STILL: Scheduler = { after: () => () => {} }

function keeper(
  provider: string,
  config: SessionConfig,
  findRevocation: Parameters<RunningParts['sessionsOf']>[1],
  { clock, revoker }: Services,
): Sessions {
  const keys = sessionKeys([randomBytes(KEY_BYTES)], provider)
  const lifetime = lifetimeOf(config)
  const { loginOf } = sessionRevocation({
    provider,
    issuer: config.issuer,
    clientId: config.client.id,
    keepSeconds: lifetime.absoluteMs / 1_000,
    handleOf: ({ id }) => keys.handleOf(id),
    clock,
    revoker,
    onUntold() {},
  })
  return sessions({
    provider,
    clock,
    scheduler: STILL,
    keys,
    lifetime,
    memory: sessionMemory({ entries: MOST_SESSIONS, onSize() {} }),
    shared: undefined,
    // The token counts as it is, and whoever judges it says so where it does not.
    refreshes: { current() {}, keepAlive: () => undefined, replaced: async () => false, giveUp() {}, close() {} },
    loginOf,
    findRevocation,
    tell() {},
    onEnded() {},
  })
}

function running(
  provider: string,
  config: SessionConfig,
  kept: Sessions,
  { verifiers, services }: { readonly verifiers: ReadonlyMap<string, TokenVerifier>; readonly services: Services },
): RunningSessions {
  const { clock, metrics } = services
  const series = metrics.forRoute(SESSION_LABEL, { methods: ['GET', 'POST'], access: 'public', mode: 'enforce' })
  const layered = layeredFor(config, verifiers, services)
  return {
    routes: sessionRoutes({ provider, config, sessions: kept, layered, nowMs: clock.nowMs }),
    endpoints: SESSION_ENDPOINTS.map(
      (name): Endpoint =>
        Object.freeze({
          kind: 'endpoint',
          id: SESSION_LABEL,
          path: sessionPath(config, name),
          methods: undefined,
          respond: () => ({ mostBytes: 0, answer: unanswered }),
          metrics: series,
        }),
    ),
  }
}

function unanswered(): never {
  throw new Error('a command answers nothing')
}
