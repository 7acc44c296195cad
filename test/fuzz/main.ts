/**
 * Throws generated input at everything that reads what a stranger sends, and at the configuration: `npm run fuzz`.
 *
 * It runs for `--seconds`, which the targets share. Each target prints its seed; a failure prints the command that
 * replays it, and the exit code is 1. What is asserted is never "no error" alone: a refusal must be a `Denial` or a
 * `ConfigError`, and what is accepted must be safe. The targets are in `test/fuzz/targets.ts`.
 */
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { type FuzzTarget, fuzzTargets } from './targets.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    only: { type: 'string' },
    /** fast-check's path to one counterexample, as a failure prints it. */
    path: { type: 'string' },
  },
})

const seconds = Number(values.seconds)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
const targets = fuzzTargets.filter(({ name }) => values.only === undefined || name === values.only)
if (!(seconds > 0) || !Number.isInteger(seed) || targets.length === 0) {
  console.error(
    `usage: fuzz [--seconds N] [--seed N] [--only ${fuzzTargets.map(({ name }) => name).join('|')}] [--path P]`,
  )
  process.exit(2)
}

let failures = 0
for (const target of targets) if (!(await holds(target, (seconds / targets.length) * 1000))) failures++
process.exit(failures === 0 ? 0 : 1)

async function holds({ name, start }: FuzzTarget, budgetMs: number): Promise<boolean> {
  const { property, stop = () => {} } = await start()
  const details = await fc.check(property as fc.IAsyncProperty<unknown>, {
    seed,
    ...(values.path !== undefined && { path: values.path, endOnFailure: true }),
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: budgetMs,
    markInterruptAsFailure: false,
  })
  await stop()
  if (!details.failed) {
    console.log(`${name}: ${details.numRuns} cases, seed ${seed}`)
    return true
  }
  console.error(`${name}: FAILED after ${details.numRuns} cases`)
  console.error(`  replay: npm run fuzz -- --only ${name} --seed ${seed} --path '${details.counterexamplePath}'`)
  console.error(`  counterexample: ${fc.stringify(details.counterexample)}`)
  console.error(details.errorInstance instanceof Error ? details.errorInstance.stack : details.errorInstance)
  return false
}
