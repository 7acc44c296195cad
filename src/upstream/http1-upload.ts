/**
 * Sends the body of a request on a connection of HTTP/1.1, with back-pressure.
 *
 * RFC 9112 §6.2 (announced length), §7.1 (chunks), §9.5 (the other end may answer and close before it has read all).
 */
import type { Socket } from 'node:net'
import type { UpstreamBody } from './connections.ts'
import { UpstreamFailure } from './failure.ts'
import type { Framing } from './request-text.ts'

interface UploadOptions {
  readonly socket: Socket
  readonly body: UpstreamBody
  readonly framing: Framing
  /** Is told when the body cannot be sent to its end, for a reason that is not the service's. */
  readonly sender: { fail(error: Error): void }
}

export class Http1Upload {
  readonly #options: UploadOptions
  #sentBytes = 0
  #state: 'running' | 'whole' | 'stopped' | 'left' = 'running'
  #isHeld = true

  /** What is written on the socket from now on leaves together with the first bytes of the body, if those come soon. */
  constructor(options: UploadOptions) {
    this.#options = options
    options.socket.cork()
    setImmediate(letLeave, this)
  }

  start(): void {
    const { body, sender } = this.#options
    body.on('data', (chunk: Buffer) => this.#send(chunk))
    body.on('end', () => this.#finish())
    body.on('error', (error: Error) => {
      if (this.#state === 'running' || this.#state === 'left') sender.fail(error)
    })
    body.resume()
  }

  /** Nothing has left yet, not even the head. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  get isWhole(): boolean {
    return this.#state === 'whole'
  }

  /** The socket takes more. */
  onDrain(): void {
    if (this.#state === 'running') this.#options.body.resume()
  }

  /** Lets go of the body: what is left of it is not sent. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped'
    const { body } = this.#options
    body.pause()
    body.destroy()
  }

  /** Leaves the body, of which nothing was taken, to another upload. */
  leave(): void {
    this.#state = 'left'
    this.#options.body.pause()
  }

  letLeave(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#options.socket.uncork()
  }

  #send(chunk: Buffer): void {
    if (this.#state !== 'running' || chunk.length === 0) return
    const { socket, body, framing, sender } = this.#options
    this.#sentBytes += chunk.length
    if (framing.kind === 'length' && this.#sentBytes > framing.bytes) {
      sender.fail(new UpstreamFailure('REQUEST_UNSENDABLE', 'a body longer than announced'))
      return
    }
    if (!(framing.kind === 'length' ? socket.write(chunk) : writeChunk(socket, chunk))) body.pause()
    this.letLeave()
  }

  #finish(): void {
    if (this.#state !== 'running') return
    const { socket, framing, sender } = this.#options
    if (framing.kind === 'length' && this.#sentBytes < framing.bytes) {
      sender.fail(new UpstreamFailure('REQUEST_UNSENDABLE', 'a body shorter than announced'))
      return
    }
    this.#state = 'whole'
    if (framing.kind === 'chunked') socket.write('0\r\n\r\n', 'latin1')
    this.letLeave()
  }
}

/** @returns false when the socket has enough for now */
function writeChunk(socket: Socket, chunk: Buffer): boolean {
  socket.cork()
  socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
  socket.write(chunk)
  const hasRoom = socket.write('\r\n', 'latin1')
  socket.uncork()
  return hasRoom
}

function letLeave(upload: Http1Upload): void {
  upload.letLeave()
}
