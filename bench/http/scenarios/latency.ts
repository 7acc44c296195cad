/**
 * Measures the latency that a peer adds at half load: connections pause between requests so that each peer's core is
 * about half busy, and the same rate sent straight to the upstream is taken off.
 */
import { spread, summary } from '../../lib/stats.ts'
import { type LoadResult, load } from '../load.ts'
import { measure } from '../measure.ts'
import { haproxy } from '../peers/haproxy.ts'
import { composition } from '../peers/node-peers.ts'
import { ours } from '../peers/ours.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { inTurns } from '../turns.ts'
import { keyOf } from './key-of.ts'

const CONNECTIONS = 64
const SHARE_OF_CORE = 0.5

interface Added {
  readonly p50Us: number
  readonly p99Us: number
  readonly peerP99Us: number
  readonly directP99Us: number
  readonly requestsPerSecond: number
}

export const latency: Scenario = {
  name: 'latency',
  async run(bench) {
    const { effort, site, progress } = bench
    const file = await tokensFile(keyOf(bench, 'RS256'), 500)
    const think = new Map<string, number>()
    const samples = await inTurns({
      starts: [...bench.targets.map(target => ours({ target })), composition, haproxy].map(
        peer => () => peer.start(site),
      ),
      rounds: effort.rounds,
      async warmUp(peer) {
        await measure(peer, { tokensFile: file, seconds: effort.warmUpSeconds })
        const { cpuUs } = await measure(peer, { tokensFile: file, seconds: effort.seconds })
        think.set(peer.name, Math.max(1, Math.round((CONNECTIONS * cpuUs) / SHARE_OF_CORE / 1000)))
      },
      async measure(peer) {
        const options = {
          tokensFile: file,
          connections: CONNECTIONS,
          seconds: effort.seconds,
          thinkMs: think.get(peer.name) ?? 1,
        }
        const direct = await load({ ...options, url: site.upstreamUrl })
        const through = await load({ ...options, url: peer.url })
        const added = addedBy(through, direct)
        progress(`${peer.name}: p99 ${added.peerP99Us} µs, direct ${added.directP99Us} µs`)
        return added
      },
    })
    return [
      {
        title: `Latency added at ${SHARE_OF_CORE * 100} % load`,
        table: {
          columns: ['', 'added p50 ms', 'added p99 ms', 'p99 ms', 'direct p99 ms', 'requests/s'],
          rows: [...samples].map(([name, all]) => {
            const of = (member: keyof Added, divisor: number): string =>
              spread(summary(all.map(each => each[member] / divisor)), divisor === 1 ? 0 : 2)
            return [
              name,
              of('p50Us', 1000),
              of('p99Us', 1000),
              of('peerP99Us', 1000),
              of('directP99Us', 1000),
              of('requestsPerSecond', 1),
            ]
          }),
        },
        notes: [`${CONNECTIONS} connections with random pauses; each peer at half of what its own core can do.`],
        samples: Object.fromEntries(samples),
      },
    ]
  },
}

function addedBy(through: LoadResult, direct: LoadResult): Added {
  return {
    p50Us: through.p50Us - direct.p50Us,
    p99Us: through.p99Us - direct.p99Us,
    peerP99Us: through.p99Us,
    directP99Us: direct.p99Us,
    requestsPerSecond: through.requests / (through.durationUs / 1e6),
  }
}
