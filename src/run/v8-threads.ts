/**
 * Lets the threads by which V8 collects and compiles step back behind the one that serves requests.
 *
 * There are four, whatever the number of cores. On a single core they take turns with the program, which then has a
 * fifth of it: under new tokens the 99th percentile of latency was 62 ms, and with the threads at a lower priority 24,
 * while a request took as much processor time. In return the program is compiled later: right after a start under full
 * load, it answered an eighth less in the first four seconds. Where the program waits for a thread, the thread has the
 * core, unless another process wants that. With cores to spare nothing changes.
 *
 * On Linux each thread has a priority of its own (`setpriority(2)`). Elsewhere, and where that is forbidden, they stay
 * as they are.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

const TASKS = '/proc/self/task'
/** Node gives its threads names. */
const NAME = /V8Worker/
/** With 5 it was 35 ms, with 19 the same as with 10. */
const STEPS = 10

export function lowerV8Threads(): void {
  const lower = Math.min(getPriority() + STEPS, constants.priority.PRIORITY_LOW)
  for (const id of threads()) {
    try {
      if (NAME.test(readFileSync(`${TASKS}/${id}/comm`, 'utf8'))) setPriority(Number(id), lower)
    } catch {
      // It has ended, or it is forbidden. It is a matter of speed alone.
    }
  }
}

function threads(): readonly string[] {
  try {
    return readdirSync(TASKS)
  } catch {
    return []
  }
}
