/**
 * Sets V8's garbage collector for a process that handles short requests for weeks: call it once, before the gateway starts.
 *
 * Growth: left to itself, V8 lets the old generation grow to four times what survived the last full collection and more,
 * since it takes the memory of the whole machine for its own. Tighter than this, it collects over and over at the start,
 * and large bodies pass through a fifth more slowly: V8 counts their buffers, too.
 * Pretenuring: V8 allocates in the old generation what it has seen survive. Under a burst of requests at the start nearly
 * everything survives, and from then on some part of each request is allocated old; dead, it still holds the rest of its
 * request through every young collection until the next full one. A quarter of all requests was promoted so, and full
 * collections came every few seconds, each of which holds requests up for 10 to 40 ms on one core. Without it hardly
 * anything is promoted, and full collections come only as tokens are forgotten.
 * The young generation is left alone: V8 reads its size only at its own start (`--max-semi-space-size`).
 */
import { setFlagsFromString } from 'node:v8'

/** Of what survived. */
const GROWTH_PERCENT = 200

export function setGarbageCollection(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
  setFlagsFromString('--no-allocation-site-pretenuring')
}
