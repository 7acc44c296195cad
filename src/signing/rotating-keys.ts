/**
 * Makes signing keys in memory, a new one every 24 hours. They are never written anywhere, so they end with the
 * process, and no other process has them.
 */
import type { Clock } from '../lib/clock.ts'
import { type ComingKey, type KeyRing, keyRing, LEAD_MS } from './key-ring.ts'
import { generatedKey, type SigningAlgorithm } from './signing-key.ts'

const LIFE_MS = 24 * 60 * 60_000

interface RotatingKeysOptions {
  readonly algorithm: SigningAlgorithm
  readonly clock: Clock
}

interface RotatingKeys extends KeyRing {
  /** Makes the key and lets the key sign whose turn it is. */
  settle(): void
}

export function rotatingKeys({ algorithm, clock }: RotatingKeysOptions): RotatingKeys {
  const made = (): ComingKey => ({ key: generatedKey(algorithm), sinceMs: clock.nowMs() })
  let newest = made()
  const ring = keyRing({ algorithm, first: [newest], clock })
  return {
    ...ring,
    get signing() {
      return ring.signing
    },
    status() {
      const { nextMs = newest.sinceMs + LIFE_MS + LEAD_MS, ...status } = ring.status()
      return { ...status, nextMs }
    },
    settle() {
      if (clock.nowMs() - newest.sinceMs >= LIFE_MS) {
        newest = made()
        ring.add([newest])
      }
      ring.settle()
      ring.keepOnly([ring.signing, newest.key])
    },
  }
}
