/**
 * Lets a thousand clients connect at one moment while the peer's core is busy, as after a restart of what stands before
 * it: when does the last one of them have its first answer?
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Agent, setGlobalDispatcher } from 'undici'
import { selfSigned } from '../../lib/certificate.ts'
import { spread, summary } from '../../lib/stats.ts'
import { started } from '../compare.ts'
import { load } from '../load.ts'
import { measure } from '../measure.ts'
import { envoy } from '../peers/envoy.ts'
import { haproxy, haproxyWith } from '../peers/haproxy.ts'
import { ours } from '../peers/ours.ts'
import { type Peer, type RunningPeer, scratch } from '../peers/peer.ts'
import { run } from '../processes.ts'
import type { Bench, Result, Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { inTurns } from '../turns.ts'
import { keyOf } from './key-of.ts'

const CLIENTS = 1_000
const BUSY_SECONDS = 4
/** By then the load has the core to itself. */
const BUSY_AFTER_MS = 1_000
/** What is wanted: nearly every burst within the first, and none beyond the second. */
const [SOON_MS, LATE_MS] = [1_250, 3_000]
const CLIENT = fileURLToPath(new URL('../procs/storm-client.ts', import.meta.url))

interface Burst {
  readonly medianMs: number
  readonly lastMs: number
  /** Of the clients that were there before, and stayed. */
  readonly othersP99Ms: number
  /** Requests of theirs that were refused as too many. */
  readonly othersRefused: number
}

/** How the clients of a storm come. The others, who keep the core busy, come by HTTP/1.1. */
interface Way {
  readonly what: string
  readonly protocol?: 'h2'
  peers(bench: Bench): readonly Peer[]
}

const WAYS: readonly Way[] = [
  {
    what: 'HTTP/1.1',
    peers: ({ targets }) => [...targets.map(target => ours({ target })), haproxy],
  },
  {
    what: 'HTTP/1.1 over TLS',
    peers({ targets }) {
      const { certFile, keyFile, bothFile } = selfSigned(scratch('storm-tls'))
      const listen = { tls: { certFile, keyFile } }
      return [...targets.map(target => ours({ target, listen })), haproxyWith(bothFile)]
    },
  },
  {
    what: 'HTTP/2',
    protocol: 'h2',
    peers: ({ targets }) => [...targets.map(target => ours({ target })), envoy],
  },
]

export const storms: Scenario = {
  name: 'storms',
  async run(bench) {
    // The certificate is one of the benchmark's own, and HAProxy closes connections after refusals.
    setGlobalDispatcher(new Agent({ connect: { rejectUnauthorized: false }, pipelining: 0 }))
    const results: Result[] = []
    for (const way of WAYS) results.push(await stormsOf(way, bench))
    return results
  },
}

async function stormsOf(way: Way, bench: Bench): Promise<Result> {
  const { effort, site, progress } = bench
  const key = keyOf(bench, 'RS256')
  const file = await tokensFile(key, 500)
  const samples = await inTurns({
    starts: way.peers(bench).map(peer => () => started(peer, site, key, { tokensFile: file })),
    rounds: bursts(effort.isQuick),
    warmUp: peer => measure(peer, { tokensFile: file, seconds: effort.warmUpSeconds }),
    async measure(peer) {
      const burst = await burstOn(peer, file, way)
      progress(`${way.what}, ${peer.name}: the last of ${CLIENTS} after ${burst.lastMs.toFixed(0)} ms`)
      return burst
    },
  })
  return {
    title: `Storms: ${CLIENTS} clients at once by ${way.what}, while 32 others keep the core busy`,
    table: {
      columns: [
        '',
        'median client ms',
        'last client ms',
        `last within ${SOON_MS} ms`,
        `beyond ${LATE_MS} ms`,
        'others p99 ms',
        'others refused',
      ],
      rows: [...samples].map(([name, all]) => [
        name,
        spread(summary(all.map(({ medianMs }) => medianMs)), 0),
        spread(summary(all.map(({ lastMs }) => lastMs)), 0),
        `${all.filter(({ lastMs }) => lastMs <= SOON_MS).length} of ${all.length}`,
        String(all.filter(({ lastMs }) => lastMs > LATE_MS).length),
        spread(summary(all.map(({ othersP99Ms }) => othersP99Ms)), 0),
        String(all.reduce((sum, { othersRefused }) => sum + othersRefused, 0)),
      ]),
    },
    notes: [`Each client opens a connection and sends one request with a token that was seen before.`],
    samples: Object.fromEntries(samples),
  }
}

function bursts(isQuick: boolean): number {
  return isQuick ? 5 : 20
}

async function burstOn(peer: RunningPeer, tokens: string, { protocol }: Way): Promise<Burst> {
  const busy = load({ url: peer.url, tokensFile: tokens, seconds: BUSY_SECONDS, mayRefuse: true })
  const args = [CLIENT, peer.url, String(CLIENTS), tokens, ...(protocol === undefined ? [] : [protocol])]
  const storm = sleep(BUSY_AFTER_MS).then(() => run(process.execPath, args, { place: 'load' }))
  const [{ p99Us, refused }, printed] = await Promise.all([busy, storm])
  const { answersMs } = JSON.parse(printed) as { readonly answersMs: readonly number[] }
  return {
    medianMs: answersMs[CLIENTS >> 1] ?? Number.NaN,
    lastMs: answersMs.at(-1) ?? Number.NaN,
    othersP99Ms: p99Us / 1_000,
    othersRefused: refused ?? 0,
  }
}
