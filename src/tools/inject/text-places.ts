/** Finds places in a text of YAML, in characters from 0: lines, columns, and where a value begins and ends. */
import { isCollection, type Node, type Pair } from 'yaml'

export function startOf(node: Node): number {
  return node.range?.[0] ?? 0
}

/** Where a node ends, without comments and blank lines behind it. */
export function contentEnd(node: Node): number {
  const end = node.range?.[1] ?? 0
  if (!isCollection(node) || node.flow === true) return end
  const last = node.items.at(-1) as Node | Pair<Node, Node | null> | undefined
  if (last === undefined) return end
  return 'key' in last ? contentEnd(last.value ?? last.key) : contentEnd(last)
}

export function isDashBefore(text: string, offset: number): boolean {
  return /^\s*(?:- +)+$/.test(text.slice(lineStart(text, offset), offset))
}

export function isComment(line: string): boolean {
  return line.trimStart().startsWith('#')
}

export function nextLine(text: string, offset: number): number {
  const end = text.indexOf('\n', offset)
  return end === -1 ? text.length : end + 1
}

export function lineEndAt(text: string, offset: number): number {
  const next = nextLine(text, offset)
  return withoutLineEnd(text, next)
}

export function withoutLineEnd(text: string, offset: number): number {
  let end = offset
  while (end > 0 && /[\r\n]/.test(text[end - 1] ?? '')) end -= 1
  return end
}

/** @returns how many columns stand left of a place in its line */
export function columnAt(text: string, offset: number): number {
  return offset - lineStart(text, offset)
}

/** @returns where the line of a place begins, behind the mark at the beginning of the text if there is one */
export function lineStart(text: string, offset: number): number {
  const start = offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1
  return start === 0 && text.startsWith('\uFEFF') ? 1 : start
}
