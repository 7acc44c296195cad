/**
 * Sets V8's memory for a process that handles short requests for weeks: call it before the gateway starts.
 *
 * - Growth: by default V8 lets the old generation grow to four times what survived the last full collection and more,
 *   since it takes the memory of the whole machine for its own. Here it grows by half. With a smaller young generation
 *   more is promoted, and under a thousand connections 8 MiB and half made a full collection every second or two, at
 *   almost twice the processor time: where a size was chosen at the start, it grows by as much as survived.
 * - Buffers: V8 counts those of all bodies, and makes a full collection for every 64 MiB of them, which is ten a
 *   second and more under large bodies. When they count towards the limit of the heap instead, as in later versions of
 *   V8, young collections free most of them: large bodies pass through up to half as fast again, in the same memory.
 * - Pretenuring: V8 allocates in the old generation what it has seen survive. Under a burst of requests at the start
 *   nearly everything survives, and from then on some part of each request is allocated old. Once dead, that part holds
 *   the rest of its request through every young collection until the next full one. A quarter of all requests was
 *   promoted so, and full collections came every few seconds, each of which holds requests up for 10 to 40 ms on one
 *   core. Without pretenuring hardly anything is promoted, and full collections come only as tokens are forgotten.
 * - Reduction: a hundred seconds after a full collection V8 makes another one to give memory back, whatever the load,
 *   and sets its next limit so low that more follow: requests wait up to 50 ms. Under light load that came every two
 *   minutes. Set to an hour, it still gives back what a quiet night leaves unused.
 * - Young generation: see `young-generation.ts`. With half of the growth it saves 50 MiB under a thousand busy
 *   connections with new tokens, for about a tenth more processor time. Whoever has chosen a size at the start
 *   (`--max-semi-space-size`) has that one.
 */
import { setFlagsFromString } from 'node:v8'
import { boundYoungGeneration } from './young-generation.ts'

const MOST_YOUNG_BYTES = 16 * 1024 * 1024
/** In percent of what survived. */
const GROWTH = 50
const GROWTH_OF_CHOSEN_SIZE = 100
/** V8 takes an underscore for a hyphen. */
const CHOSEN_SIZE = /--max[-_]semi[-_]space[-_]size\b/

/** They are spelled as V8 spells them. */
const FLAGS: readonly string[] = ['--external-memory-accounted-in-global-limit', '--no-allocation-site-pretenuring']
const SINCE_NODE_26: readonly string[] = [`--memory-reducer-delay-ms=${60 * 60 * 1000}`]

/**
 * @param nodeVersion as Node says it (`v26.10.0`): V8 complains on standard error of a flag that it does not know
 * @param nodeFlags what Node was started with
 */
export function setMemory({ nodeVersion, nodeFlags }: Readonly<Record<'nodeVersion' | 'nodeFlags', string>>): void {
  const isNode26 = Number(/^v(\d+)/.exec(nodeVersion)?.[1]) >= 26
  const isChosen = CHOSEN_SIZE.test(nodeFlags)
  const growth = `--heap-growing-percent=${isChosen ? GROWTH_OF_CHOSEN_SIZE : GROWTH}`
  for (const flag of [growth, ...FLAGS, ...(isNode26 ? SINCE_NODE_26 : [])]) setFlagsFromString(flag)
  if (!isChosen) boundYoungGeneration(MOST_YOUNG_BYTES)
}
