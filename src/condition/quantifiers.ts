/**
 * Says what `exists`, `all` and `exists_one` make of the elements of a list.
 *
 * CEL specification, "Macros". An element that fails does not matter to the first two where another one decides.
 */
import { Failure } from './failure.ts'
import type { Comprehension } from './tree.ts'

type Conclude = (elements: readonly unknown[], holds: (each: unknown) => boolean | Failure) => boolean | Failure

export const CONCLUDE: { readonly [Kind in Comprehension['kind']]: Conclude } = {
  exists: (elements, holds) => decided(elements, holds, true),
  all: (elements, holds) => decided(elements, holds, false),
  exists_one(elements, holds) {
    let count = 0
    for (const each of elements) {
      const found = holds(each)
      if (found instanceof Failure) return found
      if (found) count++
    }
    return count === 1
  },
}

/** @param decisive decides for all elements, also where others fail */
function decided(
  elements: readonly unknown[],
  holds: (each: unknown) => boolean | Failure,
  decisive: boolean,
): boolean | Failure {
  let failure: Failure | undefined
  for (const each of elements) {
    const found = holds(each)
    if (found === decisive) return found
    if (found instanceof Failure) failure ??= found
    if (failure?.error === 'too_long') return failure
  }
  return failure ?? !decisive
}
