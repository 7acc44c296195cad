/**
 * Finds scopes that differ by a slip of the keyboard: `order:read` beside `orders:read`.
 *
 * RFC 6749 §3.3 says that scopes are opaque, but by convention they have parts. Two scopes look like a slip when they
 * differ in one part; parts that are short, or differ in digits only (`v1`, `v2`), are taken to differ on purpose.
 */
import { nearest } from '../../config/schema/suggest.ts'

/** A shorter word is similar to too many others. */
const SHORTEST_PART = 4

export function similarScopes(scope: string, others: Iterable<string>): readonly string[] {
  return [...others].filter(other => other !== scope && isSlip(scope, other))
}

function isSlip(one: string, other: string): boolean {
  if (withoutCaseAndSeparators(one) === withoutCaseAndSeparators(other)) return true
  const parts = one.split(/[:./_-]/)
  const otherParts = other.split(/[:./_-]/)
  if (parts.length !== otherParts.length) return false
  const differing = parts.flatMap((part, at) =>
    part === otherParts[at] ? [] : [[part, otherParts[at] ?? ''] as const],
  )
  const [first] = differing
  if (first === undefined || differing.length > 1) return false
  const [part, otherPart] = first
  if (Math.min(part.length, otherPart.length) < SHORTEST_PART) return false
  if (part.replaceAll(/\d/g, '') === otherPart.replaceAll(/\d/g, '')) return false
  return nearest(part, [otherPart]) !== undefined
}

function withoutCaseAndSeparators(scope: string): string {
  return scope.toLowerCase().replaceAll(/[:./_-]/g, '')
}
