/**
 * Finds out where the gateway's own time goes under warm load, from a V8 profile, by owner and by function.
 *
 * Percentages are of the time that the process was busy. Profiling slows what it looks at, so this
 * ranks and does not measure.
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from '../load.ts'
import { ours } from '../peers/ours.ts'
import { readProfile, type Shares } from '../profile-reader.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const SHOWN = { owner: 16, self: 30, inclusive: 60 } as const

export const profile: Scenario = {
  name: 'profile',
  async run(bench) {
    const { effort, targets, site } = bench
    const file = await tokensFile(keyOf(bench, 'RS256'), 500)
    const results = []
    for (const target of targets) {
      const folder = join(tmpdir(), 'sallyport-bench', `profile-${process.pid}-${target.label}`)
      mkdirSync(folder, { recursive: true })
      const peer = await ours({
        target,
        nodeArgs: ['--cpu-prof', '--cpu-prof-interval=250', `--cpu-prof-dir=${folder}`],
      }).start(site)
      const beforeLoadMs = performance.now()
      try {
        await load({ url: peer.url, seconds: effort.warmUpSeconds, tokensFile: file })
        await load({ url: peer.url, seconds: effort.seconds * effort.rounds, tokensFile: file })
      } finally {
        await peer.stop()
      }
      const [name = ''] = readdirSync(folder)
      const lastMs = performance.now() - beforeLoadMs - effort.warmUpSeconds * 1000
      const shares = readProfile(join(folder, name), { lastMs })
      bench.progress(`the profile itself: ${join(folder, name)}`)
      results.push({
        title: `Profile: ${target.label}`,
        table: { columns: ['', '%'], rows: rowsOf(shares) },
        notes: ['"with callees" counts a function and what it calls; those lines overlap.'],
        samples: undefined,
      })
    }
    return results
  },
}

function rowsOf(shares: Shares): string[][] {
  const section = (title: string, kind: keyof Shares): string[][] =>
    [...shares[kind]]
      .sort(([, a], [, b]) => b - a)
      .slice(0, SHOWN[kind])
      .map(([name, share]) => [`${title}: ${name}`, (share * 100).toFixed(2)])
  return [...section('owner', 'owner'), ...section('self', 'self'), ...section('with callees', 'inclusive')]
}
