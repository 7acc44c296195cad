/**
 * Compiles a configuration for a tool: the very policy that would serve traffic, with nothing that could send any.
 *
 * What judges tokens comes from whoever asks: the providers themselves ({@link leasedProviders}), or
 * stand-ins (`stand-in.ts`). Upstreams have a name and an address, but nothing can be sent to them.
 * Nothing listens and nothing is logged.
 */
import type { TokenVerifier } from '../../authenticate/verifier.ts'
import { compilePolicy } from '../../config/compile.ts'
import { withResourceAudiences } from '../../config/resources.ts'
import { withoutFilesOfItsGateway } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Policy } from '../../policy.ts'
import { type LeasedProvider, leaseProvider } from '../../run/providers.ts'
import { COMMAND_PARTS, requestChecks } from '../../run/request-checks.ts'
import { gatewayServices, type Services } from '../../run/services.ts'
import { rotatingKeys } from '../../signing/rotating-keys.ts'
import { createLog } from '../../telemetry/log.ts'
import type { Upstream } from '../../upstream/connections.ts'
import { shownOrigin } from '../../upstream/pool.ts'
import { type StandInSessions, standInSessions } from './stand-in-session.ts'
import { trialLimits } from './trial-limits.ts'

interface ToolServicesOptions {
  readonly clock: Clock
  readonly version: string
  readonly nodeVersion: string
}

/** Makes the services that the gateway has, without a log. {@link closeToolServices} ends them. */
export function toolServices(options: ToolServicesOptions): Services {
  const services = gatewayServices({ ...options, log: createLog('silent', { write() {} }), tokenCacheEntries: 100 })
  return { ...services, replays: FORGETFUL, rateLimits: trialLimits(options.clock) }
}

/** Ends what may be under way: questions about tokens before the fetches of the keys for their answers. */
export async function closeToolServices({ introspectors, exchanges, keySets, revocations }: Services): Promise<void> {
  await introspectors.close()
  await exchanges.close()
  await keySets.close()
  revocations.close()
}

/** A trial uses no proof up, and however many are tried, none takes the place of another. */
const FORGETFUL: Services['replays'] = { remember: () => 'new', size: 0, resize() {} }

/**
 * Compiles the configuration with the given judges of tokens.
 *
 * @param parts `nonceSecret` is that of the nonces in proofs; undefined: that in the file of the configuration
 * @throws {Error} starting would throw the same
 */
export function toolPolicy(
  config: Config,
  verifiers: ReadonlyMap<string, TokenVerifier>,
  services: Services,
  parts: { readonly nonceSecret?: Buffer; readonly sessions?: StandInSessions } = {},
): Policy {
  const { nonceSecret, sessions = standInSessions(config, verifiers, services) } = parts
  const upstreams = new Map(Object.entries(config.upstreams).map(([id, upstream]) => [id, namedUpstream(id, upstream)]))
  return compilePolicy(config, '', {
    verifiers,
    upstreams,
    limits: services.rateLimits.lease(config).limits,
    tokenCache: services.tokenCache,
    decrypterOf: services.decrypterOf,
    clock: services.clock,
    ...requestChecks(config, services, { ...COMMAND_PARTS, sessionsOf: sessions.sessionsOf, nonceSecret }),
    // Whoever is shown a token of ours cannot use it.
    signing: config.identity.token && {
      ring: rotatingKeys({ ...config.identity.token, clock: services.clock }),
      onSigned() {},
    },
    // Nothing is asked for, since nothing is sent.
    issuedTokens: services.exchanges.lease(config).issuedTokens,
    // A trial ends without spans.
    spans: { add() {} },
    routeMetrics: services.metrics.forRoute,
    mode: services.mode,
  })
}

/**
 * Leases the providers themselves, with their keys from wherever the configuration says. Fetching begins at once; wait
 * for `ready()`. The file of the last good keys (`cacheFile`) is neither read nor written: it belongs to the gateway.
 */
export function leasedProviders(config: Config, services: Services): ReadonlyMap<string, LeasedProvider> {
  return new Map(
    Object.entries(config.providers).map(([id, provider]) => [
      id,
      leaseProvider(id, withoutFilesOfItsGateway(withResourceAudiences(config, id, provider)), {
        ...services,
        egress: config.egress,
        workers: config.workers,
        entries: config.tokenCache.entries,
      }),
    ]),
  )
}

function namedUpstream(id: string, { url, timeouts }: Config['upstreams'][string]): Upstream {
  return {
    id,
    origin: shownOrigin(url),
    headersTimeoutMs: timeouts.headers,
    dispatch() {
      throw new Error('a tool sends nothing')
    },
    close: async () => {},
  }
}
