/**
 * Tells when a stream of HTTP/2 has ended in good order, by END_STREAM.
 *
 * Attack on the integrity of an answer (RFC 9113 §8.1): a stream that is reset with NO_ERROR half-way looks to Node's
 * `end`, `close` and `rstCode` like one that is whole: https://github.com/nodejs/node/issues/35209. Only the order
 * tells: a reset closes the stream before its end is pushed. Seen from Node 14 to 26.10.
 *
 * Breaks first: `test/upstream/http2-cuts.test.ts`.
 * Remove when: such a reset is an error of the stream, or Node tells END_STREAM.
 */
import type { ClientHttp2Stream } from 'node:http2'

/** @param listener is called before the end is pushed; what came before may still wait to be read */
export function onEndStream(stream: ClientHttp2Stream, listener: () => void): void {
  const inherited = stream.push
  // It goes into a variable first: V8 allocates a function literal that is assigned to a property as old, and what it
  // can reach would stay with it until the next full collection.
  const push: typeof inherited = (chunk, encoding) => {
    if (chunk === null && !stream.closed) listener()
    return inherited.call(stream, chunk, encoding)
  }
  stream.push = push
}
