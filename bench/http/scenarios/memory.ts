/** Measures resident memory: idle, of connections that stay, under many with distinct tokens, and afterwards. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { load } from '../load.ts'
import { haproxy } from '../peers/haproxy.ts'
import { composition, rawForwarder } from '../peers/node-peers.ts'
import { ours } from '../peers/ours.ts'
import { type RunningPeer, scratch } from '../peers/peer.ts'
import { peakBytes, rssBytes } from '../proc-stat.ts'
import { type StartedChild, start } from '../processes.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const MIB = 1024 * 1024
const IDLE_SECONDS = 3
/** A peer gets this share of our requests, which is enough to see where it levels off. */
const PEERS_SHARE = 0.3
/** Connections that stay: the first fill what is free in the heap, and what the others add counts. */
const [FIRST, OTHERS] = [4_000, 8_000]
const LIMITS = { limits: { connections: 16_000 } }

export const memory: Scenario = {
  name: 'memory',
  async run(bench) {
    const { isQuick } = bench.effort
    const [tokens, connections, requests] = isQuick ? [20_500, 300, 40_000] : [50_000, 1_000, 300_000]
    const file = await tokensFile(keyOf(bench, 'RS256'), tokens)
    const rows: string[][] = []
    const samples: Record<string, unknown> = {}
    const runs = [
      ...bench.targets.map(target => ({ each: ours({ target, sections: LIMITS }), wanted: requests, isOurs: true })),
      ...[rawForwarder, composition, haproxy].map(each => ({ each, wanted: requests * PEERS_SHARE, isOurs: false })),
    ]
    for (const { each, wanted, isOurs } of runs) {
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
        const afterwards = rssBytes(peer.pid)
        const kept = isOurs ? (await keptBytes(peer, file)) / 1_000 : undefined
        const mib = (bytes: number): string => (bytes / MIB).toFixed(0)
        rows.push([peer.name, mib(idle), mib(peak), mib(afterwards), String(done), kept?.toFixed(1) ?? ''])
        samples[peer.name] = { idleMib: idle / MIB, keptKb: kept, peakMib: peak / MIB, course }
      } finally {
        await peer.stop()
      }
    }
    return [
      {
        title: `Memory: ${tokens} distinct tokens, ${connections} connections`,
        table: { columns: ['', 'idle MiB', 'peak MiB', 'afterwards MiB', 'requests', 'kB a kept connection'], rows },
        notes: [
          'Resident set, as the kernel counts it.',
          `A kept connection: by how much ${OTHERS} add to it when there are ${FIRST}. Each had one request answered.`,
        ],
        samples,
      },
    ]
  },
}

/** @returns the bytes that a connection takes which stays */
async function keptBytes({ url, pid }: RunningPeer, tokens: string): Promise<number> {
  const clients: StartedChild[] = []
  try {
    clients.push(await kept(url, FIRST, tokens))
    const before = rssBytes(pid)
    clients.push(await kept(url, OTHERS, tokens))
    return (rssBytes(pid) - before) / OTHERS
  } finally {
    await Promise.all(clients.map(client => client.stop()))
  }
}

async function kept(url: string, count: number, tokens: string): Promise<StartedChild> {
  const { hostname, port } = new URL(url)
  const told = join(scratch('kept'), 'told')
  const program = fileURLToPath(new URL('../procs/idle-client.ts', import.meta.url))
  const args = [program, hostname, port, String(count), tokens]
  const client = start(process.execPath, args, { place: 'load', stdoutFile: told })
  while (readFileSync(told, 'utf8') === '') await Promise.race([sleep(100), client.failed])
  await sleep(IDLE_SECONDS * 1000)
  return client
}
