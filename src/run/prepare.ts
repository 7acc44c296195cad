/**
 * Makes all that it takes to put a configuration in force, and puts nothing in force yet.
 *
 * What a configuration shares with the one before it is leased and not made anew: providers, with the keys they hold
 * and the tokens they verified, and pools of connections. So preparing is cheap when little has changed, and a
 * configuration that is given up again leaves no trace.
 */
import type { ReplayStore } from '../authenticate/proof/replay-store.ts'
import { compilePolicy } from '../config/compile.ts'
import { configHash } from '../config/config-hash.ts'
import { equalShare } from '../config/equal-share.ts'
import { withResourceAudiences } from '../config/resources.ts'
import type { Config, UpstreamConfig } from '../config/schema/schema.ts'
import type { ServerOptions } from '../downstream/server.ts'
import { secretsIn } from '../lib/secrets.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import type { RateLimit } from '../limit/rate-limit.ts'
import type { Policy } from '../policy.ts'
import type { RevocationSettings } from '../revocation/revocations.ts'
import type { IssuedTokens } from '../token-exchange/issued-tokens.ts'
import type { SessionStatus, StatementVerifier } from '../types.ts'
import type { Upstream } from '../upstream/connections.ts'
import type { UpstreamOptions } from '../upstream/pool.ts'
import { fitted } from './descriptors.ts'
import { leaseProvider } from './providers.ts'
import { requestChecks } from './request-checks.ts'
import { revocationResponders } from './revocation-responders.ts'
import { revocationSettings } from './revocation-settings.ts'
import { type RevocationStream, streamDefinition } from './revocation-store.ts'
import { serverOptions } from './server-options.ts'
import type { Services } from './services.ts'
import { leaseSessions } from './sessions.ts'
import { replayDefinition } from './shared-replays.ts'

export interface Prepared {
  readonly config: Config
  readonly hash: string
  readonly policy: Policy
  readonly server: ServerOptions
  /** What is revoked by its file, and how revocations are kept; undefined: none are. */
  readonly revocation: RevocationSettings | undefined
  /** The stream in the store that revocations are read from and written to; undefined without one. */
  readonly stream: RevocationStream | undefined
  /** The memory of DPoP proofs in the store; undefined where no proofs are shared. */
  readonly sharedReplays: ReplayStore | undefined
  /** The limits by their ids. */
  readonly limits: ReadonlyMap<string, RateLimit>
  /** The secrets of those who may revoke over the admin listener; undefined: nobody may. */
  readonly revokerSecrets: readonly Buffer[] | undefined
  /** How the sessions of each provider that has some are doing, by its id. */
  readonly sessions: ReadonlyMap<string, () => SessionStatus>
  /** What has tokens issued for upstreams, by their ids. */
  readonly issuedTokens: ReadonlyMap<string, IssuedTokens>
  /** Every upstream, by its id. */
  readonly upstreams: ReadonlyMap<string, Upstream>
  /** Resolves when every provider has what it takes to judge tokens, or has tried to get it. */
  providersTried(): Promise<void>
  /** Call once, when it is in force: until then it may be given up, and must not be felt. */
  takeOver(): void
  /** Gives back what is leased. Call once, when it is replaced or not wanted. */
  release(): void
}

/** @throws {Error} a file that was good when it was checked cannot be used any more; nothing stays leased */
export function prepare(config: Config, services: Services): Prepared {
  const lowered = fitted(config, services.descriptors)
  if (lowered !== config) tellLowered(config, lowered, services)
  const server = serverOptions(lowered)
  const releases: Array<() => void> = []
  const release = (): void => {
    for (const each of releases.splice(0)) each()
  }
  try {
    const providers = Object.entries(config.providers).map(([id, provider]) => {
      const leased = leaseProvider(id, withResourceAudiences(config, id, provider), {
        ...services,
        egress: config.egress,
        workers: config.workers,
        entries: config.tokenCache.entries,
      })
      releases.push(leased.release)
      return [id, leased] as const
    })
    const upstreams = Object.entries(lowered.upstreams).map(([id, upstream]) => {
      const lease = services.upstreams.acquire(upstreamOptions(id, upstream, config.workers))
      releases.push(lease.release)
      return [id, lease.value] as const
    })
    const spans = config.traces && services.traces.acquire(config.traces)
    if (spans !== undefined) releases.push(spans.release)
    const revocation = revocationSettings(config)
    const stream = leasedStream(config, services)
    if (stream !== undefined) releases.push(stream.release)
    const replayStore = replayDefinition(config)
    const replays = replayStore && services.sharedReplays.acquire(replayStore)
    if (replays !== undefined) releases.push(replays.release)
    const sharedReplays = replays?.value
    const leasedLimits = services.rateLimits.lease(config)
    releases.push(leasedLimits.release)
    const { token } = config.identity
    const signing = token && services.signing.acquire(token)
    if (signing !== undefined) releases.push(signing.release)
    const exchanges = services.exchanges.lease(config)
    releases.push(exchanges.release)
    const audit = services.audits.acquire(config)
    releases.push(audit.release)
    const tokenFile = config.revocation?.api?.tokenFile
    const revokerSecrets = tokenFile === undefined ? undefined : secretsIn(readTrustedFile(tokenFile))
    const events = new Map(providers.map(([id, leased]) => [id, leased.events]))
    const hash = configHash(config)
    const verifiers = new Map(providers.map(([id, { verifier }]) => [id, verifier]))
    const eventsOf = (id: string): StatementVerifier => {
      const found = events.get(id)
      if (found === undefined) throw new Error(`the provider ${id} signs nothing`)
      return found
    }
    const logins = Object.entries(config.providers).flatMap(([id, provider]) => {
      if (provider.type !== 'session') return []
      const leased = leaseSessions(id, provider, config, services)
      releases.push(leased.release)
      return [[id, leased] as const]
    })
    const parts = {
      verifiers,
      upstreams: new Map(upstreams),
      issuedTokens: exchanges.issuedTokens,
      limits: leasedLimits.limits,
      tokenCache: services.tokenCache,
      decrypterOf: services.decrypterOf,
      clock: services.clock,
      ...requestChecks(config, services, {
        respondersOf: revocationResponders(services, id => events.get(id)),
        sessionsOf: (layers, findRevocation) =>
          new Map(
            logins.map(([id, each]) => [id, each.run({ events: eventsOf(id), verifiers, layers, findRevocation })]),
          ),
        sharedReplays,
      }),
      spans: spans?.sink,
      signing: signing && { ring: signing.ring, onSigned: services.metrics.tokenSigned },
      routeMetrics: services.metrics.forRoute,
      mode: services.mode,
      requestHeaders: services.requestHeaders,
    }
    return {
      config,
      hash,
      policy: compilePolicy(lowered, hash, parts),
      server,
      revocation,
      stream: stream?.value,
      sharedReplays,
      limits: leasedLimits.limits,
      revokerSecrets,
      sessions: new Map(logins.map(([id, { status }]) => [id, status])),
      issuedTokens: exchanges.issuedTokens,
      upstreams: parts.upstreams,
      async providersTried() {
        await Promise.all([...providers, ...logins].map(([, { ready }]) => ready()))
      },
      takeOver() {
        sharedReplays?.open()
        leasedLimits.open()
        audit.putInForce()
        if (signing === undefined) services.signing.putNoneInForce()
        else signing.putInForce()
        if (spans === undefined) services.traces.followNone()
        else spans.follow()
        for (const [, each] of logins) each.putInForce()
      },
      release,
    }
  } catch (error) {
    release()
    throw error
  }
}

function leasedStream(config: Config, { revocationStreams }: Services) {
  const definition = streamDefinition(config)
  return definition === undefined ? undefined : revocationStreams.acquire(definition)
}

function tellLowered(config: Config, lowered: Config, { log, descriptors }: Services): void {
  log.warn(
    {
      descriptors,
      connections: lowered.limits.connections,
      requests: lowered.limits.requests,
      upstream_connections: connectionsOf(lowered),
      wanted_connections: config.limits.connections,
      wanted_requests: config.limits.requests,
      wanted_upstream_connections: connectionsOf(config),
    },
    'limits are lowered to fit the file descriptors of this process (RLIMIT_NOFILE)',
  )
}

function connectionsOf({ upstreams }: Config): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(upstreams).map(([id, { connections }]) => [id, connections]))
}

function upstreamOptions(id: string, upstream: UpstreamConfig, workers: number): UpstreamOptions {
  const { url, timeouts, tls } = upstream
  return {
    id,
    ...url,
    connectTimeoutMs: timeouts.connect,
    headersTimeoutMs: timeouts.headers,
    idleTimeoutMs: timeouts.idle,
    maxConnections: equalShare(upstream.connections, workers),
    keepAliveMs: upstream.keepAlive,
    maxHeadBytes: upstream.headerBytes,
    connectRetryMs: upstream.connectRetry ?? 0,
    ca: textOf(tls?.caFile),
    cert: textOf(tls?.certFile),
    key: textOf(tls?.keyFile),
    serverName: tls?.serverName,
  }
}

function textOf(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readTrustedFile(file).toString('utf8')
}
