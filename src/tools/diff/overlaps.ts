/**
 * Finds the patterns of paths that several routes fit: `/a/:x` and `/:y/b` overlap in `/a/b`.
 *
 * With the patterns themselves they are all the cases that routing can tell apart, so trying each once tries them all.
 */

/** More patterns would be tried for minutes; routes that overlap so much are nobody's. */
const MAX_PATTERNS = 20_000

/**
 * The shapes of the patterns and of all their overlaps, each once; parameters are named `:_`.
 *
 * @throws {RangeError} the routes overlap in too many ways
 */
export function withOverlaps(patterns: readonly string[]): readonly string[] {
  const shapes = new Set(patterns.map(pattern => pattern.replaceAll(/\/:[^/]+/g, '/:_')))
  const originals = [...shapes]
  // A Set's iteration also visits what is added on the way: this is the closure.
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
  // As long as the longer one: whether anything may follow is up to both.
  const isSubtree = longer.isSubtree && shorter.isSubtree
  return `/${segments.join('/')}${isSubtree ? '/**' : ''}`.replace(/^\/\/\*\*$/, '/**')
}

/** Beyond a `/**`, which also takes an empty segment. */
const ANYTHING = '**'
const PARAMETER = ':_'

function segmentsOf(shape: string): { readonly segments: readonly string[]; readonly isSubtree: boolean } {
  const isSubtree = shape.endsWith('/**')
  const prefix = isSubtree ? shape.slice(0, -'/**'.length) : shape
  return { segments: prefix === '' ? [] : prefix.slice(1).split('/'), isSubtree }
}

/** A parameter takes no empty segment. */
function commonSegment(one: string, other: string): string | undefined {
  if (one === other || other === ANYTHING) return one
  if (one === PARAMETER) return other === '' ? undefined : other
  if (other === PARAMETER) return one === '' ? undefined : one
  return undefined
}
