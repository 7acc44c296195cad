/** Reads headers for a collector from a file: `Name: value` a line (RFC 9110 §5.1, §5.5). No value is repeated. */
import { isToken } from './field-name.ts'

/** Continues a sentence about the file. */
export function headerLinesProblem(text: string): string | undefined {
  const lines = linesOf(text)
  if (lines.length === 0) return 'is empty; write a header a line, like `Name: value`, or leave the key out'
  for (const [number, line] of lines) {
    const [name, value] = split(line)
    if (!isToken(name)) return `has no header on line ${number}; write \`Name: value\``
    if (value === '') return `has a header without a value on line ${number}`
    if (!FIELD_VALUE.test(value)) return `has a character on line ${number} that no header may have`
    if (OWN.has(name.toLowerCase())) return `has a header on line ${number} that the gateway writes itself`
  }
  return undefined
}

/** @param text a good one */
export function headerLines(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(linesOf(text).map(([, line]) => split(line)))
}

const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/
const OWN: ReadonlySet<string> = new Set([
  ...['host', 'content-type', 'content-length', 'content-encoding', 'transfer-encoding', 'connection', 'user-agent'],
])

function linesOf(text: string): ReadonlyArray<readonly [number: number, line: string]> {
  return text.split(/\r?\n/).flatMap((line, index) => (line.trim() === '' ? [] : [[index + 1, line] as const]))
}

function split(line: string): readonly [name: string, value: string] {
  const colon = line.indexOf(':')
  return colon === -1 ? ['', ''] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
}
