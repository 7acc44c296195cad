/** Sends tokens that come again and again: the everyday load of a sidecar. */
import { type Contender, compare, costTable } from '../compare.ts'
import { chosenPeers } from '../peers/all.ts'
import { haproxy } from '../peers/haproxy.ts'
import { composition, rawForwarder } from '../peers/node-peers.ts'
import { ours } from '../peers/ours.ts'
import type { Peer } from '../peers/peer.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const DISTINCT_TOKENS = 500

export const warm: Scenario = {
  name: 'warm',
  async run(bench) {
    const key = keyOf(bench, 'RS256')
    const { connections } = bench
    const load = { tokensFile: await tokensFile(key, DISTINCT_TOKENS), connections }
    const [main] = bench.targets
    const needed: readonly Peer[] = [
      ...bench.targets.map(target => ours({ target })),
      ours({ target: main, access: 'all' }),
      ...chosenPeers(bench, ['raw', 'composition', 'haproxy']),
    ]
    const contenders: readonly Contender[] = [
      ...needed.map(peer => ({ peer, isNeeded: true, load })),
      ...chosenPeers(bench, ['nginx', 'envoy', 'express']).map(peer => ({ peer, isNeeded: false, load })),
    ]
    const { samples, absent } = await compare(bench, contenders, key)
    return [
      {
        title: `Warm tokens: RS256, ${DISTINCT_TOKENS} distinct, ${connections} connections, 70-byte answer`,
        table: costTable(samples, { bases: [haproxy.name, composition.name, rawForwarder.name, main.label] }),
        notes: absent.map(each => `Not measured: ${each}`),
        samples: Object.fromEntries(samples),
      },
    ]
  },
}
