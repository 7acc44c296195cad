/**
 * Reads bodies that have to be judged before anything of them goes on, while the tokens that brought them still count.
 *
 * What is held is bounded twice: a body by the route's `maxBody`, and all bodies together by {@link MOST_HELD_BYTES}.
 * Attack: a caller whose token is good sends many large bodies that never end, and nobody else could call any more. So
 * whoever holds the most gives way, and an honest call is small and soon over.
 */
import { Denial } from '../errors.ts'
import type { Exchange, Forwarding } from '../exchange.ts'
import { GatheredBytes } from '../lib/gathered-bytes.ts'
import { type Enrolled, Roster } from '../lib/roster.ts'
import type { ForwardDecision, JudgedBody } from '../policy.ts'
import type { GrantEnd } from '../types.ts'
import { type ArrivedBody, clientBody } from './client-body.ts'
import { END_CODES } from './end-codes.ts'
import type { RequestBody } from './request-body.ts'
import type { Streams, Upload } from './streams.ts'

const MOST_HELD_BYTES = 64 * 1024 * 1024

interface Judged {
  readonly body: ArrivedBody
  readonly decision: ForwardDecision
}

/**
 * Returns a function that rejects with a `Denial`, among them what the judge throws and what became of the token, or
 * with `ClientGone`. What it resolves to counts as held until the service has taken it.
 */
export function bodyJudge(
  streams: Pick<Streams, 'uploading' | 'uploaded'>,
): (exchange: Exchange, judged: JudgedBody) => Promise<Judged> {
  const held = new Roster<Holding>()
  let heldBytes = 0

  function grew(by: number): void {
    heldBytes += by
    while (heldBytes > MOST_HELD_BYTES) {
      let largest: Holding | undefined
      for (const each of held) if (largest === undefined || each.bytes > largest.bytes) largest = each
      if (largest === undefined) return
      release(largest)
      const evidence = { what: 'bodies that are judged', limit_bytes: MOST_HELD_BYTES }
      largest.reading.cancel(new Denial('overloaded', { evidence }))
    }
  }

  function release(holding: Holding): void {
    held.delete(holding)
    heldBytes -= holding.bytes
    holding.bytes = 0
  }

  return async (exchange, { mostBytes, judge }) => {
    const reading = new Reading(exchange, mostBytes)
    const holding: Holding = { slot: -1, reading, bytes: 0 }
    held.add(holding)
    streams.uploading(reading)
    try {
      const body = await reading.gathered(capacity => {
        const by = capacity - holding.bytes
        holding.bytes = capacity
        grew(by)
      })
      return { decision: judge(body), body: { bytes: body, onTaken: () => release(holding) } }
    } catch (error) {
      release(holding)
      throw error
    } finally {
      streams.uploaded(reading)
    }
  }
}

interface Holding extends Enrolled {
  readonly reading: Reading
  bytes: number
}

/** It stands where the upstream's part of the exchange will stand, so that whoever ends that early ends this, too. */
class Reading implements Upload, Forwarding {
  readonly exchange: Exchange
  slot = -1
  readonly #body: RequestBody

  constructor(exchange: Exchange, mostBytes: number) {
    this.exchange = exchange
    this.#body = clientBody(exchange, Math.min(mostBytes, exchange.policy.limits.bodyBytes))
    exchange.forwarding = this
  }

  /** @param onGrown told how much memory is taken */
  gathered(onGrown: (capacity: number) => void): Promise<Buffer> {
    const bytes = new GatheredBytes()
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    this.#body.on('data', (chunk: Buffer) => {
      const before = bytes.capacity
      bytes.append(chunk)
      if (bytes.capacity !== before) onGrown(bytes.capacity)
    })
    this.#body.on('end', () => resolve(bytes.take()))
    this.#body.on('error', reject)
    this.#body.resume()
    return promise.finally(() => {
      this.exchange.forwarding = undefined
    })
  }

  cancel(reason: Error): void {
    this.#body.destroy(reason)
  }

  end(reason: GrantEnd): void {
    this.cancel(new Denial(END_CODES[reason], { evidence: { reason: 'during the upload' } }))
  }
}
