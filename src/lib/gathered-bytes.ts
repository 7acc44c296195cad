/** Gathers what comes in pieces, so that many small ones cost no more memory than a few large ones. */

const LEAST_BYTES = 4096

export class GatheredBytes {
  #buffer = Buffer.alloc(0)
  #length = 0

  /** So much memory is taken: at most twice of what has come, once that is more than a page. */
  get capacity(): number {
    return this.#buffer.length
  }

  /** @param chunk is copied */
  append(chunk: Buffer): void {
    const length = this.#length + chunk.length
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.max(LEAST_BYTES, length, Math.min(2 * this.#buffer.length, 2 * length)),
      )
      this.#buffer.copy(larger, 0, 0, this.#length)
      this.#buffer = larger
    }
    chunk.copy(this.#buffer, this.#length)
    this.#length = length
  }

  /** @returns all of it; call it once, at the end */
  take(): Buffer {
    const all = this.#buffer.subarray(0, this.#length)
    this.#buffer = Buffer.alloc(0)
    this.#length = 0
    return all
  }
}
