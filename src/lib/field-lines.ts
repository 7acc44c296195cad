/**
 * Reads fields from flat header lines: name, value, name, value, as Node's `rawHeaders` has them.
 */

/**
 * It is for code that runs once in a while. Loops that look at every line of every request stay loops.
 *
 * @returns the first value of the field, or undefined when no line has this name
 */
export function fieldValue(lines: readonly string[], lowerCaseName: string): string | undefined {
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i]?.toLowerCase() === lowerCaseName) return lines[i + 1]
  }
  return undefined
}

/** @returns the values of all lines of the field, in their order */
export function fieldValues(lines: readonly string[], lowerCaseName: string): readonly string[] {
  return lines.filter((_, i) => i % 2 === 1 && lines[i - 1]?.toLowerCase() === lowerCaseName)
}

/** @returns the members of a list (RFC 9110 §5.6.1) in lower case, without their parameters */
export function listMembers(lines: readonly string[], lowerCaseName: string): readonly string[] {
  return fieldValues(lines, lowerCaseName)
    .flatMap(value => value.split(','))
    .map(member => (member.split(';', 1)[0] as string).trim().toLowerCase())
}

/** Is true for a value that begins or ends with a blank or a tab (RFC 9110 §5.5). */
export function hasOuterBlanks(value: string): boolean {
  return isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1))
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Matches what no value of a field may have (RFC 9110 §5.5). Octets past ASCII (obs-text) may stand in one. */
const notInValue = /[^\t\x20-\x7e\x80-\xff]/

/** @param text one character per octet */
export function isFieldValue(text: string): boolean {
  return !notInValue.test(text)
}
