/**
 * Deals with what is left of a request that was answered before all of it came: call it together with the answer.
 *
 * RFC 9112 §9.3: a connection that stays open is read up to the end of the request. §9.6: closing a connection while
 * the client still sends resets it, and the client may lose the answer. So our side is closed first, and theirs is read
 * for a while. What is read is dropped without a look. The time for it is limited, so no client can hold a connection
 * this way.
 */
import type { IncomingMessage } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { destroySoon, onDestroySoon } from '../node/destroy-soon.ts'

/** A client that notices the answer has stopped by then. nginx waits as long (`lingering_timeout`). */
const LONGEST_REST_MS = 5_000

export function dropUnreadMessage(request: IncomingMessage): void {
  if (request.closed || request.readableEnded) return
  const { socket } = request
  const giveUp = setTimeout(() => socket.destroy(), LONGEST_REST_MS).unref()
  request.once('close', () => clearTimeout(giveUp))
  request.resume()
  onDestroySoon(socket, () => {
    if (request.closed) {
      destroySoon(socket)
      return
    }
    socket.end()
    request.once('close', () => destroySoon(socket))
  })
}

/**
 * RFC 9113 §8.1: a reset without error tells the client to stop sending. It is sent late, because in Node's http2 a
 * reset overtakes what was written before it, and the client would lose the end of the answer or all of it.
 */
export function dropUnreadStream(stream: ServerHttp2Stream): void {
  if (stream.endAfterHeaders || stream.readableEnded || stream.destroyed) return
  const giveUp = (): void => {
    if (stream.writableFinished) stream.close(constants.NGHTTP2_NO_ERROR)
    else timer.refresh()
  }
  const timer = setTimeout(giveUp, LONGEST_REST_MS).unref()
  stream.once('close', () => clearTimeout(timer))
  stream.resume()
}

/**
 * RFC 9113 §8.1: a refused stream ends with its answer, by a reset without error where the client has more to send. A
 * refusal that cannot leave, because the client takes nothing, is given up.
 */
export function endRefusedStream(stream: ServerHttp2Stream): void {
  if (stream.destroyed) return
  const timer = setTimeout(() => stream.destroy(new Error('the refusal was not taken')), LONGEST_REST_MS).unref()
  stream.once('close', () => clearTimeout(timer))
  stream.resume()
  // A reset would overtake an answer that Node has finished but nghttp2 has not sent yet.
  const stopSending = (): void => void setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR))
  if (stream.endAfterHeaders || stream.readableEnded) return
  if (stream.writableFinished) stopSending()
  else stream.once('finish', stopSending)
}
