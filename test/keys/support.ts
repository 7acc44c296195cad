/** Runs a remote key set against a scripted server, with its time in the test's hands. */
import { generateKeyPairSync } from 'node:crypto'
import { expect, onTestFinished } from 'vitest'
import { Denial } from '../../src/errors.ts'
import type { KeySetObserver, LiveKeySet } from '../../src/keys/key-set-events.ts'
import {
  type FetchDefinition,
  type KeySetRegistry,
  type KeySourceDefinition,
  keySetRegistry,
} from '../../src/keys/registry.ts'
import type { KeyHint, VerificationKey } from '../../src/types.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'

export interface PublicJwk {
  readonly [member: string]: unknown
}

/** Makes a fresh P-256 key under this name. */
export function ecJwk(kid?: string): PublicJwk {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
  return kid === undefined ? { ...jwk } : { ...jwk, kid }
}

export const es256 = (kid?: string): KeyHint => ({ alg: 'ES256', kid, issuers: ['https://issuer.example/'] })

export const TUNING = {
  refreshMs: 300_000,
  maxStaleMs: 86_400_000,
  cooldownMs: 30_000,
  // It can be told apart from every other delay, so that an attempt can be counted when it begins.
  timeoutMs: 5_003,
  maxBytes: 1_048_576,
} as const satisfies FetchDefinition

export interface Recorder extends KeySetObserver {
  readonly fetches: Parameters<KeySetObserver['fetched']>[0][]
  readonly states: Parameters<KeySetObserver['stateChanged']>[0][]
  readonly cacheFiles: Parameters<KeySetObserver['cacheFile']>[0][]
  unknownKeys: number
  /** Resolves when `count` attempts have ended in all. */
  fetchedTimes(count: number): Promise<void>
}

export function recorder(): Recorder {
  const waiting = new Set<() => void>()
  const self: Recorder = {
    fetches: [],
    states: [],
    cacheFiles: [],
    unknownKeys: 0,
    fetched(event) {
      self.fetches.push(event)
      for (const check of waiting) check()
    },
    unknownKey() {
      self.unknownKeys += 1
    },
    stateChanged: event => void self.states.push(event),
    cacheFile: event => void self.cacheFiles.push(event),
    fetchedTimes(count) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const check = (): void => {
        if (self.fetches.length >= count) resolve()
      }
      waiting.add(check)
      check()
      return promise
    },
  }
  return self
}

type KeySetLease = ReturnType<KeySetRegistry['acquire']>

export interface Started {
  readonly keySet: KeySetLease['value']
  readonly lease: KeySetLease
  readonly registry: KeySetRegistry
  readonly time: ManualTime
  readonly seen: Recorder
  /** Attempts begun so far. */
  attempts(): number
  /** Moves time and lets every attempt on the way end; only for servers that answer. */
  advance(ms: number): Promise<void>
}

export interface StartOptions {
  readonly issuer?: string
  readonly random?: () => number
  readonly time?: ManualTime
}

/** Starts without waiting for the first answer. */
export function startKeySet(source: KeySourceDefinition, options: StartOptions = {}): Started {
  const time = options.time ?? manualTime()
  const seen = recorder()
  let attempts = 0
  const registry = keySetRegistry({
    clock: time,
    scheduler: {
      after(delayMs, task) {
        if (delayMs === TUNING.timeoutMs) attempts += 1
        return time.after(delayMs, task)
      },
    },
    random: options.random ?? (() => 0),
    observer: seen,
  })
  onTestFinished(() => registry.close())
  const lease = registry.acquire({ provider: 'main', issuer: options.issuer ?? 'https://issuer.example/', source })
  const settle = (): Promise<void> => seen.fetchedTimes(attempts)
  return {
    keySet: lease.value,
    lease,
    registry,
    time,
    seen,
    attempts: () => attempts,
    advance: ms => time.advance(ms, settle),
  }
}

/** Starts and waits until the first attempt has ended. */
export async function startedKeySet(source: KeySourceDefinition, options?: StartOptions): Promise<Started> {
  const started = startKeySet(source, options)
  await started.lease.ready()
  return started
}

/** @returns what became of a selection: the kids, or the refusal */
export async function outcome(keySet: Pick<LiveKeySet, 'select'>, hint: KeyHint): Promise<unknown> {
  try {
    return (await keySet.select(hint)).map(({ kid }) => kid)
  } catch (error) {
    if (error instanceof Denial) return error.code
    throw error
  }
}

/** @returns the keys, which must be in hand: no promise */
export function selectNow(keySet: Pick<LiveKeySet, 'select'>, hint: KeyHint): readonly VerificationKey[] {
  const selected = keySet.select(hint)
  expect(selected).not.toBeInstanceOf(Promise)
  return selected as readonly VerificationKey[]
}

/** @returns the refusal, which must come at once: thrown, not awaited */
export function refusedNow(keySet: Pick<LiveKeySet, 'select'>, hint: KeyHint): Denial {
  try {
    void keySet.select(hint)
  } catch (error) {
    if (error instanceof Denial) return error
    throw error
  }
  throw new Error('not refused at once')
}
