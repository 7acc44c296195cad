/**
 * Compares values of CEL, as JSON and the clock have them: texts, numbers, lists, blocks, times.
 *
 * CEL specification, "Values", "Equality" and "Ordering". A whole number that is written in an expression is a `bigint`
 * here, and every number of a claim is a double. Values of different types are different, and have no order. Whoever
 * asks pays for what a value is large (`work.ts`), and an answer that is not paid for counts for nothing.
 */
import { Span } from './times.ts'
import { PRICES_NS, type Purse } from './work.ts'

/** A block of JSON. What it is asked for counts only where it is its own. */
export type Block = Readonly<Record<string, unknown>>

export function isBlock(value: unknown): value is Block {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Span)
  )
}

export function isEqual(one: unknown, other: unknown, purse: Purse): boolean {
  if (typeof one === 'string') return typeof other === 'string' && areEqualTexts(one, other, purse)
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object')
    return isNumber(one) && isNumber(other) && orderOf(one, other) === 0
  if (one === null || other === null) return false
  if (Array.isArray(one)) return Array.isArray(other) && areEqual(one, other, purse)
  if (one instanceof Date) return other instanceof Date && one.getTime() === other.getTime()
  if (one instanceof Span) return other instanceof Span && one.ms === other.ms
  return isBlock(one) && isBlock(other) && haveEqualMembers(one, other, purse)
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function areEqualTexts(one: string, other: string, purse: Purse): boolean {
  if (one.length !== other.length) return false
  return isPaid(purse, one.length) && one === other
}

function areEqual(some: readonly unknown[], others: readonly unknown[], purse: Purse): boolean {
  if (!isPaid(purse, PRICES_NS.lists) || some.length !== others.length) return false
  return some.every((each, at) => isPaid(purse, PRICES_NS.element) && isEqual(each, others[at], purse))
}

function haveEqualMembers(one: Block, other: Block, purse: Purse): boolean {
  if (!isPaid(purse, PRICES_NS.blocks)) return false
  const names = namesIn(one, purse)
  if (names.length !== namesIn(other, purse).length) return false
  return names.every(name => Object.hasOwn(other, name) && isEqual(one[name], other[name], purse))
}

function isPaid(purse: Purse, priceNs: number): boolean {
  purse.leftNs -= priceNs
  return purse.leftNs >= 0
}

/** @returns a number below, at or above 0; undefined for what has no order */
export function order(one: unknown, other: unknown, purse: Purse): number | undefined {
  if (typeof one === 'string') return typeof other === 'string' ? orderOfTexts(one, other, purse) : undefined
  if (isNumber(one)) return isNumber(other) ? orderOf(one, other) : undefined
  if (typeof one === 'boolean') return typeof other === 'boolean' ? Number(one) - Number(other) : undefined
  if (one instanceof Date) return other instanceof Date ? one.getTime() - other.getTime() : undefined
  if (one instanceof Span) return other instanceof Span ? one.ms - other.ms : undefined
  return undefined
}

/** A `bigint` and a double are compared by what they are worth, without rounding. What is no number has no order. */
function orderOf(one: number | bigint, other: number | bigint): number {
  return one < other ? -1 : one > other ? 1 : one <= other ? 0 : Number.NaN
}

const [FIRST_SURROGATE, AFTER_SURROGATES] = [0xd800, 0xe000]

/** By code points, which is not the order of UTF-16 where one of two has characters beyond the first 65,536. */
function orderOfTexts(one: string, other: string, purse: Purse): number {
  const length = Math.min(one.length, other.length)
  if (!isPaid(purse, PRICES_NS.character * length)) return 0
  for (let at = 0; at < length; at++) {
    const [unit, otherUnit] = [one.charCodeAt(at), other.charCodeAt(at)]
    if (unit !== otherUnit) return rankOf(unit) - rankOf(otherUnit)
  }
  return one.length - other.length
}

/** Moves the halves of pairs behind all other code units. */
function rankOf(unit: number): number {
  if (unit < FIRST_SURROGATE) return unit
  return unit < AFTER_SURROGATES ? unit + 0x2000 : unit - 0x800
}

/** @returns undefined for what nothing can be in */
export function isIn(one: unknown, container: unknown, purse: Purse): boolean | undefined {
  if (Array.isArray(container))
    return isPaid(purse, PRICES_NS.element * container.length) && container.some(each => isEqual(each, one, purse))
  if (!isBlock(container)) return undefined
  return typeof one === 'string' && Object.hasOwn(container, one)
}

/** @returns the length in code points, elements or members; undefined for what has none */
export function sizeOf(value: unknown, purse: Purse): bigint | undefined {
  if (typeof value === 'string')
    return isPaid(purse, PRICES_NS.character * value.length) ? BigInt(codePointsIn(value)) : 0n
  if (Array.isArray(value)) return BigInt(value.length)
  return isBlock(value) ? BigInt(namesIn(value, purse).length) : undefined
}

/** @returns the names of the members of a block; none for who has nothing left, since they are paid for afterwards */
export function namesIn(block: Block, purse: Purse): readonly string[] {
  if (purse.leftNs < 0) return []
  const names = Object.keys(block)
  return isPaid(purse, PRICES_NS.member * names.length) ? names : []
}

function codePointsIn(text: string): number {
  let count = text.length
  for (let at = 1; at < text.length; at++)
    if (isHalf(text, at, 0xdc00) && isHalf(text, at - 1, FIRST_SURROGATE)) count--
  return count
}

/** Both halves of a pair have 1024 code units. */
function isHalf(text: string, at: number, from: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= from && unit < from + 0x400
}

/** A search for a few characters looks at each of them at every place. */
const MOST_SEARCHED = 7

export function contains(text: string, searched: string, purse: Purse): boolean {
  const perPlace = PRICES_NS.character * Math.min(searched.length, MOST_SEARCHED)
  return isPaid(purse, perPlace * text.length) && text.includes(searched)
}

/**
 * A whole number of a claim that is too large to be exact stands for all that were rounded to it, so its text would be
 * the id of somebody else.
 *
 * @returns the value as a text; undefined for what has none
 */
export function textOfValue(value: unknown): string | undefined {
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) return undefined
  return typeof value === 'string' || typeof value === 'boolean' || isNumber(value) ? String(value) : undefined
}
