/** Says what a scenario is given and what it gives back. */
import type { Table } from '../lib/table.ts'
import type { Target } from './peers/ours.ts'
import type { Site } from './peers/peer.ts'

/** The time that the run may take. */
export interface Effort {
  readonly isQuick: boolean
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
}

export interface Bench {
  readonly site: Site
  /** The gateways that are measured; the first is the one that other scenarios use. */
  readonly targets: readonly [Target, ...Target[]]
  /** The names of the peers to measure against; undefined stands for all. */
  readonly against: readonly string[] | undefined
  /** How many connections the load of `warm` and `cold` has. */
  readonly connections: number
  readonly effort: Effort
  progress(text: string): void
}

export interface Result {
  readonly title: string
  readonly table: Table
  /** The notes that a reader needs to understand the table. */
  readonly notes: readonly string[]
  /** Every sample, for whoever wants to judge for themselves. */
  readonly samples: unknown
}

export interface Scenario {
  readonly name: string
  run(bench: Bench): Promise<readonly Result[]>
}
