/**
 * Reads bodies that have to be judged before anything of them goes on, while the tokens that brought them still count.
 *
 * What is held is bounded twice: a body by the route's `maxBody`, and all bodies together by {@link MOST_HELD_BYTES}.
 * Attack: a caller whose token is good sends many bodies that never end, and nobody else could call any more. So
 * whoever has held the most for the longest time gives way, and an honest call is small or soon over.
 */
import { Denial } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { type Enrolled, Roster } from '../lib/roster.ts'
import type { ForwardDecision, JudgedBody } from '../policy.ts'
import { type ArrivedBody, WholeBody } from './client-body.ts'
import { END_CODES } from './end-codes.ts'
import type { Streams, Upload } from './streams.ts'

const MOST_HELD_BYTES = 64 * 1024 * 1024

interface Judged {
  readonly body: ArrivedBody
  readonly decision: ForwardDecision
}

/**
 * Returns a function that rejects with a `Denial`, among them what the judge throws and what became of the token, or
 * with `ClientGone`. What it resolves to counts as held until the service has begun to answer: nobody can tell when a
 * socket has let go of it, and a service that reads nothing would be sent any number of bodies.
 */
export function bodyJudge(
  streams: Pick<Streams, 'uploading' | 'uploaded'>,
  monotonicMs: () => number,
): (exchange: Exchange, judged: JudgedBody) => Promise<Judged> {
  const held = new Roster<Holding>()
  let heldBytes = 0

  function grew(by: number): void {
    heldBytes += by
    while (heldBytes > MOST_HELD_BYTES) {
      const most = costliest()
      if (most === undefined) return
      release(most)
      const evidence = { what: 'bodies that are judged', limit_bytes: MOST_HELD_BYTES }
      most.exchange.forwarding?.cancel(new Denial('overloaded', { evidence }))
    }
  }

  /** What has just come has held for a moment, and not for no time at all. */
  function costliest(): Holding | undefined {
    const nowMs = monotonicMs()
    let found: Holding | undefined
    let cost = 0
    for (const each of held) {
      const own = each.bytes * (nowMs - each.sinceMs + 1)
      if (own > cost) [found, cost] = [each, own]
    }
    return found
  }

  function release(holding: Holding): void {
    held.delete(holding)
    heldBytes -= holding.bytes
    holding.bytes = 0
  }

  /** It is made here, away from whatever keeps the bytes. */
  const releaseOf = (holding: Holding) => () => release(holding)

  return async (exchange, { mostBytes, judge }) => {
    const whole = new WholeBody(exchange, {
      mostBytes,
      onGrown(capacity) {
        const by = capacity - holding.bytes
        holding.bytes = capacity
        grew(by)
      },
    })
    const holding: Holding = { slot: -1, exchange, bytes: 0, sinceMs: monotonicMs() }
    const upload: Upload = {
      slot: -1,
      exchange,
      end: reason => whole.cancel(new Denial(END_CODES[reason], { evidence: { reason: 'during the upload' } })),
    }
    held.add(holding)
    streams.uploading(upload)
    try {
      const bytes = await whole.bytes
      return { decision: judge(bytes), body: { bytes, onTaken: releaseOf(holding) } }
    } catch (error) {
      release(holding)
      throw error
    } finally {
      streams.uploaded(upload)
    }
  }
}

interface Holding extends Enrolled {
  readonly exchange: Exchange
  readonly sinceMs: number
  bytes: number
}
