/**
 * Takes the body of an exchange: piece by piece to be passed on, or all of it for what the gateway answers or judges.
 *
 * The limits are those of every body: its size, the client's silences, and `100 Continue` only when it is wanted.
 */
import { Readable } from 'node:stream'
import type { Exchange, Forwarding } from '../exchange.ts'
import { GatheredBytes } from '../lib/gathered-bytes.ts'
import { RequestBody } from './request-body.ts'

/** @param maxBytes a longer body fails with `body_too_large` */
export function clientBody(exchange: Exchange, maxBytes: number): RequestBody {
  const { request, response, policy } = exchange
  return new RequestBody(request.body, {
    maxBytes,
    idleTimeoutMs: policy.limits.bodyIdleTimeoutMs,
    isAnswered: () => response.headersSent,
    counter: exchange,
    onFirstRead: () => {
      if (exchange.expectsContinue && !response.headersSent) response.writeContinue()
    },
  })
}

/** A body that is there already. */
export interface ArrivedBody {
  readonly bytes: Buffer
  /** Called when nobody need know of it any more, once or several times. */
  readonly onTaken: () => void
}

/** @returns a body to be passed on like one that is still to come */
export function arrivedBody({ policy }: Exchange, { bytes }: ArrivedBody): RequestBody {
  const source = new Readable({ autoDestroy: false, read: () => {} })
  source.push(bytes)
  source.push(null)
  return new RequestBody(source, {
    maxBytes: bytes.length,
    idleTimeoutMs: policy.limits.bodyIdleTimeoutMs,
    isAnswered: () => true,
    onFirstRead: () => {},
  })
}

interface WholeBodyOptions {
  /** The bound, unless the configuration's is lower. */
  readonly mostBytes: number
  /** Told how much memory the body takes, whenever that has grown. */
  readonly onGrown?: (capacity: number) => void
}

/**
 * Gathers all of a body. It stands where the upstream's part of the exchange would stand, so that whoever ends that
 * early ends this, too: nothing of a request that is over is kept.
 */
export class WholeBody implements Forwarding {
  /** It rejects with a `Denial`, or with `ClientGone` when the client leaves before the end of its request. */
  readonly bytes: Promise<Buffer>
  readonly #body: RequestBody

  constructor(exchange: Exchange, { mostBytes, onGrown = () => {} }: WholeBodyOptions) {
    const gathered = new GatheredBytes()
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    this.#body = clientBody(exchange, Math.min(mostBytes, exchange.policy.limits.bodyBytes))
    this.bytes = promise.finally(() => {
      exchange.forwarding = undefined
    })
    exchange.forwarding = this
    if (exchange.findings.bodyBytes === 0) {
      resolve(gathered.take())
      return
    }
    this.#body.on('data', (chunk: Buffer) => {
      const before = gathered.capacity
      gathered.append(chunk)
      if (gathered.capacity !== before) onGrown(gathered.capacity)
    })
    this.#body.on('end', () => resolve(gathered.take()))
    this.#body.on('error', (error: Error) => {
      // The connection may stay open for long, and keeps what it has brought.
      gathered.take()
      reject(error)
    })
    this.#body.resume()
  }

  cancel(reason: Error): void {
    this.#body.destroy(reason)
  }
}
