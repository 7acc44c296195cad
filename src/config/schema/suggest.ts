/**
 * Finds what was probably meant: the candidate that a slip of the keyboard turns into the word that was written, or the
 * one that the word abbreviates.
 *
 * The distance counts inserted, dropped, replaced and swapped neighbouring letters (optimal string alignment).
 */

/** Returns the nearest candidate, or `undefined` when none is near enough to be a likely slip. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  // No key or value of ours is so long, and the work grows with the product of both lengths.
  if (word.length > 64) return undefined
  const limit = word.length < 9 ? 1 : 2
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    const distance = fold(candidate) === fold(word) ? 0 : editDistance(fold(word), fold(candidate))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Returns a question like ` Did you mean "audiences"?`, or an empty text. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const candidate = nearest(word, candidates) ?? abbreviated(word, candidates)
  return candidate === undefined ? '' : ` Did you mean ${JSON.stringify(candidate)}?`
}

/** Returns the only candidate that begins with the word, as `certificate` does with `cert`. */
function abbreviated(word: string, candidates: Iterable<string>): string | undefined {
  if (fold(word).length < 3) return undefined
  const [candidate, ...more] = [...candidates].filter(each => fold(each).startsWith(fold(word)))
  return more.length === 0 ? candidate : undefined
}

/** Makes words equal that differ in case and separators only, the most frequent slip of all: `jwks_uri`, `JwksURI`. */
function fold(word: string): string {
  return word.toLowerCase().replaceAll(/[-_.]/g, '')
}

function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      let cost = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1))
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1])
        cost = Math.min(cost, at(beforeLast, column - 2) + 1)
      current.push(cost)
    }
    beforeLast = last
    last = current
  }
  return at(last, to.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
