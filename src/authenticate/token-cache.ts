/**
 * Remembers tokens that were verified, so that one costs a signature once and a look-up from then on.
 *
 * A hit is an answer only while everything that decided it still holds: the whole token is looked up, the verifier is
 * the very object that the route asks about this token (a reload that changes its rules makes a new one), what the
 * verdict rests on is still in force, and time is checked on every use. Refusals are not remembered: a stranger must
 * not be able to push verified tokens out. Revocation and proof of possession are no part of a verdict; they are
 * checked outside.
 */
import { LRUCache } from 'lru-cache'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Principal, Verification } from '../types.ts'
import type { PresentedToken, TokenVerifier, Verdict } from './verifier.ts'

/**
 * Lists what a look-up can find:
 * - `hit` is a verdict that holds.
 * - `miss` is no verdict, so the token is verified.
 * - `shared` is a verification that another request has begun, and whose outcome both get.
 * - `expired` is a verdict whose time is over.
 * - `stale` is a verdict whose basis or verifier is gone, so the token is verified again.
 */
export const TOKEN_CACHE_RESULTS = ['hit', 'miss', 'shared', 'expired', 'stale'] as const
type TokenCacheResult = (typeof TOKEN_CACHE_RESULTS)[number]

interface TokenCacheOptions {
  /** Most verdicts that are held, at least 1. */
  readonly entries: number
  /** Called once for each look-up of a token whose provider is known. */
  readonly onResult: (provider: string, result: TokenCacheResult) => void
}

/** Says whether it is this verifier that a route asks about the token of this principal. */
export type VerdictOwner = (verifier: TokenVerifier, principal: Principal) => boolean

export interface TokenCache {
  /** How many verdicts are held. */
  readonly size: number
  /**
   * The principal of a token that was verified before; undefined when it has to be verified.
   *
   * @param owns a verdict of any other verifier is left alone
   * @throws {Denial} `token_expired`, `token_not_yet_valid`
   */
  recall(token: string, owns: VerdictOwner): Principal | undefined
  /**
   * Verifies a token and remembers it. While that has to wait, requests that bring the same token share it.
   *
   * @param noted is told what was found of the token
   * @throws {Denial} what the verifier throws
   */
  verify(presented: PresentedToken, verifier: TokenVerifier, noted?: Verification): MaybePromise<Principal>
  /** Changes how many verdicts are held at most; those that were used last stay. */
  resize(entries: number): void
}

interface Entry {
  readonly verifier: TokenVerifier
  readonly verdict: Verdict
}

interface Flight {
  readonly verifier: TokenVerifier
  readonly verdict: Promise<Verdict>
}

/**
 * Weight that an entry may have on average; with heavier entries the cache holds fewer of them. Tokens up to 2 KB are
 * lighter. Without the bound 10,000 tokens of 8 KiB would take 260 MB.
 */
const AVERAGE_ENTRY_BYTES = 8 * 1024

export function tokenCache({ entries, onResult }: TokenCacheOptions): TokenCache {
  let verdicts = verdictsOf(entries)
  const flights = new Map<string, Flight>()

  const remember = (token: string, verifier: TokenVerifier, verdict: Verdict): Principal => {
    verdicts.set(token, { verifier, verdict })
    return verdict.principal
  }

  const land = async (token: string, flight: Flight): Promise<Principal> => {
    flights.set(token, flight)
    try {
      return remember(token, flight.verifier, await flight.verdict)
    } finally {
      // A reload may have started another verification of the same token, which is not ours to end.
      if (flights.get(token) === flight) flights.delete(token)
    }
  }

  return {
    get size() {
      return verdicts.size
    },
    recall(token, owns) {
      const entry = verdicts.get(token)
      // A token of another route's provider is left alone: it still serves that route.
      if (entry === undefined || !owns(entry.verifier, entry.verdict.principal)) return undefined
      const { verifier, verdict } = entry
      if (!verifier.stillHolds(verdict)) return undefined
      try {
        verifier.checkTime(verdict)
      } catch (refusal) {
        verdicts.delete(token)
        onResult(verifier.provider, 'expired')
        throw refusal
      }
      onResult(verifier.provider, 'hit')
      return verdict.principal
    },
    verify(presented, verifier, noted) {
      const { token } = presented
      const { provider } = verifier
      const flight = flights.get(token)
      if (flight?.verifier === verifier) {
        onResult(provider, 'shared')
        if (noted !== undefined) noted.lookUp = 'shared'
        return flight.verdict.then(({ principal }) => principal)
      }
      // A verdict that is here and was not recalled is out of date, and must not stay if the token is refused now.
      const lookUp = verdicts.delete(token) ? 'stale' : 'miss'
      onResult(provider, lookUp)
      if (noted !== undefined) noted.lookUp = lookUp
      const verdict = verifier.verify(presented)
      return verdict instanceof Promise ? land(token, { verifier, verdict }) : remember(token, verifier, verdict)
    },
    resize(newEntries) {
      if (newEntries === verdicts.max) return
      const resized = verdictsOf(newEntries)
      for (const [token, entry] of [...verdicts.entries()].toReversed()) resized.set(token, entry)
      verdicts = resized
    },
  }
}

function verdictsOf(entries: number): LRUCache<string, Entry> {
  return new LRUCache({
    max: entries,
    maxSize: entries * AVERAGE_ENTRY_BYTES,
    sizeCalculation: (_entry, token) => weightBytes(token),
  })
}

/** Measured on Node 26: 2.5 KB for a usual token of 850 characters, 26 KB for one of 8,200 with 500 roles. */
function weightBytes(token: string): number {
  return 1024 + token.length * 3
}
