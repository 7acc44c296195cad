/** The collector's settings, read off V8's own traces: a flag that an upgrade of Node drops would do nothing. */
import { execFileSync, spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const MODULE = new URL('../../src/run/memory-settings.ts', import.meta.url).href
const SET = `import { setGarbageCollection } from '${MODULE}'; setGarbageCollection(process.version);`
/** Keeps 100 MiB, has V8 collect once, and allocates on, so that the limit set by then is traced. */
const KEEPS = `
const kept = Array.from({ length: 100_000 }, () => new Array(128).fill(0.5))
gc()
for (let i = 0; i < 200_000; i++) new Array(128).fill(i)
console.log(kept.length)`
const MIB = 1024 * 1024
/** V8 adds its whole young generation to the limit: 32 MiB, or less. */
const YOUNG_BYTES = 32 * MIB

test('the heap grows by its size before V8 collects, not by more', () => {
  const { heapBytes, limitBytes } = heap(SET + KEEPS)
  expect(heapBytes).toBeGreaterThan(90 * MIB)
  expect(limitBytes).toBeLessThan(heapBytes * 2.1 + YOUNG_BYTES)
  expect(heap(KEEPS).limitBytes).toBeGreaterThan(limitBytes * 1.15)
})

/** Everything that one place in the code makes survives a young collection. */
const SURVIVES = `
const kept = []
const make = i => ({ i, inner: { i } })
for (let i = 0; i < 200_000; i++) kept.push(make(i))
console.log(kept.length)`

test('nothing is allocated in the old generation because its like survived', () => {
  expect(traced('--trace-pretenuring-statistics', SURVIVES)).toMatch(/=> (maybe )?tenure/)
  expect(traced('--trace-pretenuring-statistics', SET + SURVIVES)).not.toMatch(/=> (maybe )?tenure/)
})

test('V8 knows every one of them', () => {
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', SET], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
})

test('these flags of V8 have another value by then, and no other has', () => {
  const before = new Set(flags(''))
  expect(
    flags(SET)
      .filter(flag => !before.has(flag))
      .toSorted(),
  ).toEqual([
    '--external-memory-accounted-in-global-limit',
    '--heap-growing-percent=100',
    '--memory-reducer-delay-ms=3600000',
    '--no-allocation-site-pretenuring',
  ])
})

function heap(program: string): { readonly heapBytes: number; readonly limitBytes: number } {
  const last =
    traced('--trace-gc-nvp', program)
      .split('\n')
      .findLast(line => line.includes('"old_gen_allocation_limit"')) ?? ''
  const number = (name: string): number => Number(new RegExp(`"${name}":(\\d+)`).exec(last)?.[1])
  return { heapBytes: number('end_object_size'), limitBytes: number('old_gen_allocation_limit') }
}

function traced(flag: string, program: string): string {
  const flags = ['--expose-gc', flag, '--input-type=module', '--eval', program]
  return execFileSync(process.execPath, flags, { encoding: 'utf8' })
}

/** @returns every flag with its value once the program has run: V8's help prints that as the default */
function flags(program: string): readonly string[] {
  const shows = `${program} import { setFlagsFromString } from 'node:v8'; setFlagsFromString('--help')`
  const help = execFileSync(process.execPath, ['--input-type=module', '--eval', shows], { encoding: 'utf8' })
  return [...help.matchAll(/ default: (--.*)$/gm)].map(([, flag]) => flag ?? '')
}
