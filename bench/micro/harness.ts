/**
 * Times small functions honestly: they are warmed up and run in several samples that are long enough for the
 * clock, and their results are kept alive.
 *
 * A case gets a running index, so that it can go through different inputs like real traffic does.
 */
import { type Summary, summary } from '../lib/stats.ts'

export type Case =
  | { readonly name: string; readonly run: (index: number) => unknown }
  | { readonly name: string; readonly runAsync: (index: number) => Promise<unknown> }

export interface Timing {
  readonly name: string
  readonly nanoseconds: Summary
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
  const nanoseconds: number[] = []
  for (let sample = 0; sample < samples; sample++)
    nanoseconds.push((1e6 * (await batch(each, iterations))) / iterations)
  return { name: each.name, nanoseconds: summary(nanoseconds) }
}

async function batch(each: Case, iterations: number): Promise<number> {
  const startedMs = performance.now()
  if ('run' in each) for (let index = 0; index < iterations; index++) lastResult = each.run(index)
  else for (let index = 0; index < iterations; index++) lastResult = await each.runAsync(index)
  return performance.now() - startedMs
}
