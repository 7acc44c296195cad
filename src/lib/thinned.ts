/** Thins out what may come too often: lets one through in each interval, and counts those that it leaves out. */

/** @returns how many were left out since the last one that was not; undefined when this one is left out, too */
export type Thinned = (nowMs: number) => number | undefined

export function thinned(intervalMs: number): Thinned {
  let lastMs = Number.NEGATIVE_INFINITY
  let leftOut = 0
  return nowMs => {
    if (nowMs - lastMs < intervalMs) {
      leftOut++
      return undefined
    }
    const count = leftOut
    lastMs = nowMs
    leftOut = 0
    return count
  }
}
