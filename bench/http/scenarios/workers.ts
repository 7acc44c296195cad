/**
 * Asks what a connection costs that one of several processes takes, and how evenly they are spread: with a new
 * connection for each request, and with connections that stay.
 *
 * Processes that share cores cost each other time, whatever they have to do with each other. So there are as many
 * gateways besides that know nothing of one another, each with its part of the load.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { type Contender, compare, costTable } from '../compare.ts'
import { load as drive, type LoadOptions, type LoadResult } from '../load.ts'
import { allOf } from '../measure.ts'
import { type OursOptions, ours } from '../peers/ours.ts'
import type { Peer, RunningPeer } from '../peers/peer.ts'
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
        strangers({ target, place, name: `${WORKERS} that know nothing of each other` }),
      ] as const
    const onOneCore = gateways('gateway')
    const anywhere = gateways('anywhere')
    const [one, several, apart] = onOneCore
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
      const contenders = peers.map(
        (peer): Contender => ({ peer, isNeeded: true, load, drive: (each, seconds) => driveAll(each, load, seconds) }),
      )
      const { samples } = await compare(bench, contenders, key)
      results.push({
        title: `Workers: ${what}, RS256, ${DISTINCT_TOKENS} distinct warm tokens, ${connections} at a time`,
        table: costTable(samples, { bases: [one.name, apart.name] }),
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

/** As many gateways as there are workers elsewhere, as one peer. */
function strangers(options: OursOptions & { readonly name: string }): Peer {
  const { name } = options
  return {
    name,
    isGuard: true,
    async start(site) {
      const first = await ours(options).start(site)
      const others: RunningPeer[] = []
      const all = (): readonly RunningPeer[] => [first, ...others]
      const stop = async (): Promise<void> => void (await Promise.all(all().map(each => each.stop())))
      try {
        while (all().length < WORKERS) others.push(await ours(options).start(site))
      } catch (error) {
        await stop()
        throw error
      }
      return { ...first, others, stop }
    },
  }
}

/** Puts the load on a peer in as many parts as there are gateways or workers, each of which could be one's own. */
async function driveAll(
  peer: RunningPeer,
  load: Omit<LoadOptions, 'url' | 'seconds'> & { readonly connections: number },
  seconds: number,
): Promise<LoadResult> {
  const gateways = allOf(peer)
  const urls = Array.from({ length: WORKERS }, (_, at) => gateways[at % gateways.length]?.url ?? peer.url)
  const connections = Math.ceil(load.connections / WORKERS)
  const results = await Promise.all(urls.map(url => drive({ ...load, url, seconds, connections })))
  const sum = (of: (result: LoadResult) => number): number => results.reduce((total, each) => total + of(each), 0)
  return {
    requests: sum(each => each.requests),
    bytes: sum(each => each.bytes),
    durationUs: Math.max(...results.map(each => each.durationUs)),
    p50Us: sum(each => each.p50Us) / results.length,
    p99Us: Math.max(...results.map(each => each.p99Us)),
  }
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
