/**
 * Takes the body of an exchange: piece by piece to be passed on, or all of it for what the gateway answers itself.
 *
 * The limits are those of every body: its size, the client's silences, and `100 Continue` only when it is wanted.
 */
import { Readable } from 'node:stream'
import type { Exchange } from '../exchange.ts'
import { GatheredBytes } from '../lib/gathered-bytes.ts'
import { RequestBody } from './request-body.ts'

/** @param maxBytes a longer body fails with `body_too_large` */
export function clientBody(exchange: Exchange, maxBytes: number): RequestBody {
  const { request, response, policy } = exchange
  return new RequestBody(request.body, {
    maxBytes,
    idleTimeoutMs: policy.limits.bodyIdleTimeoutMs,
    isAnswered: () => response.headersSent,
    onFirstRead: () => {
      if (exchange.expectsContinue && !response.headersSent) response.writeContinue()
    },
  })
}

/** A body that is there already, and is kept until the service has taken it. */
export interface ArrivedBody {
  readonly bytes: Buffer
  /** Called when it need not be kept any more, once or several times. */
  readonly onTaken: () => void
}

/** @returns a body to be passed on like one that is still to come */
export function arrivedBody(exchange: Exchange, { bytes, onTaken }: ArrivedBody): RequestBody {
  const source = new Readable({ autoDestroy: false, read: () => {} })
  source.push(bytes)
  source.push(null)
  const body = new RequestBody(source, {
    maxBytes: bytes.length,
    idleTimeoutMs: exchange.policy.limits.bodyIdleTimeoutMs,
    isAnswered: () => true,
    onFirstRead: () => {},
  })
  exchange.response.once('close', onTaken)
  return body.once('end', onTaken).once('close', onTaken)
}

/**
 * It rejects with a `Denial`, or with `ClientGone` when the client leaves before the end of its request.
 *
 * @param mostBytes the bound, unless the configuration's is lower
 */
export function wholeBody(exchange: Exchange, mostBytes: number): Promise<Buffer> {
  if (exchange.findings.bodyBytes === 0) return Promise.resolve(Buffer.alloc(0))
  return new Promise((resolve, reject) => {
    const bytes = new GatheredBytes()
    const body = clientBody(exchange, Math.min(mostBytes, exchange.policy.limits.bodyBytes))
    body.on('data', (chunk: Buffer) => bytes.append(chunk))
    body.on('end', () => resolve(bytes.take()))
    body.on('error', reject)
    body.resume()
  })
}
