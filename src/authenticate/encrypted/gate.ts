/**
 * Bounds how many tokens are decrypted at a time in this process, whichever route or provider they are for.
 *
 * Anybody can make one decryption cost: the public key is no secret. So there are few at a time, a short line behind
 * them, and a refusal for whoever comes when that is full.
 */
import { Denial } from '../../errors.ts'

export interface DecryptionGate {
  /**
   * Does the work now, or when those who came before have had their turn.
   *
   * @throws {Denial} `overloaded`
   */
  run<T>(work: () => Promise<T>): Promise<T>
}

interface GateOptions {
  readonly atOnce: number
  /** How many may wait behind them. */
  readonly waiting: number
}

export function decryptionGate({ atOnce, waiting }: GateOptions): DecryptionGate {
  const line: Array<() => void> = []
  let atWork = 0

  /** Whoever leaves hands the place on, so nobody who comes meanwhile takes it from those who wait. */
  const leave = (): void => {
    const next = line.shift()
    if (next === undefined) atWork -= 1
    else next()
  }

  return {
    async run(work) {
      if (atWork < atOnce) atWork += 1
      else if (line.length < waiting) await new Promise<void>(resolve => line.push(resolve))
      else throw new Denial('overloaded', { evidence: { reason: 'too many encrypted tokens' } })
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}
