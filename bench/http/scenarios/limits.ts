/**
 * Floods four gateways that share a limit by a real store: how much do they let through together? And what does a
 * request wait while the store stands still?
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ensurePrograms } from '../../lib/programs.ts'
import { ratios, spread, summary } from '../../lib/stats.ts'
import type { LoadOptions } from '../load.ts'
import { measure, type Sample } from '../measure.ts'
import { ours } from '../peers/ours.ts'
import type { RunningPeer } from '../peers/peer.ts'
import { freePort, run, type StartedChild, start } from '../processes.ts'
import type { Bench, Result, Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const [RATE, BURST, SECONDS] = [100, 100, 20]
/** Loops of requests at each gateway: some have far more than their share. */
const UNEVEN = [14, 4, 1, 1]
/** No load reaches it, so that everything is counted and nothing refused. */
const HIGH_RATE = 1_000_000
const FLOOD = fileURLToPath(new URL('../procs/flood-client.ts', import.meta.url))

export const limits: Scenario = {
  name: 'limits',
  async run(bench) {
    await ensurePrograms({ 'redis-server': 'redis-server' })
    const port = await freePort()
    const store = start('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
      place: 'load',
    })
    try {
      const file = await tokensFile(keyOf(bench, 'RS256'), 500)
      return [await flooded(bench, port, file), await paused(bench, { store, port }, { tokensFile: file })]
    } finally {
      store.continue()
      await store.stop()
    }
  },
}

async function flooded({ effort, site, targets, progress }: Bench, store: number, tokens: string): Promise<Result> {
  const [target] = targets
  const excess: number[] = []
  for (let round = 0; round < (effort.isQuick ? 1 : 3); round += 1) {
    const peers: RunningPeer[] = []
    try {
      const limit = { store: `redis://127.0.0.1:${store}`, rate: `${RATE}/s`, burst: BURST, id: `round-${round}` }
      for (const _ of UNEVEN) peers.push(await ours({ target, limit }).start(site))
      // Its first sync tells each gateway that the store is there.
      await sleep(1_000)
      const loops = peers.flatMap(({ url }, at) => [`${url}/orders/42`, String(UNEVEN[at])])
      const printed = await run(process.execPath, [FLOOD, String(SECONDS), tokens, ...loops], { place: 'load' })
      const { passed, seconds } = JSON.parse(printed) as { readonly passed: number; readonly seconds: number }
      excess.push((passed / (BURST + RATE * seconds) - 1) * 100)
      progress(`four gateways let through ${passed} in ${seconds.toFixed(1)} s`)
    } finally {
      await Promise.all(peers.map(peer => peer.stop()))
    }
  }
  return {
    title: `Limits: four gateways, ${RATE}/s and a burst of ${BURST} for all of them, flooded for ${SECONDS} s`,
    table: {
      columns: ['let through, beside what the limit says', ''],
      rows: [['%', spread(summary(excess), 2)]],
    },
    notes: [`Of ${UNEVEN.join(', ')} clients at a time, each asks again as soon as it is answered.`],
    samples: excess,
  }
}

interface Store {
  readonly store: StartedChild
  readonly port: number
}

async function paused(
  { effort, site, targets, progress }: Bench,
  { store, port }: Store,
  load: Omit<LoadOptions, 'url' | 'seconds'>,
): Promise<Result> {
  const [target] = targets
  const limit = { store: `redis://127.0.0.1:${port}`, rate: `${HIGH_RATE}/s`, burst: HIGH_RATE, id: 'high' }
  const peer = await ours({ target, limit }).start(site)
  const [running, stopped]: [Sample[], Sample[]] = [[], []]
  try {
    await measure(peer, { ...load, seconds: effort.warmUpSeconds })
    for (let round = 0; round < effort.rounds; round += 1) {
      running.push(await measure(peer, { ...load, seconds: effort.seconds, thinkMs: 10 }))
      store.pause()
      stopped.push(await measure(peer, { ...load, seconds: effort.seconds, thinkMs: 10 }))
      store.continue()
      progress(`p99 ${running.at(-1)?.p99Us} µs, and ${stopped.at(-1)?.p99Us} µs while the store stands still`)
      // It is found again before the next round.
      await sleep(2_000)
    }
  } finally {
    await peer.stop()
  }
  const row = (name: string, all: readonly Sample[]): readonly string[] => {
    const ratio = ratios(
      all.map(({ p99Us }) => p99Us),
      running.map(({ p99Us }) => p99Us),
    )
    const ms = (of: 'p50Us' | 'p99Us'): string => spread(summary(all.map(each => each[of] / 1_000)), 2)
    return [name, ms('p50Us'), ms('p99Us'), ratio === undefined ? '' : spread(ratio, 2)]
  }
  return {
    title: 'Limits: requests while the store stands still',
    table: {
      columns: ['', 'p50 ms', 'p99 ms', '× p99 of the first'],
      rows: [row('the store answers', running), row('the store is stopped (SIGSTOP)', stopped)],
    },
    notes: ['All requests are counted by a limit in the store; 32 connections with random pauses.'],
    samples: { running, stopped },
  }
}
