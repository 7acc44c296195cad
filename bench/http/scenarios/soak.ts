/**
 * Asks whether memory grows with time: ten minutes of half load, with many connections and more
 * distinct tokens than are remembered.
 */
import { spread, summary } from '../../lib/stats.ts'
import { load } from '../load.ts'
import { ours } from '../peers/ours.ts'
import { rssBytes } from '../proc-stat.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const MIB = 1024 * 1024
const TOKENS = 50_000
const CONNECTIONS = 1_000
/** The mean pause of a connection makes some 4,000 requests a second, each with a token that has to be verified. */
const THINK_MS = 250
const SAMPLE_SECONDS = 1

export const soak: Scenario = {
  name: 'soak',
  async run(bench) {
    const { isQuick } = bench.effort
    const [minutes, minuteSeconds] = isQuick ? [3, 10] : [10, 60]
    const file = await tokensFile(keyOf(bench, 'RS256'), TOKENS)
    const rows: string[][] = []
    const samples: Record<string, unknown> = {}
    for (const target of bench.targets) {
      const peer = await ours({ target }).start(bench.site)
      const course: number[][] = []
      try {
        for (let minute = 1; minute <= minutes; minute++) {
          const rssMib: number[] = []
          const sampler = setInterval(() => rssMib.push(rssBytes(peer.pid) / MIB), SAMPLE_SECONDS * 1000)
          const { requests } = await load({
            url: peer.url,
            seconds: minuteSeconds,
            connections: CONNECTIONS,
            tokensFile: file,
            thinkMs: THINK_MS,
          }).finally(() => clearInterval(sampler))
          course.push(rssMib)
          rows.push([peer.name, String(minute), String(requests), spread(summary(rssMib), 0)])
          bench.progress(`${peer.name}, minute ${minute}: ${rows.at(-1)?.at(-1)} MiB`)
        }
      } finally {
        await peer.stop()
      }
      samples[peer.name] = course
    }
    return [
      {
        title: `Soak: ${TOKENS} distinct tokens, ${CONNECTIONS} connections, half load`,
        table: { columns: ['', 'minute', 'requests', 'resident MiB'], rows },
        notes: [`Resident set, as the kernel counts it, every ${SAMPLE_SECONDS} s: median, lowest and highest.`],
        samples,
      },
    ]
  },
}
