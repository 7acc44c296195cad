/**
 * Throws generated input at everything that reads what a stranger sends, and at the configuration: `npm run fuzz`.
 *
 * It runs for `--seconds`, which the targets share, or for `--cases` of each. Each target prints its seed and its
 * speed; a failure prints the command that replays it, and the exit code is 1. SIGINT ends the run with what it has
 * found until then. What is asserted is never "no error" alone: a refusal must be one that the code names, and what is
 * accepted must be safe. The targets are in `test/fuzz/targets.ts`.
 */
import { setImmediate } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { type FuzzTarget, fuzzTargets } from './targets.ts'

/** Between two such portions the run listens to signals. */
const CASES_AT_A_TIME = 5000

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    cases: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    /** fast-check's path to one counterexample, as a failure prints it. */
    path: { type: 'string' },
  },
})

const cases = values.cases === undefined ? Number.MAX_SAFE_INTEGER : Number(values.cases)
const seconds = Number(values.seconds ?? (values.cases === undefined ? '60' : 'Infinity'))
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
const targets = fuzzTargets.filter(({ name }) => values.only === undefined || name === values.only)
if (!(seconds > 0) || !(Number.isInteger(cases) && cases > 0) || !Number.isInteger(seed) || targets.length === 0) {
  console.error(
    `usage: fuzz [--seconds N] [--cases N] [--seed N] [--only ${fuzzTargets.map(({ name }) => name).join('|')}] [--path P]`,
  )
  process.exit(2)
}

let failures = 0
let isInterrupted = false
process.once('SIGINT', () => {
  isInterrupted = true
})
for (const target of targets) {
  if (isInterrupted) break
  if (!(await holds(target, (seconds / targets.length) * 1000))) failures++
}
process.exit(failures === 0 ? 0 : 1)

async function holds({ name, start }: FuzzTarget, budgetMs: number): Promise<boolean> {
  const { property, stop = async () => undefined } = await start()
  const began = performance.now()
  let done = 0
  while (done < cases && !isInterrupted && performance.now() - began < budgetMs) {
    const share: fc.Parameters<unknown> = {
      seed: (seed + done) | 0,
      ...(values.path !== undefined && { path: values.path, endOnFailure: true }),
      numRuns: Math.min(cases - done, CASES_AT_A_TIME),
      ...(budgetMs !== Number.POSITIVE_INFINITY && {
        interruptAfterTimeLimit: Math.max(1, budgetMs - (performance.now() - began)),
        markInterruptAsFailure: false,
      }),
    }
    const details = await fc.check(property as fc.IAsyncProperty<unknown>, share)
    done += details.numRuns
    if (details.failed) {
      await stop()
      console.error(`${name}: FAILED after ${done} cases`)
      console.error(
        `  replay: npm run fuzz -- --only ${name} --seed ${share.seed} --path '${details.counterexamplePath}'`,
      )
      console.error(`  counterexample: ${fc.stringify(details.counterexample)}`)
      console.error(details.errorInstance instanceof Error ? details.errorInstance.stack : details.errorInstance)
      return false
    }
    // A path leads to one case, and nothing else is searched for.
    if (values.path !== undefined) break
    // Signals are heard between two turns of the loop only.
    await setImmediate()
  }
  const seen = await stop()
  const perSecond = Math.round((done / (performance.now() - began)) * 1000)
  console.log(`${name}: ${done} cases, seed ${seed}, ${perSecond} a second${seen === undefined ? '' : `, ${seen}`}`)
  return true
}
