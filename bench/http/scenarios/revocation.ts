/** Asks what it costs a request that a million tokens were taken back, none of which is its own. */
import { compare, costTable } from '../compare.ts'
import { ours } from '../peers/ours.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const DISTINCT_TOKENS = 500
const REVOKED = 1_000_000

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
    return [
      {
        title: `Revocation: RS256, ${DISTINCT_TOKENS} distinct tokens seen before, ${connections} connections`,
        table: costTable(samples, { bases: [off.name] }),
        notes: ['None of the tokens is revoked. The entries come from the cache file.'],
        samples: Object.fromEntries(samples),
      },
    ]
  },
}
