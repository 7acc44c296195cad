/** The priorities that the kernel has for the threads of real processes. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startWorkers } from './workers/support.ts'

const MODULE = new URL('../../src/run/v8-threads.ts', import.meta.url).href
const BEGIN = `
import { stat } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { lowerV8Threads } from '${MODULE}'
// The threads that read files are there from the first file on.
await stat('/')
`
/** Prints what {@link threadsOf} reads. */
const PRINT = `
import { readdirSync, readFileSync } from 'node:fs'
console.log(JSON.stringify(readdirSync('/proc/self/task').map(id => readFileSync('/proc/self/task/' + id + '/stat', 'utf8'))))
`

interface Thread {
  readonly id: number
  readonly name: string
  readonly nice: number
}

/** @param stat as proc(5) has it */
function thread(stat: string): Thread {
  const [, id = '', name = '', rest = ''] = /^(\d+) \((.*)\) (.*)$/s.exec(stat) ?? []
  return { id: Number(id), name, nice: Number(rest.split(' ')[16]) }
}

const printedBy = (program: string): readonly Thread[] => {
  const args = ['--input-type=module', '--eval', BEGIN + program + PRINT]
  return (JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as string[]).map(thread)
}
const threadsOf = (pid: number): readonly Thread[] =>
  readdirSync(`/proc/${pid}/task`).map(id => thread(readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8')))

const isOfV8 = ({ name }: Thread): boolean => name.includes('V8Worker')
const isOther = (each: Thread): boolean => !isOfV8(each)
const niceOf = (threads: readonly Thread[]): readonly number[] => [...new Set(threads.map(({ nice }) => nice))]

const [usual = 0] = niceOf(threadsOf(process.pid).filter(({ id }) => id === process.pid))

test("V8's own threads step back, and no other does", () => {
  const before = printedBy('')
  expect(before.filter(isOfV8).length).toBeGreaterThan(0)
  expect(niceOf(before)).toEqual([usual])
  const after = printedBy('lowerV8Threads()')
  expect(niceOf(after.filter(isOfV8))).toEqual([Math.min(usual + 10, 19)])
  expect(after.filter(isOther).length).toBeGreaterThan(1)
  expect(niceOf(after.filter(isOther))).toEqual([usual])
})

test('a process of the lowest priority has none to give', () => {
  expect(niceOf(printedBy('setPriority(19); lowerV8Threads()').filter(isOfV8))).toEqual([19])
})

test('those of each worker do, and its other threads do not', async () => {
  const { pids } = await startWorkers()
  const workers = await pids()
  expect(workers.length).toBeGreaterThan(1)
  for (const threads of workers.map(threadsOf)) {
    expect(niceOf(threads.filter(isOfV8))).toEqual([Math.min(usual + 10, 19)])
    expect(niceOf(threads.filter(isOther))).toEqual([usual])
  }
})
