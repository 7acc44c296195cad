/**
 * Writes a value as YAML or JSON in the manner of the text that it goes into: its indentation, its line ends, and
 * whether the items of a list stand further to the right than its name.
 *
 * Strings are quoted where YAML 1.1 or 1.2 would take them for something else, since readers of either are in use.
 */
import { type Document, isCollection, isMap, isSeq, type Node, stringify, visit } from 'yaml'
import { columnAt } from './text-places.ts'

interface TextStyle {
  readonly lineEnd: '\n' | '\r\n'
  /** How many columns a map stands to the right of the one around it. */
  readonly step: number
  /** How many columns a list stands to the right of its name. */
  readonly listStep: number
}

/** Looks at the first map within a map, and at the first list. */
export function styleOf(text: string, document: Document.Parsed): TextStyle {
  const column = (node: Node): number => columnAt(text, node.range?.[0] ?? 0)
  const { contents } = document
  let step = isMap(contents) && contents.flow === true ? flowStep(text, contents.range[0]) : undefined
  let listStep: number | undefined
  visit(document, {
    Map(_key, node) {
      if (node.flow === true) return visit.SKIP
      for (const { value } of node.items) {
        if (!isCollection(value) || value.flow === true || value.items.length === 0) continue
        const offset = column(value) - column(node)
        if (isMap(value)) step ??= offset
        if (isSeq(value)) listStep ??= offset
      }
      return step !== undefined && listStep !== undefined ? visit.BREAK : undefined
    },
  })
  return {
    lineEnd: text.includes('\r\n') ? '\r\n' : '\n',
    step: Math.max(step ?? 2, 1),
    listStep: Math.max(listStep ?? 2, 0),
  }
}

/**
 * Writes a value over as many lines as it takes, without the end of the last one.
 *
 * @param column where the lines after the first one begin
 */
export function blockText(value: unknown, column: number, style: TextStyle): string {
  return blockLines(value, style).join(style.lineEnd + ' '.repeat(column))
}

function blockLines(value: unknown, style: TextStyle): readonly string[] {
  if (isOneLine(value)) return [flowText(value)]
  if (Array.isArray(value)) {
    const items = value.map(item => blockLines(item, style))
    return items.flatMap(lines => lines.map((line, index) => (index === 0 ? '- ' : '  ') + line))
  }
  return Object.entries(value as object).flatMap(([name, member]) => {
    const key = flowText(name)
    if (isOneLine(member)) return [`${key}: ${flowText(member)}`]
    const margin = ' '.repeat(Array.isArray(member) ? style.listStep : style.step)
    return [`${key}:`, ...blockLines(member, style).map(line => margin + line)]
  })
}

/** Whether a value is a scalar, or has nothing in it. */
export function isOneLine(value: unknown): boolean {
  return typeof value !== 'object' || value === null || Object.keys(value).length === 0
}

/** Writes a value in one line, as in `{ name: data, emptyDir: {} }`. */
export function flowText(value: unknown): string {
  const isLong = typeof value === 'string' && value.includes('\n')
  return isLong
    ? JSON.stringify(value)
    : stringify(value, { version: '1.1', lineWidth: 0, collectionStyle: 'flow' }).trimEnd()
}

/** Writes a value as JSON. @param column where its own line begins; undefined where all of it stands in one */
export function jsonText(value: unknown, column: number | undefined, { lineEnd, step }: TextStyle): string {
  if (column === undefined) return JSON.stringify(value)
  return JSON.stringify(value, undefined, step)
    .split('\n')
    .join(lineEnd + ' '.repeat(column))
}

/** @returns undefined where the first member stands in the line of the brace */
function flowStep(text: string, offset: number): number | undefined {
  return /^\{\r?\n( +)/.exec(text.slice(offset))?.[1]?.length
}
