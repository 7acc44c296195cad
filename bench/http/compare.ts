/**
 * Puts several peers under the same load in one run: each is started, checked and warmed up, then
 * they are measured in turns.
 */
import { ratios, type Summary, spread, summary } from '../lib/stats.ts'
import type { Table } from '../lib/table.ts'
import { load as drive, type LoadOptions, type LoadResult } from './load.ts'
import { measured, rotated, type Sample } from './measure.ts'
import type { Peer, RunningPeer } from './peers/peer.ts'
import type { Bench } from './scenario.ts'
import { type SigningKey, tokensOf } from './tokens.ts'
import { verify } from './verify.ts'

export interface Comparison {
  /** The samples of each, one a round, in the order given. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>
  /** The peers that could not be had, and why. */
  readonly absent: readonly string[]
}

/** One contender under its own load; the load may differ, as in tokens of different keys. */
export interface Contender {
  readonly peer: Peer
  /** The comparison is worthless without it, so its absence fails the run. */
  readonly isNeeded: boolean
  readonly load: Omit<LoadOptions, 'url' | 'seconds'>
  /** Left out: over HTTP/1.1, as `load` says. */
  readonly drive?: (peer: RunningPeer, seconds: number) => Promise<LoadResult>
}

export async function compare(bench: Bench, contenders: readonly Contender[], key: SigningKey): Promise<Comparison> {
  const { effort, site, progress } = bench
  const absent: string[] = []
  const present: Array<{ peer: RunningPeer; measureFor: (seconds: number) => Promise<Sample> }> = []
  try {
    for (const { peer, isNeeded, load, drive: driveBy } of contenders) {
      try {
        const running = await started(peer, site, key, load)
        const put = driveBy ?? (({ url }, seconds) => drive({ ...load, url, seconds }))
        present.push({ peer: running, measureFor: seconds => measured(running, () => put(running, seconds)) })
      } catch (error) {
        if (isNeeded) throw error
        absent.push(`${peer.name}: ${error instanceof Error ? error.message.split('\n', 1)[0] : error}`)
        progress(`absent: ${absent.at(-1)}`)
      }
    }
    for (const { measureFor } of present) await measureFor(effort.warmUpSeconds)
    const samples = new Map<string, Sample[]>(present.map(({ peer }) => [peer.name, []]))
    for (let round = 0; round < effort.rounds; round++) {
      for (const { peer, measureFor } of rotated(present, round)) {
        const sample = await measureFor(effort.seconds)
        samples.get(peer.name)?.push(sample)
        progress(`round ${round + 1}/${effort.rounds} ${peer.name}: ${sample.cpuUs.toFixed(1)} µs a request`)
      }
    }
    return { samples, absent }
  } finally {
    await Promise.all(present.map(({ peer }) => peer.stop()))
  }
}

export interface CostTableOptions {
  /** The names of the rows that others are divided by; those that were not measured are left out. */
  readonly bases: readonly string[]
}

export function costTable(samples: ReadonlyMap<string, readonly Sample[]>, options: CostTableOptions): Table {
  const bases = options.bases.filter(base => samples.has(base))
  const cpu = (name: string): readonly number[] => (samples.get(name) ?? []).map(sample => sample.cpuUs)
  return {
    columns: ['', 'CPU µs/request', ...bases.map(base => `× ${base}`), 'requests/s', 'p50 ms', 'p99 ms', 'core busy'],
    rows: [...samples].map(([name, all]) => [
      name,
      spread(summary(cpu(name))),
      ...bases.map(base => ratioText(ratios(cpu(name), cpu(base)))),
      summary(all.map(sample => sample.requestsPerSecond)).median.toFixed(0),
      (summary(all.map(sample => sample.p50Us)).median / 1000).toFixed(2),
      (summary(all.map(sample => sample.p99Us)).median / 1000).toFixed(2),
      `${(summary(all.map(sample => sample.busy)).median * 100).toFixed(0)} %`,
    ]),
  }
}

export function ratioText(ratio: Summary | undefined): string {
  return ratio === undefined ? '–' : spread(ratio, 2)
}

export async function started(
  peer: Peer,
  site: Bench['site'],
  key: SigningKey,
  { tokensFile, headers }: Pick<LoadOptions, 'tokensFile' | 'headers'>,
): Promise<RunningPeer> {
  const running = await peer.start(site)
  try {
    const [token] = tokensFile === undefined ? [] : tokensOf(tokensFile)
    if (token !== undefined) await verify(running, key, token, headers)
    return running
  } catch (error) {
    await running.stop()
    throw error
  }
}
