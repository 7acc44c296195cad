/** Measures what is done with tokens, for each provider by itself: keys, questions, decryption, proofs. */
import { REVOCATION_KINDS, type RevocationKind } from '../../revocation/entry.ts'
import type {
  DecryptionResult,
  IntrospectionResult,
  IntrospectionStatus,
  ProofKind,
  ProofResult,
  ProviderHealth,
} from '../../types.ts'
import { DURATION_BUCKETS, type Series } from './series.ts'
import type { Tally } from './tally.ts'

const PROOF_KINDS = Object.keys({ dpop: true, certificate: true } satisfies Record<ProofKind, true>)
const PROOF_RESULTS = Object.keys({
  valid: true,
  valid_local: true,
  required: true,
  invalid: true,
  nonce_required: true,
  mismatch: true,
  replayed: true,
  overloaded: true,
  unavailable: true,
} satisfies Record<ProofResult, true>)
const PROOF_SERIES = PROOF_KINDS.flatMap(kind => PROOF_RESULTS.map(result => ({ kind, result })))

/** @returns the index of its series: those of one kind follow one another */
function proofSeries(kind: ProofKind, result: ProofResult): number {
  return PROOF_KINDS.indexOf(kind) * PROOF_RESULTS.length + PROOF_RESULTS.indexOf(result)
}

const INTROSPECTION_RESULTS = Object.keys({
  active: true,
  inactive: true,
  timeout: true,
  unauthorized: true,
  error: true,
  invalid: true,
  rejected: true,
  open: true,
} satisfies Record<IntrospectionResult, true>)
const DECRYPTION_RESULTS = Object.keys({
  ok: true,
  refused: true,
  failed: true,
  overloaded: true,
} satisfies Record<DecryptionResult, true>)
/** What the gauge shows for each state of a breaker. */
const BREAKER_VALUES: Readonly<Record<IntrospectionStatus['breaker'], number>> = { closed: 0, probing: 1, open: 2 }

/** What a provider is measured by. */
interface MeasuredProvider {
  /** Whether a server is asked about its tokens. */
  readonly asksServer: boolean
  /** Whether it has keys of others, wherever they are from. */
  readonly fetchesKeys: boolean
  /** Undefined for a provider that opens nothing. */
  readonly decryption?: object | undefined
}

/** The counts of one provider. */
interface ProviderTallies {
  readonly cache: Tally
  /** Undefined for a provider that has no keys. */
  readonly keys: KeyTallies | undefined
  /** Undefined for a provider that asks nobody about tokens. */
  readonly introspection: IntrospectionTallies | undefined
}

interface IntrospectionTallies {
  readonly results: Tally
  readonly durations: { observe(seconds: number): void }
}

interface KeyTallies {
  readonly fetches: Tally
  readonly fetchDurations: { observe(seconds: number): void }
  readonly unknownKeys: Tally
}

/** The closed list of the label `result`, for each metric that has one. */
export interface ProviderResults {
  readonly cacheResults: readonly string[]
  readonly fetchResults: readonly string[]
}

export function providerMetrics({ tally, histogram, gauge }: Series, { cacheResults, fetchResults }: ProviderResults) {
  const providers = new Map<string, ProviderTallies>()
  const tokenCache = tally(
    'token_cache_total',
    'Look-ups of verified tokens. Each miss costs a verification: many mean short-lived tokens or too small a cache.',
    ['provider', 'result'],
    cacheResults.map(result => ({ result })),
  )
  const jwksFetches = tally(
    'jwks_fetches_total',
    'Attempts to fetch keys. Other than ok and not_modified: result says why one failed, the log and /-/status say more.',
    ['provider', 'result'],
    fetchResults.map(result => ({ result })),
  )
  const jwksFetchDuration = histogram(
    'jwks_fetch_duration_seconds',
    'Time of a key fetch. Slow ones hold up the first token of a new key: look at the provider, DNS and egress.',
    DURATION_BUCKETS,
    'provider',
  )
  // Of several processes the lowest value is shown: callers of that process are the ones that are refused.
  const jwksKeys = gauge(
    'jwks_keys',
    'Usable keys held per provider. 0: its tokens get 503; see /-/status for why.',
    'min',
    ['provider'],
  )
  const jwksLastSuccess = gauge(
    'jwks_last_success_timestamp_seconds',
    'When keys were last fetched or confirmed. Older than keys.refresh: fetches fail; at keys.maxStale callers get 503.',
    'min',
    ['provider'],
  )
  const jwksUnknownKid = tally(
    'jwks_unknown_kid_total',
    'Tokens that name a key its provider does not publish: forged, of another environment, or a key used too early.',
    ['provider'],
    [{}],
  )
  const introspections = tally(
    'introspections_total',
    'Questions about tokens by result. unauthorized: our credentials; timeout, error, invalid: the server; rejected: not asked.',
    ['provider', 'result'],
    INTROSPECTION_RESULTS.map(result => ({ result })),
  )
  const introspectionDuration = histogram(
    'introspection_duration_seconds',
    'Time of a question about a token. Callers with a new token wait for it: compare with timeout, ask the server.',
    DURATION_BUCKETS,
    'provider',
  )
  const introspectionsInFlight = gauge(
    'introspection_in_flight',
    'Questions about tokens under way. At concurrency further ones queue: raise it if the server can take more.',
    'sum',
    ['provider'],
  )
  const introspectionBreaker = gauge(
    'introspection_breaker',
    '0: the server is asked. 1: one question tries whether it is back. 2: it is left alone and callers get 503; see /-/status.',
    'max',
    ['provider'],
  )
  const decryptions = tally(
    'decryptions_total',
    'Encrypted tokens and answers opened. failed: encrypted for a key that decryption.keyFiles lacks; refused: by its header.',
    ['provider', 'result'],
    DECRYPTION_RESULTS.map(result => ({ result })),
  )
  const blindTokens = tally(
    'revocation_blind_tokens_total',
    'Tokens that lack a claim and cannot be revoked by it. Have the issuer add it, or revoke by another claim.',
    ['provider', 'claim'],
    REVOCATION_KINDS.map(claim => ({ claim })),
  )
  // They are made with the first proof, since most gateways judge none.
  const proofs = tally(
    'proofs_total',
    'Proofs of possession judged. replayed: a client retries or a thief tries; overloaded: raise dpop.replay.entries.',
    ['provider', 'kind', 'result'],
    PROOF_SERIES,
  )

  const keyTallies = (provider: string): KeyTallies => ({
    fetches: jwksFetches.of(provider, fetchResults.keys()),
    fetchDurations: jwksFetchDuration.of(provider),
    unknownKeys: jwksUnknownKid.of(provider, [0]),
  })

  const introspectionTallies = (provider: string): IntrospectionTallies => ({
    results: introspections.of(provider, INTROSPECTION_RESULTS.keys()),
    durations: introspectionDuration.of(provider),
  })

  return {
    /** A token whose provider is known was looked up. */
    tokenLookedUp(provider: string, result: string): void {
      providers.get(provider)?.cache.add(cacheResults.indexOf(result))
    },
    /** A proof of possession was judged, or is missing. */
    proofJudged(provider: string, kind: ProofKind, result: ProofResult): void {
      proofs.of(provider, []).add(proofSeries(kind, result))
    },
    /** An attempt to fetch the keys of a provider is over. */
    keysFetched(provider: string, result: string, durationSeconds: number): void {
      const tallies = providers.get(provider)?.keys
      tallies?.fetches.add(fetchResults.indexOf(result))
      tallies?.fetchDurations.observe(durationSeconds)
    },
    /** A token named a key that its provider does not publish. */
    keyUnknown(provider: string): void {
      providers.get(provider)?.keys?.unknownKeys.add(0)
    },

    /** A question about a token is over, or was not asked. @param durationSeconds undefined when nobody was asked */
    introspected(provider: string, result: IntrospectionResult, durationSeconds: number | undefined): void {
      const tallies = providers.get(provider)?.introspection
      tallies?.results.add(INTROSPECTION_RESULTS.indexOf(result))
      if (durationSeconds !== undefined) tallies?.durations.observe(durationSeconds)
    },
    /** An encrypted token was decrypted, or was not. */
    decrypted(provider: string, result: DecryptionResult): void {
      decryptions.of(provider, []).add(DECRYPTION_RESULTS.indexOf(result))
    },

    /** A token lacks a claim that it could be revoked by. */
    revocationBlind(provider: string, claim: RevocationKind): void {
      blindTokens.of(provider, []).add(REVOCATION_KINDS.indexOf(claim))
    },
    /** Shows how a provider is doing now. */
    showProvider(provider: string, health: ProviderHealth): void {
      if (health.kind === 'introspection') {
        const { inFlight: questions, breaker } = health.introspection
        introspectionsInFlight.set({ provider }, questions)
        introspectionBreaker.set({ provider }, BREAKER_VALUES[breaker])
      }
      if (health.kind !== 'keys') return
      const { keys, lastSuccessSeconds } = health.keySet
      jwksKeys.set({ provider }, health.usable ? keys.length : 0)
      if (lastSuccessSeconds !== undefined) jwksLastSuccess.set({ provider }, lastSuccessSeconds)
    },

    /** Starts the series of a provider at 0, as far as it has a use for them. */
    initProvider(provider: string, { asksServer, fetchesKeys, decryption }: MeasuredProvider): void {
      if (decryption !== undefined) decryptions.of(provider, DECRYPTION_RESULTS.keys())
      providers.set(provider, {
        cache: tokenCache.of(provider, cacheResults.keys()),
        keys: fetchesKeys ? keyTallies(provider) : undefined,
        introspection: asksServer ? introspectionTallies(provider) : undefined,
      })
    },

    /** Drops the series of a provider that no policy has any more. */
    forgetProvider(provider: string): void {
      providers.delete(provider)
      for (const each of [
        tokenCache,
        jwksFetches,
        jwksFetchDuration,
        jwksUnknownKid,
        blindTokens,
        proofs,
        introspections,
        introspectionDuration,
        decryptions,
      ])
        each.forget(provider)
      for (const each of [jwksKeys, jwksLastSuccess, introspectionsInFlight, introspectionBreaker])
        each.remove({ provider })
    },
  }
}
