/**
 * Keeps V8's young generation small. V8 lets it grow to three times 32 MiB under many connections, whatever the
 * machine, and reads its own bound (`--max-semi-space-size`) only at its start. The factor by which it grows is read
 * each time, and with one it stays. It grows by collections, and also shrinks by them, so a look after each is enough.
 *
 * Nothing is called back before the program waits. So it stays as it is until then, since it could grow several times
 * while a large configuration is loaded. A later turn that makes very much at once can still take it further, and there
 * it stays until V8 gives memory back.
 */
import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** V8's own factor. */
const DOUBLES = '--semi-space-growth-factor=2'
const STAYS = '--semi-space-growth-factor=1'

/** It is one for the whole process. */
let collections: PerformanceObserver | undefined

/** @param mostBytes what a half of it may hold; while it is collected, there are up to three. The first call counts. */
export function boundYoungGeneration(mostBytes: number): void {
  if (collections !== undefined) return
  let growth = STAYS
  setFlagsFromString(growth)
  collections = new PerformanceObserver(() => {
    const next = 2 * youngBytes() > mostBytes ? STAYS : DOUBLES
    if (next === growth) return
    growth = next
    setFlagsFromString(growth)
  })
  collections.observe({ entryTypes: ['gc'] })
}

/** What a half of it holds now. */
function youngBytes(): number {
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  return space === undefined ? Number.POSITIVE_INFINITY : space.space_used_size + space.space_available_size
}
