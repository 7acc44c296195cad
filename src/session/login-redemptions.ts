/**
 * Redeems the code of each login once, however often the browser brings it.
 *
 * RFC 6749 §4.1.2: a provider that is asked twice for one code may take back what it has given for it. A browser that
 * sends its way back again, before it has the answer to the first, gets the same session. Anybody may come with a login
 * of his own and a code that he has made up, so not too many are redeemed at a time.
 */
import { LRUCache } from 'lru-cache'
import { Denial } from '../errors.ts'

interface LoginRedemptions<T> {
  /**
   * What could not be told at the moment is not remembered: the browser may come again.
   *
   * @param state of the login
   * @throws {Denial} `login_unavailable`: too many are under way; or what `redeem` throws
   */
  once(state: string, redeem: () => Promise<T>): Promise<T>
}

interface LoginRedemptionsOptions {
  readonly provider: string
  readonly monotonicMs: () => number
}

interface Redemption<T> {
  readonly outcome: Promise<T>
  readonly untilMs: number
}

const MOST_AT_ONCE = 32
/** The answer to the first has arrived by then, or the browser has given up. */
const REMEMBERED_MS = 60_000
const MOST_REMEMBERED = 1_000

export function loginRedemptions<T>({ provider, monotonicMs }: LoginRedemptionsOptions): LoginRedemptions<T> {
  const known = new LRUCache<string, Redemption<T>>({ max: MOST_REMEMBERED })
  let underWay = 0

  async function counted(state: string, redeem: () => Promise<T>): Promise<T> {
    underWay += 1
    try {
      return await redeem()
    } catch (error) {
      if (error instanceof Denial && error.spec.status >= 500) known.delete(state)
      throw error
    } finally {
      underWay -= 1
    }
  }

  return {
    async once(state, redeem) {
      const before = known.get(state)
      if (before !== undefined && monotonicMs() < before.untilMs) return await before.outcome
      if (underWay >= MOST_AT_ONCE) {
        const evidence = { reason: `${MOST_AT_ONCE} logins wait for the provider` }
        throw new Denial('login_unavailable', { provider, retryAfterSeconds: 1, evidence })
      }
      const outcome = counted(state, redeem)
      known.set(state, { outcome, untilMs: monotonicMs() + REMEMBERED_MS })
      return await outcome
    },
  }
}
