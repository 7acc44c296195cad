/**
 * Reads one field from flat header lines: name, value, name, value, as Node's `rawHeaders` has them.
 *
 * It is for code that runs once in a while. Loops that look at every line of every request stay loops.
 */

/** @returns the first value of the field, or undefined when no line has this name */
export function fieldValue(lines: readonly string[], lowerCaseName: string): string | undefined {
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i]?.toLowerCase() === lowerCaseName) return lines[i + 1]
  }
  return undefined
}
