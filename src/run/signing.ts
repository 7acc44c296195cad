/**
 * Keeps the keys that sign our tokens while policies come and go: follows the folder that holds them, or has new ones
 * made, and lets each sign when its turn has come.
 *
 * A changed key is no new configuration: the folder is read by itself, so that a configuration that is rejected keeps
 * no key from being replaced. What is found wrong in the folder then is told, and the keys that are known go on.
 */
import { join } from 'node:path'
import type { InternalTokenConfig } from '../config/schema/schema.ts'
import { KeySourceError } from '../keys/key-source-error.ts'
import type { Clock } from '../lib/clock.ts'
import { leases } from '../lib/leases.ts'
import type { Cancel, Scheduler } from '../lib/scheduler.ts'
import { type FoundKey, type KeyFolder, keyFolderProblem, readKeyFolder } from '../signing/key-folder.ts'
import { type KeyRing, type KeyRingStatus, keyRing } from '../signing/key-ring.ts'
import { rotatingKeys } from '../signing/rotating-keys.ts'
import type { SigningAlgorithm } from '../signing/signing-key.ts'
import type { Log } from '../telemetry/log.ts'
import type { JsonObject } from '../types.ts'
import { fileWatch } from './watch.ts'

interface SigningDeps {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
}

export interface SigningStatus extends KeyRingStatus {
  /** Undefined for keys that are made in memory. */
  readonly folder: string | undefined
  /** What is wrong with the folder, in our words; undefined when nothing is. */
  readonly lastError: string | undefined
}

interface LeasedKeys {
  readonly ring: KeyRing
  /** Begins to follow the keys and to publish them: call it when their policy is put in force. */
  putInForce(): void
  release(): void
}

export interface SigningKeys {
  /** @throws {Error} the folder holds no key to sign with */
  acquire(token: InternalTokenConfig): LeasedKeys
  /** Signs nothing from here on, but for what is under way. */
  putNoneInForce(): void
  /** The keys by which tokens that are alive can be verified; undefined where none are signed. */
  published(): readonly JsonObject[] | undefined
  status(): SigningStatus | undefined
  close(): Promise<void>
}

/** Tokens live for an hour at most, and their keys are published until then. */
const LINGER_MS = 61 * 60_000
/** The time may jump, so that nobody sleeps until a key's turn. */
const LONGEST_SLEEP_MS = 60_000
const SHORTEST_SLEEP_MS = 1000

interface Definition {
  readonly keysDir: string | undefined
  readonly algorithm: SigningAlgorithm
}

interface Keys {
  readonly folder: string | undefined
  readonly ring: KeyRing
  lastError(): string | undefined
  /** Lets the key sign whose turn it is. */
  settle(): void
  /** Reads the folder again. */
  reread(): void
}

export function signingKeys(deps: SigningDeps): SigningKeys {
  const { clock, scheduler, log } = deps
  /** Those whose tokens may be alive; the one in force comes last. */
  const followed = new Set<Keys>()
  let inForce: Keys | undefined
  let cancelRound: Cancel = () => {}
  let isRoundUnderWay = false
  let watching: ReturnType<typeof fileWatch> | undefined
  const held = leases({
    identityOf: (definition: Definition) => JSON.stringify([definition.keysDir, definition.algorithm]),
    make: definition => keysOf(definition, deps),
    end: async (keys: Keys) => void followed.delete(keys),
    lingerMs: LINGER_MS,
    scheduler,
  })

  function round(): void {
    isRoundUnderWay = followed.size > 0
    if (!isRoundUnderWay) return
    for (const keys of followed) keys.settle()
    const nextMs = Math.min(...[...followed].map(({ ring }) => ring.status().nextMs ?? Number.POSITIVE_INFINITY))
    const sleepMs = Math.min(LONGEST_SLEEP_MS, Math.max(SHORTEST_SLEEP_MS, nextMs - clock.nowMs()))
    cancelRound = scheduler.after(sleepMs, round)
  }

  function follow(): void {
    if (!isRoundUnderWay) round()
    if ([...followed].every(({ folder }) => folder === undefined)) return
    watching ??= fileWatch({
      // No file has this name: what is meant is its folder.
      files: () => [...followed].flatMap(({ folder }) => (folder === undefined ? [] : [join(folder, ' ')])),
      onChange() {
        for (const keys of followed) keys.reread()
      },
      onUnwatchable: (folder, reason) =>
        log.warn({ folder, reason }, 'cannot watch a folder, changes in it are found within a minute'),
      scheduler,
    })
    watching.follow()
  }

  return {
    acquire({ keysDir, algorithm }) {
      const { value, release } = held.acquire({ keysDir, algorithm })
      return {
        ring: value.ring,
        putInForce() {
          followed.delete(value)
          followed.add(value)
          inForce = value
          follow()
        },
        release,
      }
    },
    putNoneInForce() {
      inForce = undefined
    },
    published() {
      const all = [...followed].reverse().flatMap(({ ring }) => ring.published())
      const kids = new Set<unknown>()
      const distinct = all.filter(({ kid }) => !kids.has(kid) && kids.add(kid))
      return inForce === undefined && distinct.length === 0 ? undefined : distinct
    },
    status: () => inForce && { ...inForce.ring.status(), folder: inForce.folder, lastError: inForce.lastError() },
    async close() {
      cancelRound()
      watching?.close()
      await held.close()
    },
  }
}

function keysOf({ keysDir, algorithm }: Definition, deps: SigningDeps): Keys {
  return keysDir === undefined ? keysInMemory(algorithm, deps) : keysIn(keysDir, algorithm, deps)
}

function keysInMemory(algorithm: SigningAlgorithm, { clock, log }: SigningDeps): Keys {
  const ring = rotatingKeys({ algorithm, clock })
  return {
    folder: undefined,
    ring,
    lastError: () => undefined,
    settle: () => tellingOfTurns(ring, log, () => ring.settle()),
    reread() {},
  }
}

/** @throws {Error} it holds no key to sign with */
function keysIn(folder: string, algorithm: SigningAlgorithm, { clock, log }: SigningDeps): Keys {
  const found = readOrThrow(folder)
  const problem = keyFolderProblem(found, algorithm)
  if (problem !== undefined) throw new Error(`identity.token.keysDir: the folder ${folder} ${problem}`)
  const ring = keyRing({ algorithm, first: found.keys.map(key => comingFirst(key, clock.nowMs())), clock })
  let lastError: string | undefined

  const note = (error: string | undefined): void => {
    if (error !== undefined && error !== lastError)
      log.error(
        { folder, reason: `the folder ${error}` },
        'signing keys cannot all be read, those that are known go on',
      )
    if (error === undefined && lastError !== undefined) log.info({ folder }, 'signing keys can be read again')
    lastError = error
  }

  function reread(): void {
    const read = readOr(folder, note)
    if (read === undefined) return
    const error = keyFolderProblem(read, algorithm)
    note(error)
    const found = ring.add(read.keys.map(({ key }) => ({ key, sinceMs: clock.nowMs() })))
    // What cannot be read may be a key that is known, so none counts as taken out.
    const gone = error === undefined ? ring.keepOnly(read.keys.map(({ key }) => key)) : []
    for (const kid of found) log.info({ kid, folder }, 'a signing key was found, it is published from now on')
    for (const kid of gone) log.info({ kid, folder }, 'a signing key was taken out, it signs no more')
    tellingOfTurns(ring, log, ring.settle)
  }

  return { folder, ring, lastError: () => lastError, settle: () => tellingOfTurns(ring, log, ring.settle), reread }
}

/** Others may have published it since it came into the folder. */
function comingFirst({ key, sinceMs }: FoundKey, nowMs: number) {
  return { key, sinceMs: Math.min(sinceMs, nowMs) }
}

function readOrThrow(folder: string): KeyFolder {
  try {
    return readKeyFolder(folder)
  } catch (error) {
    if (!(error instanceof KeySourceError)) throw error
    throw new Error(`identity.token.keysDir: the folder ${folder} ${error.message}`)
  }
}

function readOr(folder: string, onProblem: (problem: string) => void): KeyFolder | undefined {
  try {
    return readKeyFolder(folder)
  } catch (error) {
    if (!(error instanceof KeySourceError)) throw error
    onProblem(error.message)
    return undefined
  }
}

function tellingOfTurns(ring: KeyRing, log: Log, change: () => void): void {
  const before = ring.signing
  change()
  const { kid } = ring.signing
  if (ring.signing !== before) log.info({ kid, previous: before.kid }, 'another key signs the internal tokens')
}
