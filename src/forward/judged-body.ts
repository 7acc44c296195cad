/**
 * Reads bodies that have to be judged before anything of them goes on, while the tokens that brought them still count.
 *
 * What is held is bounded twice: a body by the route's `maxBody`, and all bodies together by {@link MOST_HELD_BYTES}.
 */
import { Denial } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { ForwardDecision, JudgedBody } from '../policy.ts'
import type { GrantEnd } from '../types.ts'
import { wholeBody } from './client-body.ts'
import { END_CODES } from './end-codes.ts'
import type { Streams, Upload } from './streams.ts'

/** Attack: callers whose tokens are good send many large bodies at a time, none of which ever ends. */
const MOST_HELD_BYTES = 64 * 1024 * 1024

interface Judged {
  /** All of it, as it came. */
  readonly body: Buffer
  readonly decision: ForwardDecision
}

/**
 * Returns a function that rejects as `wholeBody` does, with what the judge throws, with `overloaded`, and when the
 * token has ceased to count.
 */
export function bodyJudge(
  streams: Pick<Streams, 'uploading' | 'uploaded'>,
): (exchange: Exchange, judged: JudgedBody) => Promise<Judged> {
  let heldBytes = 0
  return async (exchange, { mostBytes, judge }) => {
    const { bodyBytes = mostBytes } = exchange.findings
    if (heldBytes + bodyBytes > MOST_HELD_BYTES)
      throw new Denial('overloaded', { evidence: { what: 'bodies that are judged', limit_bytes: MOST_HELD_BYTES } })
    const reading = new Reading(exchange)
    heldBytes += bodyBytes
    streams.uploading(reading)
    try {
      const body = await Promise.race([wholeBody(exchange, mostBytes), reading.ended])
      return { body, decision: judge(body) }
    } finally {
      heldBytes -= bodyBytes
      streams.uploaded(reading)
    }
  }
}

class Reading implements Upload {
  readonly exchange: Exchange
  slot = -1
  /** It rejects when the token does not count any more. */
  readonly ended: Promise<never>
  readonly #reject: (reason: Error) => void

  constructor(exchange: Exchange) {
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {})
    this.exchange = exchange
    this.ended = promise
    this.#reject = reject
  }

  end(reason: GrantEnd): void {
    this.#reject(new Denial(END_CODES[reason], { evidence: { reason: 'during the upload' } }))
  }
}
