/** The collector's settings, read off V8's own traces: a flag that an upgrade of Node drops would do nothing. */
import { execFileSync, spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const MODULE = new URL('../../src/run/memory-settings.ts', import.meta.url).href
const set = (nodeFlags: string): string =>
  `import { setMemory } from '${MODULE}'; setMemory({ nodeVersion: process.version, nodeFlags: '${nodeFlags}' });`
const SET = set('')
/** Keeps 100 MiB, has V8 collect once, and allocates on, so that the limit set by then is traced. */
const KEEPS = `
const kept = Array.from({ length: 100_000 }, () => new Array(128).fill(0.5))
gc()
for (let i = 0; i < 200_000; i++) new Array(128).fill(i)
console.log(kept.length)`
const MIB = 1024 * 1024
/** V8 adds its whole young generation to the limit: 32 MiB, or less. */
const YOUNG_BYTES = 32 * MIB

test('the heap grows by half of its size before V8 collects, not by more', () => {
  const { heapBytes, limitBytes } = heap(SET + KEEPS)
  expect(heapBytes).toBeGreaterThan(90 * MIB)
  expect(limitBytes).toBeLessThan(heapBytes * 1.6 + YOUNG_BYTES)
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

const SIZE = '--semi-space-growth-factor=1'

test('these flags of V8 have another value by then, and no other has', () => {
  const before = new Set(flags(''))
  const changed = (program: string) =>
    flags(program)
      .filter(flag => !before.has(flag))
      .toSorted()
  const changedTo = (growth: number) => [
    '--external-memory-accounted-in-global-limit',
    `--heap-growing-percent=${growth}`,
    '--memory-reducer-delay-ms=3600000',
    '--no-allocation-site-pretenuring',
  ]
  expect(changed(SET)).toEqual([...changedTo(50), SIZE])
  // Somebody has chosen the size.
  for (const flag of ['--max-semi-space-size=16', '--a --max_semi_space_size 16'])
    expect(changed(set(flag))).toEqual(changedTo(100))
})

/**
 * Has more survive than fits, several times in a turn and over many turns, and then has V8 give back what it can.
 * @returns the most that the young generation held: in the first turn, before and after it was given back
 */
function youngMib(program: string): readonly number[] {
  const survives = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { setImmediate as turn } from 'node:timers/promises'
    let at = 0
    const kept = new Array(400_000)
    const fill = count => { while (count-- > 0) kept[at++ % kept.length] = { at, inner: [at] } }
    // More is used than it holds while V8 puts a collection off, so one is made.
    const young = () => {
      gc({ type: 'minor' })
      const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
      return Math.round((space.space_used_size + space.space_available_size) / ${MIB})
    }
    const survive = async () => {
      let most = 0
      for (let turns = 0; turns < 200; turns += 1) {
        fill(20_000)
        most = Math.max(most, young())
        await turn()
      }
      return most
    }
    fill(2_000_000)
    const seen = [young(), await survive()]
    kept.fill(undefined)
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    const small = young()
    seen.push(small, await survive())
    console.log(JSON.stringify(seen))`
  const flags = ['--expose-gc', '--input-type=module', '--eval', program + survives]
  return JSON.parse(execFileSync(process.execPath, flags, { encoding: 'utf8' })) as readonly number[]
}

test('the young generation grows to 16 MiB and no further, also after it was smaller', () => {
  const [atOnce, most, small, again] = youngMib(SET)
  expect(atOnce).toBeLessThanOrEqual(16)
  expect([most, small, again]).toEqual([16, 1, 16])
  expect(Math.max(...youngMib(''))).toBe(32)
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
