/** The bound on the heap's growth, read off V8's own trace: a flag that an upgrade of Node drops would do nothing. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

const MODULE = new URL('../../src/cli/heap-growth.ts', import.meta.url).href
/** Keeps 100 MiB, has V8 collect once, and allocates on, so that the limit set by then is traced. */
const PROGRAM = `
const kept = Array.from({ length: 100_000 }, () => new Array(128).fill(0.5))
gc()
for (let i = 0; i < 200_000; i++) new Array(128).fill(i)
console.log(kept.length)`
const MIB = 1024 * 1024
/** V8 adds its whole young generation to the limit: 32 MiB, or less. */
const YOUNG_BYTES = 32 * MIB

test('the heap grows by twice its size before V8 collects, not by more', () => {
  const { heapBytes, limitBytes } = trace(`import { boundHeapGrowth } from '${MODULE}'; boundHeapGrowth(); ${PROGRAM}`)
  expect(heapBytes).toBeGreaterThan(90 * MIB)
  expect(limitBytes).toBeLessThan(heapBytes * 3.1 + YOUNG_BYTES)
  expect(trace(PROGRAM).limitBytes).toBeGreaterThan(limitBytes * 1.15)
})

function trace(program: string): { readonly heapBytes: number; readonly limitBytes: number } {
  const flags = ['--expose-gc', '--trace-gc-nvp', '--input-type=module', '--eval', program]
  const output = execFileSync(process.execPath, flags, { encoding: 'utf8' })
  const last =
    output
      .trimEnd()
      .split('\n')
      .findLast(line => line.includes('"old_gen_allocation_limit"')) ?? ''
  const number = (name: string): number => Number(new RegExp(`"${name}":(\\d+)`).exec(last)?.[1])
  return { heapBytes: number('end_object_size'), limitBytes: number('old_gen_allocation_limit') }
}
