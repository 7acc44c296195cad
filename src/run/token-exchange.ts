/**
 * Holds what has tokens issued for upstreams across reloads: as long as it is said in the same way whom to ask, the
 * tokens stay, and so does what is known of the server. Files of credentials are read with each exchange.
 */
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { Config, TokenExchangeConfig } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { leases } from '../lib/leases.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { type TokenExchangeClientOptions, tokenExchangeClient } from '../oauth/token-exchange-client.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import type { ProviderTraces } from '../telemetry/traces/provider-requests.ts'
import { type IssuedTokens, issuedTokens } from '../token-exchange/issued-tokens.ts'

export interface TokenExchanges {
  lease(config: Config): LeasedExchanges
  /** Ends all exchanges, also those under way. */
  close(): Promise<void>
}

interface LeasedExchanges {
  /** By the ids of the upstreams that have `exchange`. */
  readonly issuedTokens: ReadonlyMap<string, IssuedTokens>
  release(): void
}

interface ExchangeServices {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly metrics: Metrics
  /** Gives what makes traces of the requests to a provider. */
  readonly traceOf: ProviderTraces['of']
}

interface Definition extends Omit<TokenExchangeClientOptions, 'clock' | 'scheduler' | 'trace'> {
  readonly upstream: string
  readonly provider: string
}

/** What one lease gives. */
interface Held {
  readonly upstream: string
  readonly tokens: IssuedTokens
}

/** Requests that began under the policy before may still come to it. */
const LINGER_MS = 60_000

export function tokenExchanges({ clock, scheduler, log, metrics, traceOf }: ExchangeServices): TokenExchanges {
  const held = leases({
    identityOf: (definition: Definition) => JSON.stringify(definition),
    make({ upstream, provider, ...definition }) {
      const counts = metrics.exchanges
      const tokens = issuedTokens({
        client: tokenExchangeClient({ ...definition, clock, scheduler, trace: traceOf(provider) }),
        clock,
        onResult: (result, seconds) => counts.exchanged(upstream, result, seconds),
        onBreaker(from, to, reason) {
          // A probe tells nobody anything: what comes of it does.
          if (to === 'probing') return
          const told = to === 'closed' ? 'the token endpoint answers again' : 'the token endpoint is left alone for now'
          log[to === 'closed' ? 'info' : 'error']({ upstream, provider, from, to, reason }, told)
        },
      })
      counts.held(upstream, tokens)
      return { upstream, tokens }
    },
    async end({ upstream, tokens }: Held) {
      await tokens.close()
      metrics.exchanges.ended(upstream, tokens)
    },
    lingerMs: LINGER_MS,
    scheduler,
  })
  return {
    lease(config) {
      const leased = Object.entries(config.upstreams).flatMap(([id, { exchange }]) =>
        exchange === undefined ? [] : [[id, held.acquire(exchangeDefinition(id, exchange, config))] as const],
      )
      return {
        issuedTokens: new Map(leased.map(([id, { value }]) => [id, value.tokens])),
        release() {
          for (const [, { release }] of leased) release()
        },
      }
    },
    close: held.close,
  }
}

export function exchangeDefinition(upstream: string, exchange: TokenExchangeConfig, config: Config): Definition {
  const { provider: id, client, endpoint, audience = [], scope = [], timeout } = exchange
  const provider = config.providers[id]
  const server = provider && providerTraits(provider).authorizationServer
  if (server === undefined) throw new Error(`the provider ${id} exchanges nothing`)
  return {
    upstream,
    provider: id,
    // What is signed for the server names it: by its issuer, or by the endpoint where an issuer stands for many.
    issuer: server.isTemplate && endpoint !== undefined ? endpoint : server.issuer,
    client,
    endpoint,
    audiences: audience,
    scopes: scope,
    hosts: server.hosts,
    allowInsecureHttp: server.allowInsecureHttp,
    caFile: exchange.caFile ?? server.caFile,
    egress: config.egress,
    timeoutMs: timeout,
  }
}
