/**
 * Sends tokens that come again and again, to a gateway that makes traces of none, some and all of the requests. What
 * the exporter takes is part of it.
 */
import { fileURLToPath } from 'node:url'
import { compare, costTable } from '../compare.ts'
import { ours } from '../peers/ours.ts'
import { whenListening } from '../peers/peer.ts'
import { freePort, start } from '../processes.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const DISTINCT_TOKENS = 500
const SHARES = ['10%', '100%']

export const traces: Scenario = {
  name: 'traces',
  async run(bench) {
    const key = keyOf(bench, 'RS256')
    const { connections } = bench
    const load = { tokensFile: await tokensFile(key, DISTINCT_TOKENS), connections }
    const [main] = bench.targets
    const port = await freePort()
    const origin = `http://127.0.0.1:${port}`
    const program = fileURLToPath(new URL('../procs/collector.ts', import.meta.url))
    const collector = start(process.execPath, [program, String(port)], { place: 'load' })
    try {
      await whenListening(origin, collector)
      const recording = SHARES.map(sample => ({ endpoint: `${origin}/v1/traces`, sample }))
      const peers = [
        ...bench.targets.map(target => ours({ target })),
        ...recording.map(each => ours({ target: main, traces: each, name: `${main.label}, traces at ${each.sample}` })),
      ]
      const contenders = peers.map(peer => ({ peer, isNeeded: true, load }))
      const { samples } = await compare(bench, contenders, key)
      return [
        {
          title: `Traces: RS256, ${DISTINCT_TOKENS} distinct warm tokens, ${connections} connections, 70-byte answer`,
          table: costTable(samples, { bases: [main.label] }),
          notes: [],
          samples: Object.fromEntries(samples),
        },
      ]
    } finally {
      await collector.stop()
    }
  },
}
