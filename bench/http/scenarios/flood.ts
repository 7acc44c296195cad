/**
 * Lets clients open new connections as fast as they are taken, for as long as the load lasts: what do those wait who
 * are there already, and ask now and then?
 */
import { spread, summary } from '../../lib/stats.ts'
import { started } from '../compare.ts'
import { load } from '../load.ts'
import { envoy } from '../peers/envoy.ts'
import { haproxy } from '../peers/haproxy.ts'
import { ours } from '../peers/ours.ts'
import type { RunningPeer } from '../peers/peer.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { inTurns } from '../turns.ts'
import { keyOf } from './key-of.ts'

/** Connections at a time of those who open one for each request. */
const NEWCOMERS = 200
/** Those who stay, each with two requests a second or so. */
const [OTHERS, THINK_MS] = [32, 500]

interface Flood {
  readonly connectionsPerSecond: number
  readonly othersP50Ms: number
  readonly othersP99Ms: number
}

export const flood: Scenario = {
  name: 'flood',
  async run(bench) {
    const { effort, site, progress } = bench
    const key = keyOf(bench, 'RS256')
    const file = await tokensFile(key, 500)
    const samples = await inTurns({
      starts: [...bench.targets.map(target => ours({ target })), haproxy, envoy].map(
        peer => () => started(peer, site, key, { tokensFile: file }),
      ),
      rounds: effort.rounds,
      warmUp: peer => flooded(peer, file, effort.warmUpSeconds),
      async measure(peer) {
        const seen = await flooded(peer, file, effort.seconds)
        progress(`${peer.name}: p99 ${seen.othersP99Ms.toFixed(1)} ms at ${seen.connectionsPerSecond.toFixed(0)}/s`)
        return seen
      },
    })
    const column = (all: readonly Flood[], name: keyof Flood, digits: number): string =>
      spread(summary(all.map(each => each[name])), digits)
    return [
      {
        title: `A lasting storm: ${NEWCOMERS} clients with a new connection for each request, and ${OTHERS} who stay`,
        table: {
          columns: ['', 'new connections/s', 'others p50 ms', 'others p99 ms'],
          rows: [...samples].map(([name, all]) => [
            name,
            column(all, 'connectionsPerSecond', 0),
            column(all, 'othersP50Ms', 1),
            column(all, 'othersP99Ms', 1),
          ]),
        },
        notes: [`The others have a pause of ${THINK_MS} ms between two requests, and tokens that were seen before.`],
        samples: Object.fromEntries(samples),
      },
    ]
  },
}

async function flooded({ url }: RunningPeer, tokens: string, seconds: number): Promise<Flood> {
  const all = { url, seconds, tokensFile: tokens }
  const [newcomers, others] = await Promise.all([
    load({ ...all, connections: NEWCOMERS, headers: ['Connection: close'] }),
    load({ ...all, connections: OTHERS, thinkMs: THINK_MS }),
  ])
  return {
    connectionsPerSecond: newcomers.requests / (newcomers.durationUs / 1e6),
    othersP50Ms: others.p50Us / 1_000,
    othersP99Ms: others.p99Us / 1_000,
  }
}
