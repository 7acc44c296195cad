/**
 * Makes and judges the nonces that a DPoP proof has to contain (RFC 9449 §8, §9), and keeps none of them.
 *
 * A nonce is the HMAC of a time step, so every process with the same secret knows the same ones, across restarts, too.
 * A step takes half of the lifetime. Nonces of this step and of the one before it are valid, so each is valid for half
 * of its lifetime at least, whenever it was handed out. A nonce of a step that is still to come is not valid.
 */
import { createHmac } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { isSameSecret } from '../../lib/secrets.ts'

interface NoncesOptions {
  /** At least 32 bytes. */
  readonly secret: Buffer
  readonly lifetimeMs: number
  readonly clock: Clock
}

export interface Nonces {
  /**
   * Returns the nonce to hand out now. RFC 9449 §8.1 allows more characters (NQCHAR) than letters and digits, but a
   * command line takes one that begins with a hyphen for an option.
   */
  current(): string
  /** @returns undefined when it is not valid: made up, too old, or of a step that is still to come */
  judge(nonce: string): ValidNonce | undefined
}

interface ValidNonce {
  /** It is in the last third of its lifetime, so the client should get another one. */
  readonly isAging: boolean
  /** The first moment at which it is not valid any more. */
  readonly expiresAtMs: number
}

/** So many bytes of the HMAC are the nonce. Nobody guesses 128 bits. */
const NONCE_BYTES = 16
/** The part of its lifetime after which a nonce is replaced. */
const AGING_FROM = 2 / 3

interface Step {
  readonly index: number
  readonly text: string
  readonly bytes: Buffer
}

export function nonces({ secret, lifetimeMs, clock }: NoncesOptions): Nonces {
  const stepMs = lifetimeMs / 2

  // The HMAC is over the length of a step, too, so that another lifetime does not make an old nonce valid again.
  const stepAt = (index: number): Step => {
    const digest = createHmac('sha256', secret).update(`sallyport dpop nonce:${stepMs}:${index}`).digest()
    const text = digest.toString('hex', 0, NONCE_BYTES)
    return { index, text, bytes: Buffer.from(text) }
  }

  /** The current step and the one before it; undefined before the first call. */
  let steps: readonly [Step, Step] | undefined
  const stepsAt = (nowMs: number): readonly [Step, Step] => {
    const index = Math.floor(nowMs / stepMs)
    if (steps?.[0].index === index) return steps
    const before = steps?.[0].index === index - 1 ? steps[0] : stepAt(index - 1)
    steps = [stepAt(index), before]
    return steps
  }

  return {
    current: () => stepsAt(clock.nowMs())[0].text,
    judge(nonce) {
      const nowMs = clock.nowMs()
      const bytes = Buffer.from(nonce)
      // Both nonces are compared each time, so that the time does not tell which of them it is.
      const found = stepsAt(nowMs).filter(step => isSameSecret(step.bytes, bytes))[0]
      if (found === undefined) return undefined
      const startMs = found.index * stepMs
      return { isAging: nowMs - startMs >= lifetimeMs * AGING_FROM, expiresAtMs: startMs + lifetimeMs }
    },
  }
}
