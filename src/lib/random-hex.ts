/**
 * Makes random lower-case hex digits for ids, at a tenth of a UUID's cost: the system is asked once for many of them.
 *
 * They come from the system's generator and cannot be predicted, but ids are not secrets: the
 * bytes for those to come stay in memory.
 */
import { randomFillSync } from 'node:crypto'

const STORE_BYTES = 8 * 1024

const store = Buffer.allocUnsafeSlow(STORE_BYTES)
let used = STORE_BYTES

/** @param bytes at most 64, which become two digits each */
export function randomHex(bytes: number): string {
  if (used + bytes > STORE_BYTES) {
    randomFillSync(store)
    used = 0
  }
  used += bytes
  return store.toString('hex', used - bytes, used)
}
