/** Puts one run of load on one peer, and tells what it cost the peer's process and what the client saw. */
import { type LoadOptions, type LoadResult, load } from './load.ts'
import { cpuUs } from './proc-stat.ts'

export interface Sample {
  /** The processor time of the gateway's process for each request. */
  readonly cpuUs: number
  readonly requestsPerSecond: number
  readonly p50Us: number
  readonly p99Us: number
  /**
   * The share of its core that the gateway used; when it is far below 1, the load was the limit and not the gateway.
   */
  readonly busy: number
  readonly requests: number
  readonly bytesPerSecond: number
}

export interface Measured {
  readonly url: string
  readonly pid: number
  /** Further ones that share its load with it, and whose time counts as well. */
  readonly others?: readonly Measured[]
}

export function measure(peer: Measured, options: Omit<LoadOptions, 'url'>): Promise<Sample> {
  return measured(peer, () => load({ ...options, url: peer.url }))
}

/** @param drive puts the load on the peer */
export async function measured(peer: Measured, drive: () => Promise<LoadResult>): Promise<Sample> {
  const spentSoFarUs = (): number => allOf(peer).reduce((sum, { pid }) => sum + cpuUs(pid), 0)
  const before = spentSoFarUs()
  const result = await drive()
  const spentUs = spentSoFarUs() - before
  const seconds = result.durationUs / 1e6
  return {
    cpuUs: spentUs / result.requests,
    requestsPerSecond: result.requests / seconds,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    busy: spentUs / result.durationUs,
    requests: result.requests,
    bytesPerSecond: result.bytes / seconds,
  }
}

/** @returns it and those that share its load */
export function allOf(peer: Measured): readonly Measured[] {
  return [peer, ...(peer.others ?? [])]
}

/**
 * Gives everyone once a round, in an order that moves on by one each time, so that nobody always
 * runs after the same neighbour.
 */
export function rotated<T>(items: readonly T[], round: number): readonly T[] {
  const at = items.length === 0 ? 0 : round % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
