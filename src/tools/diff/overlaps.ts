/**
 * Finds the patterns of paths that several routes fit: `/a/:x` and `/:y/b` overlap in `/a/b`.
 *
 * The patterns of the routes and their overlaps are together all the cases that routing can tell apart, so a comparison
 * that tries each of them once has tried everything.
 */

/** Trying more patterns would take minutes, and nobody has routes that overlap so much. */
const MAX_PATTERNS = 20_000

/**
 * Returns the shapes of the patterns and of all their overlaps, each once; every parameter is called `:_`.
 *
 * @throws {RangeError} the routes overlap in too many ways
 */
export function withOverlaps(patterns: readonly string[]): readonly string[] {
  const shapes = new Set(patterns.map(pattern => pattern.replaceAll(/\/:\w+/g, '/:_')))
  const originals = [...shapes]
  // The loop also visits the shapes that are added to the set on the way, so overlaps of overlaps are found, too.
  for (const shape of shapes)
    for (const other of originals) {
      const both = overlap(shape, other)
      if (both !== undefined) shapes.add(both)
      if (shapes.size > MAX_PATTERNS) throw new RangeError('the routes overlap in too many ways to compare them all')
    }
  return [...shapes]
}

function overlap(one: string, other: string): string | undefined {
  const [a, b] = [segmentsOf(one), segmentsOf(other)]
  const [longer, shorter] = a.segments.length >= b.segments.length ? [a, b] : [b, a]
  if (longer.segments.length > shorter.segments.length && !shorter.isSubtree) return undefined
  const segments = longer.segments.map((segment, depth) => commonSegment(segment, shorter.segments[depth] ?? ANYTHING))
  if (segments.includes(undefined)) return undefined
  // The overlap is as long as the longer of the two, and more segments may follow only where both allow it.
  const isSubtree = longer.isSubtree && shorter.isSubtree
  return `/${segments.join('/')}${isSubtree ? '/**' : ''}`.replace(/^\/\/\*\*$/, '/**')
}

/** Stands for a segment below a `/**`, which takes any segment and an empty one, too. */
const ANYTHING = '**'
const PARAMETER = ':_'

function segmentsOf(shape: string): { readonly segments: readonly string[]; readonly isSubtree: boolean } {
  const isSubtree = shape.endsWith('/**')
  const prefix = isSubtree ? shape.slice(0, -'/**'.length) : shape
  return { segments: prefix === '' ? [] : prefix.slice(1).split('/'), isSubtree }
}

/** Returns what both segments fit; a parameter does not fit an empty segment. */
function commonSegment(one: string, other: string): string | undefined {
  if (one === other || other === ANYTHING) return one
  if (isSuffixed(one) && isSuffixed(other)) return undefined
  if (isSuffixed(one) && other !== PARAMETER) return endsIn(other, one) ? other : undefined
  if (isSuffixed(other) && one !== PARAMETER) return endsIn(one, other) ? one : undefined
  if (one === PARAMETER) return other === '' ? undefined : other
  if (other === PARAMETER) return one === '' ? undefined : one
  return undefined
}

/** Is true for a parameter that ends in a word: `:_:verb`, `:_.json`. */
function isSuffixed(segment: string): boolean {
  return segment.startsWith(PARAMETER) && segment !== PARAMETER
}

function endsIn(literal: string, suffixed: string): boolean {
  const suffix = suffixed.slice(PARAMETER.length)
  return literal.length > suffix.length && literal.endsWith(suffix)
}
