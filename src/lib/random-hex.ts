/**
 * Random lower-case hex digits for ids, at a tenth of a UUID's cost: the system is asked once for many.
 *
 * Unpredictable, from the system's generator, but ids are not secrets: the store of bytes to come stays in memory.
 */
import { randomFillSync } from 'node:crypto'

const STORE_BYTES = 8 * 1024

const store = Buffer.allocUnsafeSlow(STORE_BYTES)
let used = STORE_BYTES

/** @param bytes at most 64; two digits each */
export function randomHex(bytes: number): string {
  if (used + bytes > STORE_BYTES) {
    randomFillSync(store)
    used = 0
  }
  used += bytes
  return store.toString('hex', used - bytes, used)
}
