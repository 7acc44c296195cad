/**
 * Sends tokens that no cache can hold: more of them in rotation than twice what the caches keep,
 * so that each is verified anew.
 *
 * An LRU that is asked for a cycle longer than itself never hits, so that a run as long as needed takes few tokens.
 * That would not hold for a cache that keeps some of them in another way, so a gateway of ours is asked how it was.
 */
import { type Contender, compare, costTable } from '../compare.ts'
import { load as drive, type LoadOptions, type LoadResult } from '../load.ts'
import { chosenPeers } from '../peers/all.ts'
import { haproxy } from '../peers/haproxy.ts'
import { composition } from '../peers/node-peers.ts'
import { ours } from '../peers/ours.ts'
import type { Peer, RunningPeer } from '../peers/peer.ts'
import type { Scenario } from '../scenario.ts'
import { ALGORITHMS, tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

/** Every cache here holds 10,000 tokens. */
const DISTINCT_TOKENS = 20_500
const MOST_KNOWN = 0.01

export const cold: Scenario = {
  name: 'cold',
  async run(bench) {
    const results = []
    for (const algorithm of ALGORITHMS) {
      const key = keyOf(bench, algorithm)
      bench.progress(`minting ${DISTINCT_TOKENS} ${algorithm} tokens`)
      const load = { tokensFile: await tokensFile(key, DISTINCT_TOKENS), connections: bench.connections }
      const isAble = (peer: Peer): boolean => peer.algorithms === undefined || peer.algorithms.has(algorithm)
      const contenders: readonly Contender[] = [
        ...bench.targets.map(target => ({
          peer: ours({ target }),
          isNeeded: true,
          load,
          drive: (peer: RunningPeer, seconds: number) => driveNew(peer, { ...load, url: peer.url, seconds }),
        })),
        ...chosenPeers(bench, ['composition', 'haproxy'])
          .filter(isAble)
          .map(peer => ({ peer, isNeeded: true, load })),
        ...(bench.effort.isQuick ? [] : chosenPeers(bench, ['envoy'])).map(peer => ({ peer, isNeeded: false, load })),
      ]
      const { samples, absent } = await compare(bench, contenders, key)
      results.push({
        title: `Cold tokens: ${algorithm}, each verified anew`,
        table: costTable(samples, { bases: [haproxy.name, composition.name] }),
        notes: [
          ...(isAble(haproxy) ? [] : [`HAProxy cannot verify ${algorithm}.`]),
          ...absent.map(each => `Not measured: ${each}`),
        ],
        samples: Object.fromEntries(samples),
      })
    }
    return results
  },
}

/** @throws {Error} tokens were known that should have been new */
async function driveNew(peer: RunningPeer, options: LoadOptions): Promise<LoadResult> {
  const before = await hits(peer)
  const result = await drive(options)
  const known = (await hits(peer)) - before
  // Not a number, where there is no such series, is no answer either.
  if (!(known <= result.requests * MOST_KNOWN))
    throw new Error(`${peer.name} knew ${known} of ${result.requests} tokens`)
  return result
}

/** @returns how often a token was found in the cache so far */
async function hits({ adminUrl }: RunningPeer): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  return Number(/^sallyport_token_cache_total\{[^}]*result="hit"\} (\d+)$/m.exec(text)?.[1])
}
