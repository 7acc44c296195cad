/**
 * Asks what it costs a request that a million tokens were taken back, none of which is its own, and how long it takes
 * until a thousand gateways know of one more.
 */
import { compare, costTable } from '../compare.ts'
import { ours } from '../peers/ours.ts'
import { spreadMs } from '../revocation-spread.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const DISTINCT_TOKENS = 500
const REVOKED = 1_000_000
const READERS = 1_000

export const revocation: Scenario = {
  name: 'revocation',
  async run(bench) {
    const key = keyOf(bench, 'RS256')
    const { connections } = bench
    const load = { tokensFile: await tokensFile(key, DISTINCT_TOKENS), connections }
    const [target] = bench.targets
    const off = ours({ target, name: 'revocation off' })
    const on = ours({ target, revoked: REVOKED, name: `${REVOKED.toLocaleString('en')} entries` })
    const { samples } = await compare(
      bench,
      [off, on].map(peer => ({ peer, isNeeded: true, load })),
      key,
    )
    bench.progress(`${READERS} readers of one store`)
    const heard = (await spreadMs(READERS, bench.effort.isQuick ? 5 : 20)).toSorted((one, other) => one - other)
    const quantile = (part: number): string => (heard[Math.floor((heard.length - 1) * part)] ?? Number.NaN).toFixed(0)
    return [
      {
        title: `Revocation: from the write until ${READERS.toLocaleString('en')} readers know it`,
        table: { columns: ['p50 ms', 'p99 ms', 'max ms'], rows: [[quantile(0.5), quantile(0.99), quantile(1)]] },
        notes: ['All readers are in one process, on the same two cores as the Redis that they read.'],
        samples: heard,
      },
      {
        title: `Revocation: RS256, ${DISTINCT_TOKENS} distinct tokens seen before, ${connections} connections`,
        table: costTable(samples, { bases: [off.name] }),
        notes: ['None of the tokens is revoked. The entries come from the cache file.'],
        samples: Object.fromEntries(samples),
      },
    ]
  },
}
