/**
 * Measures the gateway against its peers, on the same cores, load and upstream, in one run: `npm run bench`.
 *
 * The measure is the gateway process's CPU time per request. Absolute figures depend on the machine, so the ratios are
 * taken within each round, and medians and spreads are shown.
 */
import { availableParallelism, cpus } from 'node:os'
import { benchOptions, USAGE } from './options.ts'
import { removeScratch } from './peers/peer.ts'
import { CORES, stopAll, stopAllOnExit } from './processes.ts'
import { publish } from './report.ts'
import type { Scenario } from './scenario.ts'
import { bodies } from './scenarios/bodies.ts'
import { cold } from './scenarios/cold.ts'
import { flood } from './scenarios/flood.ts'
import { http2 } from './scenarios/http2.ts'
import { latency } from './scenarios/latency.ts'
import { limits } from './scenarios/limits.ts'
import { memory } from './scenarios/memory.ts'
import { prices } from './scenarios/prices.ts'
import { profile } from './scenarios/profile.ts'
import { revocation } from './scenarios/revocation.ts'
import { routes } from './scenarios/routes.ts'
import { soak } from './scenarios/soak.ts'
import { startup } from './scenarios/startup.ts'
import { storms } from './scenarios/storms.ts'
import { traces } from './scenarios/traces.ts'
import { trade } from './scenarios/trade.ts'
import { warm } from './scenarios/warm.ts'
import { workers } from './scenarios/workers.ts'
import { openSite } from './site.ts'
import { ensureTools, versions } from './tools.ts'

const SCENARIOS: readonly Scenario[] = [
  warm,
  cold,
  routes,
  revocation,
  traces,
  bodies,
  http2,
  latency,
  storms,
  memory,
  startup,
]
/** These run only when they are asked for. */
const EXTRA: readonly Scenario[] = [profile, prices, trade, workers, flood, soak, limits]

const every = [...SCENARIOS, ...EXTRA]
const options = benchOptions(process.argv.slice(2))
if (options === undefined) {
  process.stdout.write(USAGE.replace('SCENARIOS', every.map(({ name }) => name).join(', ')))
} else {
  await bench(options)
}

async function bench({ only, targets, against, connections, effort }: NonNullable<typeof options>): Promise<void> {
  const unknown = only.filter(name => !every.some(scenario => scenario.name === name))
  if (unknown.length > 0) throw new Error(`there is no scenario ${unknown.join(', ')}`)
  const chosen = only.length === 0 ? SCENARIOS : every.filter(({ name }) => only.includes(name))
  stopAllOnExit()
  process.once('exit', removeScratch)
  await ensureTools()
  const site = await openSite()
  try {
    for (const scenario of chosen) {
      const progress = (text: string): void => console.error(`[${scenario.name}] ${text}`)
      const results = await scenario.run({ site, targets, against, connections, effort, progress })
      publish(scenario.name, results, { effort, machine: await machine() })
    }
  } finally {
    await site.close()
    await stopAll()
  }
}

async function machine(): Promise<readonly string[]> {
  const cores = `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`
  const placed = CORES === undefined ? 'everything on one core' : 'the gateway on one core, load and service on another'
  return [cores, placed, ...(await versions())]
}
