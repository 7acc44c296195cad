/** Shares a limit of the whole gateway out among its processes. */

/** @returns the part of a limit that each of several processes gets: connections are spread evenly among them */
export function equalShare(limit: number, workers: number): number {
  return Math.ceil(limit / workers)
}
