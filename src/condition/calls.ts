/**
 * Says what the functions and methods of conditions make of their values. Those that visit lists are in `evaluator.ts`.
 *
 * CEL specification, "Standard Definitions". What times and zones are written in an expression is read once.
 */
import { instantOf, spanOf, timePart } from './times.ts'
import type { Tree } from './tree.ts'
import { contains, sizeOf, textOfValue } from './values.ts'
import type { Purse } from './work.ts'

/** It gives undefined for values that it is not for. */
type Operate = (values: readonly unknown[], purse: Purse) => unknown

/** @throws {Error} the fence lets no other function pass */
export function functionOf(name: string, given: readonly Tree[]): Operate {
  const written = writtenIn(given)
  if (name === 'size') return size
  if (name === 'string') return ([value]) => textOfValue(value)
  const read = name === 'timestamp' ? instantOf(written) : name === 'duration' ? spanOf(written) : undefined
  if (read === undefined) throw new Error(`there is no function ${name}`)
  return () => read
}

function size([value]: readonly unknown[], purse: Purse): unknown {
  return sizeOf(value, purse)
}

/** @returns a text that is written in the parentheses, or nothing */
function writtenIn([first]: readonly Tree[]): string {
  return first?.op === 'value' && typeof first.args === 'string' ? first.args : ''
}

const OF_TEXTS: Readonly<Record<string, (text: string, other: string, purse: Purse) => boolean>> = {
  startsWith: (text, other) => text.startsWith(other),
  endsWith: (text, other) => text.endsWith(other),
  contains,
}

export function methodOf(name: string, given: readonly Tree[]): Operate {
  if (name === 'size') return size
  const ofTexts = OF_TEXTS[name]
  if (ofTexts !== undefined)
    return ([text, other], purse) =>
      typeof text === 'string' && typeof other === 'string' ? ofTexts(text, other, purse) : undefined
  const part = timePart(name, given.length === 0 ? undefined : writtenIn(given))
  return ([value], purse) => part(value, purse)
}
