/**
 * Counts with values of CEL: whole numbers, doubles, texts and times.
 *
 * CEL specification, "Arithmetic" and "Overflow". Whole numbers have 64 bits, and what needs more has no value. There
 * is no counting across types: `claims.level + 1` adds a whole number to a double, which the language refuses.
 */
import { instantAt, Span, spanFor } from './times.ts'

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%'

/** Stands for a value that is beyond what its type can hold. */
export const OVERFLOW: unique symbol = Symbol('overflow')

type Counting<T> = { readonly [Op in ArithmeticOperator]?: (one: T, other: T) => T }

const WHOLE: Counting<bigint> = {
  '+': (one, other) => one + other,
  '-': (one, other) => one - other,
  '*': (one, other) => one * other,
  // The fence lets no divisor of 0 pass.
  '/': (one, other) => one / other,
  '%': (one, other) => one % other,
}

const DOUBLE: Counting<number> = {
  '+': (one, other) => one + other,
  '-': (one, other) => one - other,
  '*': (one, other) => one * other,
  '/': (one, other) => one / other,
}

/** @returns undefined for what cannot be counted with */
export function counted(op: ArithmeticOperator, one: unknown, other: unknown): unknown {
  if (typeof one === 'number' && typeof other === 'number') return DOUBLE[op]?.(one, other)
  if (typeof one === 'bigint' && typeof other === 'bigint') return within64Bits(WHOLE[op]?.(one, other))
  if (op === '+') return sum(one, other)
  return op === '-' ? difference(one, other) : undefined
}

function within64Bits(value: bigint | undefined): unknown {
  return value === undefined || BigInt.asIntN(64, value) === value ? value : OVERFLOW
}

function sum(one: unknown, other: unknown): unknown {
  if (typeof one === 'string' && typeof other === 'string') return one + other
  if (one instanceof Date && other instanceof Span) return instantAt(one.getTime() + other.ms) ?? OVERFLOW
  if (one instanceof Span && other instanceof Date) return instantAt(one.ms + other.getTime()) ?? OVERFLOW
  return one instanceof Span && other instanceof Span ? (spanFor(one.ms + other.ms) ?? OVERFLOW) : undefined
}

function difference(one: unknown, other: unknown): unknown {
  if (one instanceof Date && other instanceof Date) return spanFor(one.getTime() - other.getTime()) ?? OVERFLOW
  if (one instanceof Date && other instanceof Span) return instantAt(one.getTime() - other.ms) ?? OVERFLOW
  return one instanceof Span && other instanceof Span ? (spanFor(one.ms - other.ms) ?? OVERFLOW) : undefined
}
