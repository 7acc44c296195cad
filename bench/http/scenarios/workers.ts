/**
 * Asks what a connection costs that one of several processes takes, and how evenly they are spread: with a new
 * connection for each request, and with connections that stay.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { compare, costTable } from '../compare.ts'
import { load as drive } from '../load.ts'
import { ours } from '../peers/ours.ts'
import { childrenOf } from '../proc-stat.ts'
import type { Place } from '../processes.ts'
import type { Result, Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const DISTINCT_TOKENS = 500
const WORKERS = 2
const SPREAD_CONNECTIONS = 200

export const workers: Scenario = {
  name: 'workers',
  async run(bench) {
    const key = keyOf(bench, 'RS256')
    const { connections } = bench
    const kept = { tokensFile: await tokensFile(key, DISTINCT_TOKENS), connections }
    const [target] = bench.targets
    const gateways = (place: Place) =>
      [
        ours({ target, place, name: 'one process' }),
        ours({ target, place, name: `${WORKERS} workers`, sections: { workers: WORKERS } }),
      ] as const
    const onOneCore = gateways('gateway')
    const anywhere = gateways('anywhere')
    const [one, several] = onOneCore
    const results: Result[] = []
    const fresh = { ...kept, headers: ['Connection: close'] }
    const shared = 'All processes of a gateway share one core. The time is that of all of them.'
    const spreadOut =
      'The gateway has all cores, one of which load and service use as well. The time is that of all of its processes.'
    for (const [what, load, peers, note] of [
      ['a new connection for each request', fresh, onOneCore, shared],
      ['connections that stay', kept, onOneCore, shared],
      ['a new connection for each request, on all cores', fresh, anywhere, spreadOut],
      ['connections that stay, on all cores', kept, anywhere, spreadOut],
    ] as const) {
      const contenders = peers.map(peer => ({ peer, isNeeded: true, load }))
      const { samples } = await compare(bench, contenders, key)
      results.push({
        title: `Workers: ${what}, RS256, ${DISTINCT_TOKENS} distinct warm tokens, ${connections} at a time`,
        table: costTable(samples, { bases: [one.name] }),
        notes: [note],
        samples: Object.fromEntries(samples),
      })
    }
    const peer = await several.start(bench.site)
    try {
      const shares: number[][] = []
      for (let round = 0; round < bench.effort.rounds; round++) {
        const busy = { ...kept, connections: SPREAD_CONNECTIONS, mayRefuse: true }
        const driven = drive({ url: peer.url, seconds: 2, ...busy })
        const sampled = new Promise<void>(resolve =>
          setTimeout(() => {
            shares.push(childrenOf(peer.pid).map(socketsOf))
            resolve()
          }, 1_500),
        )
        await Promise.all([driven, sampled])
      }
      results.push({
        title: `Workers: where ${SPREAD_CONNECTIONS} busy connections are`,
        table: {
          columns: ['round', 'sockets of each worker, those to the service included'],
          rows: shares.map((each, round) => [String(round + 1), each.join(', ')]),
        },
        notes: [],
        samples: shares,
      })
    } finally {
      await peer.stop()
    }
    return results
  },
}

function socketsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter(fd => isSocket(`/proc/${pid}/fd/${fd}`)).length
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:')
  } catch {
    // It was closed meanwhile.
    return false
  }
}
