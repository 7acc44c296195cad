/**
 * Sends large bodies both ways, and tells how much gets through, what a mebibyte costs, and whether memory stays flat.
 */
import { ratios, spread, summary } from '../../lib/stats.ts'
import { load } from '../load.ts'
import { rotated } from '../measure.ts'
import { rawForwarder } from '../peers/node-peers.ts'
import { ours } from '../peers/ours.ts'
import type { RunningPeer } from '../peers/peer.ts'
import { cpuUs, peakBytes, resetPeak } from '../proc-stat.ts'
import type { Bench, Result, Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const MIB = 1024 * 1024

interface Transfer {
  readonly mibPerSecond: number
  readonly cpuUsPerMib: number
  readonly peakMib: number
}

interface Case {
  readonly name: string
  readonly direction: 'down' | 'up'
  readonly bytes: number
  readonly connections: number
}

/** At least one of the largest bodies must come through in each measurement. */
const MIN_SECONDS = 5

const CASES: readonly Case[] = [
  { name: '1 MiB down', direction: 'down', bytes: MIB, connections: 16 },
  { name: '1 MiB up', direction: 'up', bytes: MIB, connections: 16 },
  { name: '100 MiB down', direction: 'down', bytes: 100 * MIB, connections: 2 },
  { name: '100 MiB up', direction: 'up', bytes: 100 * MIB, connections: 2 },
]

export const bodies: Scenario = {
  name: 'bodies',
  async run(bench) {
    const file = await tokensFile(keyOf(bench, 'RS256'), 500)
    const results: Result[] = []
    const peers: RunningPeer[] = []
    try {
      for (const peer of [...bench.targets.map(target => ours({ target })), rawForwarder])
        peers.push(await peer.start(bench.site))
      const rows: string[][] = []
      const all: Record<string, unknown> = {}
      for (const each of CASES) {
        const seconds = Math.max(bench.effort.seconds, each.bytes > MIB ? MIN_SECONDS : 1)
        const samples = new Map<string, Transfer[]>(peers.map(({ name }) => [name, []]))
        for (const peer of peers) await transfer(bench, peer, each, file, seconds)
        for (let round = 0; round < bench.effort.rounds; round++) {
          for (const peer of rotated(peers, round)) {
            const sample = await transfer(bench, peer, each, file, seconds)
            samples.get(peer.name)?.push(sample)
            bench.progress(`${each.name} ${peer.name}: ${sample.mibPerSecond.toFixed(0)} MiB/s`)
          }
        }
        rows.push(...rowsOf(each.name, samples))
        all[each.name] = Object.fromEntries(samples)
      }
      results.push({
        title: 'Bodies',
        table: { columns: ['', 'MiB/s', '× raw', 'CPU µs/MiB', '× raw', 'peak RSS MiB'], rows },
        notes: [],
        samples: all,
      })
    } finally {
      await Promise.all(peers.map(peer => peer.stop()))
    }
    return results
  },
}

async function transfer(
  bench: Bench,
  peer: RunningPeer,
  each: Case,
  tokens: string,
  seconds: number,
): Promise<Transfer> {
  const { connections, direction, bytes } = each
  resetPeak(peer.pid)
  const [cpuBefore, receivedBefore, startedMs] = [cpuUs(peer.pid), await received(bench), performance.now()]
  const result = await load({
    url: peer.url,
    seconds,
    connections,
    tokensFile: tokens,
    ...(direction === 'down'
      ? { target: `/orders/bytes/${bytes}` }
      : { target: '/orders/upload', method: 'POST', bodyBytes: bytes }),
  })
  const elapsedSeconds = direction === 'down' ? result.durationUs / 1e6 : (performance.now() - startedMs) / 1000
  // An upload is counted where it arrives, so that one under way at the end counts, too.
  const moved = direction === 'down' ? result.bytes : (await received(bench)) - receivedBefore
  return {
    mibPerSecond: moved / MIB / elapsedSeconds,
    cpuUsPerMib: (cpuUs(peer.pid) - cpuBefore) / (moved / MIB),
    peakMib: peakBytes(peer.pid) / MIB,
  }
}

async function received({ site }: Bench): Promise<number> {
  return Number(await (await fetch(`${site.upstreamUrl}/-/received`)).text())
}

function rowsOf(name: string, samples: ReadonlyMap<string, readonly Transfer[]>): string[][] {
  const of = (peer: string, member: keyof Transfer): number[] => (samples.get(peer) ?? []).map(each => each[member])
  const ratio = (peer: string, member: keyof Transfer): string => {
    const found = ratios(of(peer, member), of(rawForwarder.name, member))
    return found === undefined ? '–' : spread(found, 2)
  }
  return [...samples.keys()].map(peer => [
    `${name}, ${peer}`,
    spread(summary(of(peer, 'mibPerSecond')), 0),
    ratio(peer, 'mibPerSecond'),
    spread(summary(of(peer, 'cpuUsPerMib')), 0),
    ratio(peer, 'cpuUsPerMib'),
    spread(summary(of(peer, 'peakMib')), 0),
  ])
}
