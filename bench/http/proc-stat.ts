/**
 * Reads from Linux' own books what a process cost: processor time in nanoseconds and memory in bytes.
 *
 * The scheduler's `schedstat` is exact where `stat` counts ticks of 10 ms. It is kept per thread, so threads are
 * summed; the peers here start theirs once and keep them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** @returns the time on a core of all threads, also of the processes that it has started, in microseconds */
export function cpuUs(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + ownCpuUs(each), 0)
}

export function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap(thread =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
}

function ownCpuUs(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
  }
  return nanoseconds / 1000
}

/** @returns the resident memory as of now */
export function rssBytes(pid: number): number {
  return field(pid, 'VmRSS')
}

/** @returns the highest resident memory since {@link resetPeak} */
export function peakBytes(pid: number): number {
  return field(pid, 'VmHWM')
}

/** Writes 5 to `clear_refs`, which resets the high-water mark (proc(5)). */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

function field(pid: number, name: string): number {
  const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes) * 1024
}
