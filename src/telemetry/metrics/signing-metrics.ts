/** Counts the tokens that we sign for services, and shows how the keys are doing that sign them. */
import type { Series } from './series.ts'

/** What is shown of the keys. */
interface ShownSigning {
  /** Since when the key that signs has been published. */
  readonly sinceMs: number
  /** Why not all keys can be read; undefined when they can. */
  readonly lastError: string | undefined
}

export function signingMetrics({ gauge, overall }: Series) {
  const minted = overall(
    'internal_tokens_minted_total',
    'Tokens signed for services: one per caller and lifetime. As many as requests? Then no caller comes twice.',
    [{}],
  )
  const age = gauge(
    'signing_key_age_seconds',
    'Time since the key that signs internal tokens was published. It grows past your rotation: nobody replaces it.',
    'max',
  )
  const up = gauge(
    'signing_keys_up',
    '0: identity.token.keysDir cannot be read, or a file in it is no key. Known keys go on; see signing in /-/status.',
    'min',
  )
  age.remove()
  up.remove()

  return {
    tokenSigned(): void {
      minted.add(0, 1)
    },
    /** @param status undefined where no tokens are signed */
    showSigning(status: ShownSigning | undefined, nowMs: number): void {
      if (status === undefined) {
        age.remove()
        up.remove()
        return
      }
      age.set(Math.max(0, (nowMs - status.sinceMs) / 1000))
      up.set(status.lastError === undefined ? 1 : 0)
    },
  }
}
