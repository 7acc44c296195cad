/** Reads the command line of the benchmark. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CONNECTIONS } from './load.ts'
import type { Target } from './peers/ours.ts'
import type { Effort } from './scenario.ts'

export interface BenchOptions {
  readonly only: readonly string[]
  readonly targets: readonly [Target, ...Target[]]
  /** The names of the peers to measure against; undefined stands for all. */
  readonly against: readonly string[] | undefined
  /** How many connections the load of `warm` and `cold` has. */
  readonly connections: number
  readonly effort: Effort
}

const SOURCE = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export const USAGE = `Usage: npm run bench -- [OPTIONS]

  --quick             about two minutes, for a first look; the default takes about half an hour
  --only A,B          scenarios: SCENARIOS
  --target FILE       what is measured; default src/main.ts. LABEL=FILE names it, and several are compared in one run
  --against A,B       peers of warm and cold: raw, composition, haproxy, nginx, envoy, express; default all
  --node-arg FLAG     flag for the Node that runs the target, e.g. --node-arg=--max-semi-space-size=32; repeatable
  --connections N     connections of warm and cold; default 32
  --rounds N          rounds of each scenario
  --seconds N         seconds of each measurement

Results go to bench/results/.
`

export function benchOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      target: { type: 'string', multiple: true, default: [SOURCE] },
      against: { type: 'string' },
      'node-arg': { type: 'string', multiple: true, default: [] },
      connections: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const isQuick = values.quick
  const [first, ...others] = values.target.map(text => target(text, values['node-arg']))
  if (first === undefined) throw new Error('no target')
  return {
    only: values.only?.split(',') ?? [],
    targets: [first, ...others],
    against: values.against?.split(','),
    connections: count(values.connections) ?? CONNECTIONS,
    effort: {
      isQuick,
      rounds: count(values.rounds) ?? (isQuick ? 3 : 9),
      seconds: count(values.seconds) ?? (isQuick ? 1 : 4),
      warmUpSeconds: isQuick ? 2 : 5,
    },
  }
}

function target(text: string, nodeArgs: readonly string[]): Target {
  const at = text.indexOf('=')
  const file = resolve(at === -1 ? text : text.slice(at + 1))
  if (!existsSync(file)) throw new Error(`there is no ${file}`)
  return { label: at === -1 ? 'Sallyport' : text.slice(0, at), file, nodeArgs }
}

function count(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${text} is no count`)
  return Number(text)
}
