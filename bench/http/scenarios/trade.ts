/**
 * Asks what memory costs in processor time: the same load on gateways whose Node keeps more or less, with a thousand
 * busy connections and five times as many tokens as are remembered.
 *
 * A row's flags are read at the start of V8. The gateway leaves the size of the young generation alone where one is
 * given, and sets all else that it sets by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ratios, spread, summary } from '../../lib/stats.ts'
import { ratioText } from '../compare.ts'
import { measure, rotated, type Sample } from '../measure.ts'
import { ours } from '../peers/ours.ts'
import type { RunningPeer } from '../peers/peer.ts'
import { peakBytes, rssBytes } from '../proc-stat.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const MIB = 1024 * 1024

interface Setting {
  readonly name: string
  readonly nodeArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const ONE_ARENA = { MALLOC_ARENA_MAX: '1' }

const SETTINGS: readonly Setting[] = [
  { name: 'as it starts' },
  { name: 'one arena', env: ONE_ARENA },
  ...[8, 32].map(size => ({
    name: `one arena, young generation 3 × ${size} MiB`,
    nodeArgs: [`--max-semi-space-size=${size}`],
    env: ONE_ARENA,
  })),
]

/** A thousand connections are more than a noisy core keeps up with at times, and some of their requests are refused. */
const ATTEMPTS = 5

export const trade: Scenario = {
  name: 'trade',
  async run(bench) {
    const { effort, progress, site } = bench
    const { isQuick } = effort
    const [tokens, connections, warmUpRequests] = isQuick ? [20_500, 300, 40_000] : [50_000, 1_000, 80_000]
    const load = { tokensFile: await tokensFile(keyOf(bench, 'RS256'), tokens), connections }
    const [target] = bench.targets
    const peers: RunningPeer[] = []
    const samples = new Map<string, Sample[]>()
    try {
      for (const { name, nodeArgs, env } of SETTINGS) {
        const peer = await ours({ target, name, nodeArgs: nodeArgs ?? [], env: env ?? {} }).start(site)
        peers.push(peer)
        samples.set(name, [])
        for (let done = 0; done < warmUpRequests; ) done += (await steady(peer, { ...load, seconds: 5 })).requests
        progress(`${name}: ${(rssBytes(peer.pid) / MIB).toFixed(0)} MiB after ${warmUpRequests} requests`)
      }
      for (let round = 0; round < effort.rounds; round++)
        for (const peer of rotated(peers, round)) {
          const sample = await steady(peer, { ...load, seconds: effort.seconds })
          samples.get(peer.name)?.push(sample)
          progress(`round ${round + 1}/${effort.rounds} ${peer.name}: ${sample.cpuUs.toFixed(1)} µs a request`)
        }
      await sleep(1_000)
      const cpu = (name: string): readonly number[] => (samples.get(name) ?? []).map(({ cpuUs }) => cpuUs)
      const [base] = SETTINGS
      return [
        {
          title: `Memory against processor time: ${tokens} distinct tokens, ${connections} busy connections`,
          table: {
            columns: ['', 'peak MiB', 'afterwards MiB', 'CPU µs/request', `× ${base?.name}`, 'p99 ms'],
            rows: peers.map(({ name, pid }) => [
              name,
              (peakBytes(pid) / MIB).toFixed(0),
              (rssBytes(pid) / MIB).toFixed(0),
              spread(summary(cpu(name))),
              ratioText(ratios(cpu(name), cpu(base?.name ?? ''))),
              (summary((samples.get(name) ?? []).map(({ p99Us }) => p99Us)).median / 1000).toFixed(1),
            ]),
          },
          notes: [
            'Resident set, as the kernel counts it. A run in which requests were refused as overloaded is made again.',
          ],
          samples: Object.fromEntries(samples),
        },
      ]
    } finally {
      await Promise.all(peers.map(peer => peer.stop()))
    }
  },
}

async function steady(...[peer, load]: Parameters<typeof measure>): Promise<Sample> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await measure(peer, load)
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
    }
  }
}
