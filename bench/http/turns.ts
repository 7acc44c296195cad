/** Has several peers take turns at a measure of their own, which is not the processor time of a request. */
import { rotated } from './measure.ts'
import type { RunningPeer } from './peers/peer.ts'

interface Turns<T> {
  /** They are stopped in the end, whatever happens. */
  readonly starts: ReadonlyArray<() => Promise<RunningPeer>>
  readonly rounds: number
  /** What each does once before the first round. */
  readonly warmUp: (peer: RunningPeer) => Promise<unknown>
  readonly measure: (peer: RunningPeer) => Promise<T>
}

/** @returns the samples of each, one a round, in the order given */
export async function inTurns<T>({ starts, rounds, warmUp, measure }: Turns<T>): Promise<ReadonlyMap<string, T[]>> {
  const peers: RunningPeer[] = []
  try {
    for (const start of starts) peers.push(await start())
    for (const peer of peers) await warmUp(peer)
    const samples = new Map<string, T[]>(peers.map(({ name }) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const peer of rotated(peers, round)) samples.get(peer.name)?.push(await measure(peer))
    }
    return samples
  } finally {
    await Promise.all(peers.map(peer => peer.stop()))
  }
}
