/** Collects bytes that come in small pieces. It doubles when it is full, so that no piece costs more than the first. */
export class GrowingBuffer {
  #bytes: Buffer
  #length: number

  /** @param first is copied */
  constructor(first: Buffer) {
    this.#bytes = Buffer.from(first)
    this.#length = first.length
  }

  get length(): number {
    return this.#length
  }

  /** @returns all that was collected; it is good until the next call */
  append(piece: Buffer): Buffer {
    const needed = this.#length + piece.length
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(needed * 2)
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    piece.copy(this.#bytes, this.#length)
    this.#length = needed
    return this.#bytes.subarray(0, needed)
  }
}
