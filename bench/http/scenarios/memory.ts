/** Measures resident memory: idle, under many connections and distinct tokens, and afterwards. */
import { setTimeout as sleep } from 'node:timers/promises'
import { load } from '../load.ts'
import { haproxy } from '../peers/haproxy.ts'
import { composition, rawForwarder } from '../peers/node-peers.ts'
import { ours } from '../peers/ours.ts'
import { peakBytes, rssBytes } from '../proc-stat.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const MIB = 1024 * 1024
const IDLE_SECONDS = 3
/** A peer gets this share of our requests, which is enough to see where it levels off. */
const PEERS_SHARE = 0.3

export const memory: Scenario = {
  name: 'memory',
  async run(bench) {
    const { isQuick } = bench.effort
    const [tokens, connections, requests] = isQuick ? [20_500, 300, 40_000] : [50_000, 1_000, 1_000_000]
    const file = await tokensFile(keyOf(bench, 'RS256'), tokens)
    const rows: string[][] = []
    const samples: Record<string, unknown> = {}
    const runs = [
      ...bench.targets.map(target => ({ each: ours({ target }), wanted: requests })),
      ...[rawForwarder, composition, haproxy].map(each => ({ each, wanted: requests * PEERS_SHARE })),
    ]
    for (const { each, wanted } of runs) {
      const peer = await each.start(bench.site)
      try {
        await sleep(IDLE_SECONDS * 1000)
        const idle = rssBytes(peer.pid)
        const course: Array<{ readonly requests: number; readonly rssMib: number }> = []
        let done = 0
        while (done < wanted) {
          const result = await load({ url: peer.url, seconds: isQuick ? 3 : 20, connections, tokensFile: file })
          done += result.requests
          course.push({ requests: done, rssMib: rssBytes(peer.pid) / MIB })
          bench.progress(`${peer.name}, ${done} requests: ${course.at(-1)?.rssMib.toFixed(0)} MiB`)
        }
        const peak = peakBytes(peer.pid)
        await sleep(IDLE_SECONDS * 1000)
        const mib = (bytes: number): string => (bytes / MIB).toFixed(0)
        rows.push([peer.name, mib(idle), mib(peak), mib(rssBytes(peer.pid)), String(done)])
        samples[peer.name] = { idleMib: idle / MIB, peakMib: peak / MIB, course }
      } finally {
        await peer.stop()
      }
    }
    return [
      {
        title: `Memory: ${tokens} distinct tokens, ${connections} connections`,
        table: { columns: ['', 'idle MiB', 'peak MiB', 'afterwards MiB', 'requests'], rows },
        notes: ['Resident set, as the kernel counts it.'],
        samples,
      },
    ]
  },
}
