/**
 * Compares what a setting says before and after: which of the two lets more through, and in what.
 *
 * Every block of the configuration has a table of {@link Comparisons} with a row for each of its keys, so the compiler
 * asks how a new key compares. A key that decides nothing about who gets in says so with {@link noMatter}.
 *
 * Everything that can be asked is positive, so a longer "all of" is tighter and a longer "any of" is looser. Where each
 * side lets something through that the other does not, the difference is a change with a witness. A comparison that
 * cannot be sure says "loosened".
 */
import { isDeepStrictEqual } from 'node:util'
import { durationText, sizeText } from '../../config/schema/units.ts'

export type Direction = 'loosened' | 'tightened' | 'changed'

export interface Difference {
  readonly direction: Direction
  readonly text: string
  /** It says of a change that lets something in that did not get in before what that is. */
  readonly witness?: string
}

export interface Pair<T> {
  readonly before: T
  readonly after: T
}

/**
 * Compares the values of one key.
 *
 * @param name of the key, as the difference shows it
 * @param around the block of the key and what surrounds it, for keys whose default is elsewhere
 */
export type Compare<Value, Around = unknown> = (
  name: string,
  before: Value,
  after: Value,
  around: Pair<Around>,
) => readonly Difference[]

/** Holds how each key of a block compares. */
export type Comparisons<Block, Around = unknown> = {
  readonly [Key in keyof Block]-?: Compare<Block[Key], Around>
}

/** Lists the differences of two blocks in the order of the table. @param prefix of the names of the keys */
export function differencesOf<Block, Around>(
  comparisons: Comparisons<Block, Around>,
  before: Block,
  after: Block,
  around: Pair<Around>,
  prefix = '',
): readonly Difference[] {
  const keys = Object.keys(comparisons) as (keyof Block & string)[]
  return keys.flatMap(key => comparisons[key](`${prefix}${key}`, before[key], after[key], around))
}

/** Finds no difference in a key that lets nobody in and keeps nobody out. @param _reason is for readers of the table */
export function noMatter(_reason: string): () => readonly never[] {
  return () => []
}

/** Compares values that have no order: another one lets other requests through, which are its witness. */
export function another(name: string, before: unknown, after: unknown): readonly Difference[] {
  if (isDeepStrictEqual(before, after)) return []
  return [{ direction: 'changed', text: `${name} is another`, witness: `what fits ${name}: ${shortened(after)}` }]
}

/** Compares values that decide how or when something is done, and not for whom. */
export function otherwise(name: string, before: unknown, after: unknown): readonly Difference[] {
  return isDeepStrictEqual(before, after) ? [] : [{ direction: 'changed', text: `${name} is another` }]
}

const MAX_SHOWN = 80

function shortened(value: unknown): string {
  const text = value === undefined ? 'the default' : typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}

/** Compares values of which there are a few. @param strictness of each value: the larger it is, the fewer get in */
export function ranked<Value extends string | boolean>(
  strictness: Readonly<Record<`${Value}`, number>>,
): Compare<Value> {
  return (name, before, after) => {
    if (before === after) return []
    const isTighter = strictness[`${after}`] > strictness[`${before}`]
    return [{ direction: isTighter ? 'tightened' : 'loosened', text: `${name}: ${before} → ${after}` }]
  }
}

/** Compares upper bounds: a larger one is looser, and undefined is no bound at all. */
export function limit(name: string, before: number | undefined, after: number | undefined): readonly Difference[] {
  return shownLimit(name, before, after, String)
}

/** Compares upper bounds that are durations, and shows them as the configuration has them. */
export function limitMs(name: string, before: number | undefined, after: number | undefined): readonly Difference[] {
  return shownLimit(name, before, after, durationText)
}

/** Compares upper bounds that are sizes, and shows them as the configuration has them. */
export function limitBytes(name: string, before: number | undefined, after: number | undefined): readonly Difference[] {
  return shownLimit(name, before, after, sizeText)
}

function shownLimit(
  name: string,
  before: number | undefined,
  after: number | undefined,
  text: (bound: number) => string,
): readonly Difference[] {
  if (before === after) return []
  const isLooser = (after ?? Number.POSITIVE_INFINITY) > (before ?? Number.POSITIVE_INFINITY)
  const [from, to] = [before, after].map(bound => (bound === undefined ? 'any' : text(bound)))
  return [{ direction: isLooser ? 'loosened' : 'tightened', text: `${name}: ${from} → ${to}` }]
}

/** Compares lists of which every member is asked for. */
export function allOf<T>(name: string, before: readonly T[], after: readonly T[]): readonly Difference[] {
  return [
    ...without(after, before).map(value => ({ direction: 'tightened' as const, text: `${name}: also ${value}` })),
    ...without(before, after).map(value => ({ direction: 'loosened' as const, text: `${name}: no longer ${value}` })),
  ]
}

/** Compares lists of which every member is told, and which let nobody in. */
export function told<T>(name: string, before: readonly T[] = [], after: readonly T[] = []): readonly Difference[] {
  return allOf(name, before, after).map(({ text }) => ({ direction: 'changed', text }))
}

/** Compares lists of which any member will do. */
export function anyOf<T>(name: string, before: readonly T[], after: readonly T[]): readonly Difference[] {
  return [
    ...without(after, before).map(value => ({ direction: 'loosened' as const, text: `${name}: or ${value}` })),
    ...without(before, after).map(value => ({
      direction: 'tightened' as const,
      text: `${name}: not ${value} any more`,
    })),
  ]
}

/** Compares lists of which any member will do; where the list is undefined, anything will. */
export function anyOfOrAnything<T>(
  name: string,
  before: readonly T[] | undefined,
  after: readonly T[] | undefined,
): readonly Difference[] {
  if (before !== undefined && after !== undefined) return anyOf(name, before, after)
  if (before === after) return []
  return before === undefined
    ? [{ direction: 'tightened', text: `${name}: only ${after?.join(', ')}` }]
    : [{ direction: 'loosened', text: `${name}: any, not only ${before.join(', ')}` }]
}

/** Compares demands that are not made where their key is left out. @param text says what is wanted */
export function asked<Wanted>(compare: Compare<Wanted>, text: (wanted: Wanted) => string): Compare<Wanted | undefined> {
  return (name, before, after, around) => {
    if (before !== undefined && after !== undefined) return compare(name, before, after, around)
    if (after !== undefined) return [{ direction: 'tightened', text: `now asks for ${name}: ${text(after)}` }]
    return before === undefined ? [] : [{ direction: 'loosened', text: `no longer asks for ${name}: ${text(before)}` }]
  }
}

function without<T>(values: readonly T[], others: readonly T[]): readonly T[] {
  return values.filter(value => !others.includes(value))
}
