/**
 * Finds where one WebSocket frame ends and the next begins, so that the gateway can put a Close frame between two
 * others.
 *
 * RFC 6455 §5.2 (base framing), §5.5.1 (Close). It reads lengths only: whether a frame is valid is for the two ends to
 * judge.
 */
import { randomBytes } from 'node:crypto'

/** Why we close, as the other end sees it (RFC 6455 §7.4.1). */
export interface CloseStatus {
  readonly code: number
  /** At most 123 bytes of UTF-8. */
  readonly reason: string
}

const LONGEST_HEADER_BYTES = 14
const SHORTEST_HEADER_BYTES = 2
const MASK_BYTES = 4
const FINAL_CLOSE = 0x88
const MASKED = 0x80

/** Follows one direction of a connection. */
export class FrameBoundaries {
  readonly #header = Buffer.alloc(LONGEST_HEADER_BYTES)
  #headerBytes = 0
  #payloadBytesLeft = 0

  /** True between two frames. */
  get isBetweenFrames(): boolean {
    return this.#headerBytes === 0 && this.#payloadBytesLeft === 0
  }

  /** Takes note of a chunk that was received. */
  pass(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) at = this.#frameEnd(chunk, at)
  }

  /** Takes note of a chunk up to the end of the frame under way. @returns how many bytes belong to that frame */
  finish(chunk: Buffer): number {
    return this.isBetweenFrames ? 0 : this.#frameEnd(chunk, 0)
  }

  /** Returns where the frame ends that has a byte at `at`, or where the chunk ends. */
  #frameEnd(chunk: Buffer, at: number): number {
    let next = at
    if (this.#payloadBytesLeft === 0) {
      let wanted = this.#headerLength()
      while (this.#headerBytes < wanted && next < chunk.length) {
        this.#header[this.#headerBytes] = chunk[next] ?? 0
        this.#headerBytes++
        next++
        wanted = this.#headerLength()
      }
      if (this.#headerBytes < wanted) return next
      this.#payloadBytesLeft = this.#payloadLength()
      this.#headerBytes = 0
    }
    const taken = Math.min(this.#payloadBytesLeft, chunk.length - next)
    this.#payloadBytesLeft -= taken
    return next + taken
  }

  #headerLength(): number {
    if (this.#headerBytes < SHORTEST_HEADER_BYTES) return SHORTEST_HEADER_BYTES
    const second = this.#header.readUInt8(1)
    const mask = second >= MASKED ? MASK_BYTES : 0
    const short = second % MASKED
    return SHORTEST_HEADER_BYTES + (short === 127 ? 8 : short === 126 ? 2 : 0) + mask
  }

  #payloadLength(): number {
    const short = this.#header.readUInt8(1) % MASKED
    if (short === 127) return Number(this.#header.readBigUInt64BE(2))
    return short === 126 ? this.#header.readUInt16BE(2) : short
  }
}

/** Makes a Close frame as a server sends it. */
export function closeFrame({ code, reason }: CloseStatus): Buffer {
  const payload = closePayload(code, reason)
  return Buffer.concat([Buffer.of(FINAL_CLOSE, payload.length), payload])
}

/** Makes a Close frame as a client sends it, which is masked (RFC 6455 §5.3). */
export function maskedCloseFrame({ code, reason }: CloseStatus): Buffer {
  const payload = closePayload(code, reason)
  const mask = randomBytes(MASK_BYTES)
  const masked = payload.map((byte, index) => byte ^ (mask[index % MASK_BYTES] ?? 0))
  return Buffer.concat([Buffer.of(FINAL_CLOSE, MASKED + payload.length), mask, masked])
}

function closePayload(code: number, reason: string): Buffer {
  return Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason)])
}
