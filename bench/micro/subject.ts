/** Compiles a policy as the gateway has it in force, without its sockets, and makes requests to put to it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import type { TokenVerifier } from '../../src/authenticate/verifier.ts'
import { compilePolicy } from '../../src/config/compile.ts'
import { loadConfigFile } from '../../src/config/read/load.ts'
import { type ClientRequest, type ClientResponse, Exchange } from '../../src/exchange.ts'
import { jwksKeySet } from '../../src/keys/static-keys.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import type { Policy } from '../../src/policy.ts'
import { leaseProvider } from '../../src/run/providers.ts'
import { gatewayServices } from '../../src/run/services.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics, type Metrics } from '../../src/telemetry/metrics/metrics.ts'
import type { KeySet, RequestFacts } from '../../src/types.ts'
import { upstreamPool } from '../../src/upstream/pool.ts'
import { AUDIENCE, ISSUER, SCOPE, type SigningKey } from '../http/tokens.ts'

/** @param more sections of the configuration */
export function policyOf(
  keys: Iterable<SigningKey>,
  routes: number,
  more: Readonly<Record<string, unknown>> = {},
): Policy {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-micro-'))
  try {
    const jwks = { keys: [...keys].map(({ jwk }) => jwk) }
    const file = join(folder, 'sallyport.yaml')
    const require = { scopes: [SCOPE] }
    const many = Array.from({ length: routes - 1 }, (_, at) => ({ id: `r${at}`, path: `/r/${at}/:id`, require }))
    writeFileSync(
      file,
      JSON.stringify({
        listen: '127.0.0.1:0',
        providers: { main: { type: 'jwt', issuer: ISSUER, audiences: [AUDIENCE], keys: { jwks } } },
        upstreams: { app: 'http://127.0.0.1:9' },
        log: { access: 'off' },
        ...more,
        routes: [{ id: 'orders', path: '/orders/**', methods: ['GET'], require }, ...many],
      }),
    )
    const log = createLog('silent', { write: () => {} })
    const parts = { clock: systemClock, log, version: '0', nodeVersion: process.version, tokenCacheEntries: 10_000 }
    const config = loadConfigFile(file, {})
    const shared = gatewayServices(parts)
    const verifiers = Object.entries(config.providers).map(
      ([id, provider]) =>
        [
          id,
          leaseProvider(id, provider, { ...shared, egress: undefined, workers: 1, entries: 10_000 }).verifier,
        ] as const,
    )
    return compilePolicy(config, 'micro', {
      verifiers: new Map(verifiers),
      upstreams: new Map([['app', upstream()]]),
      limits: shared.rateLimits.lease(config).limits,
      tokenCache: shared.tokenCache,
      decrypterOf: shared.decrypterOf,
      clock: shared.clock,
      layers: () => [],
      isRevoked: undefined,
      checkClientCertificate: undefined,
      endpoints: [],
      sessions: new Map(),
      spans: undefined,
      routeMetrics: shared.metrics.forRoute,
      mode: undefined,
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Makes a verifier without a cache, so that every token is a new one. */
export function verifierOf(
  key: SigningKey,
  keySet: KeySet = jwksKeySet(JSON.stringify({ keys: [key.jwk] }), 'main'),
): TokenVerifier {
  return jwtVerifier({
    provider: 'main',
    issuer: ISSUER,
    audiences: [AUDIENCE],
    keySet,
    clockToleranceSeconds: 5,
    tokenType: 'compatible',
    requiredClaims: ['sub'],
    rolesClaim: 'roles',
    clock: systemClock,
  })
}

export function unscrapedMetrics(): Metrics {
  return createMetrics({ version: '0', node: process.version, cacheResults: [], fetchResults: [] })
}

/** @returns what a browser behind a mesh sends, with a token */
export function rawHeadersWith(token: string): readonly string[] {
  return [
    ...['Host', 'orders.example', 'User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101', 'Accept', '*/*'],
    ...['Accept-Encoding', 'gzip, deflate, br', 'Accept-Language', 'en', 'Authorization', `Bearer ${token}`],
    ...['Cookie', 'session=abc; theme=dark', 'X-Forwarded-For', '203.0.113.9', 'Connection', 'keep-alive'],
  ]
}

/** @returns what is known of a request with these headers beyond its token */
export function factsOf(rawHeaders: readonly string[]): RequestFacts {
  return {
    method: 'GET',
    target: '/orders/42?expand=items',
    httpVersion: '1.1',
    rawHeaders,
    peer: { address: '127.0.0.1', protocol: 'http' },
    hasBody: undefined,
    headBytes: 0,
  }
}

/** Makes a request as far as deciding and recording it needs one: both ends of it take no part in that. */
export function exchangeOf(policy: Policy, rawHeaders: readonly string[]): Exchange {
  return new Exchange({
    request: {} as ClientRequest,
    response: { headersSent: true, statusCode: 200, writableFinished: true } as ClientResponse,
    facts: factsOf(rawHeaders),
    policy,
    requestId: '3f0a52de-1b2c-4d5e-8f90-123456789abc',
    startedMs: 0,
    expectsContinue: false,
  })
}

function upstream() {
  return upstreamPool(
    {
      id: 'app',
      origin: 'http://127.0.0.1:9',
      connectTimeoutMs: 1000,
      headersTimeoutMs: 1000,
      idleTimeoutMs: 1000,
      maxConnections: 1024,
      keepAliveMs: 4000,
      maxHeadBytes: 64 * 1024,
      connectRetryMs: 0,
    },
    systemScheduler,
  )
}
