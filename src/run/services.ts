/**
 * Makes, once at the start, what outlives a policy: clock, log, metrics, key sets, upstream pools and the memory of
 * verified tokens.
 */
import type { DecrypterOf } from '../authenticate/decryption.ts'
import { type DecryptionGate, decryptionGate } from '../authenticate/encrypted/gate.ts'
import { tokenDecrypter } from '../authenticate/encrypted/token-decrypter.ts'
import { type IntrospectorRegistry, introspectorRegistry } from '../authenticate/introspection/registry.ts'
import { type ReplayMemory, replayMemory } from '../authenticate/proof/replay-memory.ts'
import { type VerifierRegistry, verifierRegistry } from '../authenticate/registry.ts'
import { TOKEN_CACHE_RESULTS, type TokenCache, tokenCache } from '../authenticate/token-cache.ts'
import type { Environment } from '../config/read/environment.ts'
import type { HeaderWriter } from '../forward/request-headers.ts'
import { FETCH_RESULTS } from '../keys/key-set-events.ts'
import { type KeySetRegistry, keySetRegistry } from '../keys/registry.ts'
import type { Clock } from '../lib/clock.ts'
import { type Scheduler, systemScheduler } from '../lib/scheduler.ts'
import { type EventMemory, eventMemory, type OnEventRefused } from '../revocation/event-answers.ts'
import { type RevocationSource, type Revocations, revocations } from '../revocation/revocations.ts'
import { type ChangeWriter, type RevocationChange, type Revoker, revoker } from '../revocation/revoker.ts'
import { introspectionEvents } from '../telemetry/introspection-events.ts'
import { keyEvents } from '../telemetry/key-events.ts'
import type { Log } from '../telemetry/log.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics/metrics.ts'
import { eventRefusals, revocationEvents } from '../telemetry/revocation-events.ts'
import { type UpstreamRegistry, upstreamRegistry } from '../upstream/registry.ts'
import { type Audits, audits } from './audits.ts'
import { descriptorLimit } from './descriptors.ts'
import type { LimitSiblings } from './limit-siblings.ts'
import { type RateLimits, rateLimits } from './rate-limits.ts'
import { type RevocationStreams, revocationStreams } from './revocation-store.ts'
import { type SessionRegistry, sessionRegistry } from './session-registry.ts'
import { type SharedReplays, sharedReplays } from './shared-replays.ts'
import { type SigningKeys, signingKeys } from './signing.ts'
import { type TokenExchanges, tokenExchanges } from './token-exchange.ts'
import { type Traces, traces } from './traces.ts'

export interface Services {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly metrics: Metrics
  readonly keySets: KeySetRegistry
  readonly upstreams: UpstreamRegistry
  readonly verifiers: VerifierRegistry
  readonly tokenCache: TokenCache
  readonly decrypterOf: DecrypterOf
  /** For answers of servers: strangers who make up encrypted tokens do not stand in their way. */
  readonly answerDecrypterOf: DecrypterOf
  readonly introspectors: IntrospectorRegistry
  readonly revocations: Revocations
  readonly revoker: Revoker
  readonly revocationStreams: RevocationStreams
  /** What the endpoints for logout tokens and security events remember. */
  readonly eventMemory: EventMemory
  readonly onEventRefused: OnEventRefused
  /** What this process remembers of DPoP proofs that were used. */
  readonly replays: ReplayMemory
  readonly sharedReplays: SharedReplays
  readonly rateLimits: RateLimits
  readonly sessions: SessionRegistry
  readonly signing: SigningKeys
  readonly exchanges: TokenExchanges
  readonly audits: Audits
  readonly traces: Traces
  /** Who else hears of what is revoked here: set once the process knows. */
  readonly revocationPeers: RevocationPeers
  /** `report`: every route only reports, whatever the configuration says. */
  readonly mode: 'report' | undefined
  /** Makes what the service reads of a request's headers; undefined: the lines of a gateway. */
  readonly requestHeaders: HeaderWriter | undefined
  /** How many file descriptors this process may have; undefined where that is not known. */
  readonly descriptors: number | undefined
}

/** Node computes four things at a time beside its loop. The line behind them is for the moment after a start. */
const DECRYPTIONS = { atOnce: 4, waiting: 256 }

/** It is changed by the first configuration, and takes no memory before the first proof. */
const FIRST_REPLAY_ENTRIES = 1000

interface RevocationPeers {
  tellSiblings: (change: RevocationChange, source: RevocationSource) => void
  /** Undefined where the configuration in force has no store. */
  writer: ChangeWriter | undefined
}

interface ServicesOptions {
  readonly clock: Clock
  readonly scheduler?: Scheduler | undefined
  readonly log: Log
  /** Where the exporter of traces finds its variables; left out: nowhere. */
  readonly env?: Environment | undefined
  readonly version: string
  readonly nodeVersion: string
  readonly tokenCacheEntries: number
  readonly mode?: 'report' | undefined
  readonly requestHeaders?: HeaderWriter | undefined
  readonly limitSiblings?: LimitSiblings | undefined
}

export function gatewayServices({
  clock,
  scheduler = systemScheduler,
  log,
  env = {},
  version,
  nodeVersion,
  tokenCacheEntries,
  mode,
  requestHeaders,
  limitSiblings,
}: ServicesOptions): Services {
  const metrics = createMetrics({
    version,
    node: nodeVersion,
    cacheResults: TOKEN_CACHE_RESULTS,
    fetchResults: FETCH_RESULTS,
  })
  const revoked = revocations({ clock, scheduler, ...revocationEvents(metrics, log) })
  const decrypterIn =
    (gate: DecryptionGate): DecrypterOf =>
    decryptions =>
      tokenDecrypter({ decryptions, gate, onResult: metrics.decrypted })
  const sent = traces({ clock, scheduler: systemScheduler, log, metrics, env, version })
  const traceOf = sent.ofProvider
  const peers: RevocationPeers = { tellSiblings: () => {}, writer: undefined }
  return {
    mode,
    requestHeaders,
    descriptors: descriptorLimit(),
    clock,
    scheduler,
    log,
    metrics,
    keySets: keySetRegistry({
      clock,
      scheduler,
      random: Math.random,
      observer: keyEvents(metrics, log),
      traceOf,
    }),
    upstreams: upstreamRegistry(scheduler),
    verifiers: verifierRegistry(scheduler),
    revocations: revoked,
    revocationPeers: peers,
    revocationStreams: revocationStreams({ clock, scheduler, log, metrics, revocations: revoked }),
    eventMemory: eventMemory(clock),
    sharedReplays: sharedReplays({ clock, scheduler, log, metrics }),
    rateLimits: rateLimits({ clock, scheduler, log, metrics, siblings: limitSiblings }),
    audits: audits({ clock, scheduler, log, metrics }),
    sessions: sessionRegistry({ clock, scheduler, log, metrics, traceOf }),
    signing: signingKeys({ clock, scheduler, log }),
    exchanges: tokenExchanges({ clock, scheduler, log, metrics, traceOf }),
    traces: sent,
    replays: replayMemory({ clock, entries: FIRST_REPLAY_ENTRIES }),
    onEventRefused: eventRefusals(log, clock),
    revoker: revoker({
      revocations: revoked,
      tellSiblings: (change, source) => peers.tellSiblings(change, source),
      writer: () => peers.writer,
    }),
    decrypterOf: decrypterIn(decryptionGate(DECRYPTIONS)),
    answerDecrypterOf: decrypterIn(decryptionGate({ ...DECRYPTIONS, waiting: Number.POSITIVE_INFINITY })),
    introspectors: introspectorRegistry({
      clock,
      scheduler,
      observer: introspectionEvents(metrics, log),
      traceOf,
    }),
    tokenCache: tokenCache({
      entries: tokenCacheEntries,
      onResult: metrics.tokenLookedUp,
    }),
  }
}
