/**
 * Times small functions honestly: they are warmed up and run in several samples that are long enough for the
 * clock, and their results are kept alive.
 *
 * A case gets a running index, so that it can go through different inputs like real traffic does.
 */
import { type Summary, summary } from '../lib/stats.ts'

export type Case =
  | {
      readonly name: string
      readonly run: (index: number) => unknown
      /** What it is compared with, in turns, since the machine is not equally fast all the time. */
      readonly beside?: (index: number) => unknown
    }
  | {
      readonly name: string
      readonly runAsync: (index: number) => Promise<unknown>
      readonly besideAsync?: (index: number) => Promise<unknown>
    }

export interface Timing {
  readonly name: string
  readonly nanoseconds: Summary
  /** How many times as long as what stands beside it. */
  readonly ratio?: Summary
}

export interface Effort {
  readonly warmUpMs: number
  readonly sampleMs: number
  readonly samples: number
}

/** Keeps whatever a case gave last: the compiler must believe that somebody looks at it. */
export let lastResult: unknown

export async function time(each: Case, { warmUpMs, sampleMs, samples }: Effort): Promise<Timing> {
  let iterations = 1
  let tookMs = 0
  const startedMs = performance.now()
  // The number of iterations doubles until one batch fills a sample; all of that is warm-up, too.
  while (tookMs < sampleMs || performance.now() - startedMs < warmUpMs) {
    tookMs = await batch(each, iterations)
    if (tookMs < sampleMs) iterations *= 2
  }
  const beside = besideOf(each)
  if (beside !== undefined) await batch(beside, iterations)
  const nanoseconds: number[] = []
  const ratios: number[] = []
  for (let sample = 0; sample < samples; sample++) {
    const took = await batch(each, iterations)
    nanoseconds.push((1e6 * took) / iterations)
    if (beside !== undefined) ratios.push(took / (await batch(beside, iterations)))
  }
  const timing = { name: each.name, nanoseconds: summary(nanoseconds) }
  return beside === undefined ? timing : { ...timing, ratio: summary(ratios) }
}

function besideOf(each: Case): Case | undefined {
  const name = ''
  if ('run' in each) return each.beside && { name, run: each.beside }
  return each.besideAsync && { name, runAsync: each.besideAsync }
}

async function batch(each: Case, iterations: number): Promise<number> {
  const startedMs = performance.now()
  if ('run' in each) for (let index = 0; index < iterations; index++) lastResult = each.run(index)
  else for (let index = 0; index < iterations; index++) lastResult = await each.runAsync(index)
  return performance.now() - startedMs
}
