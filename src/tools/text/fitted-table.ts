/**
 * Lines cells up in columns that fit a terminal. The last column is wrapped at blanks; where that leaves it too little
 * room, it goes on a line of its own. A word is never broken, so that URLs and ids can be copied.
 */
import { columns, widthOf } from './table.ts'

const GAP = 2
/** Narrower than this, a column of words cannot be read. */
const LEAST_COLUMN = 16
const INDENT = 4

/** @returns lines without their ends */
export function fittedTable(rows: ReadonlyArray<readonly string[]>, width: number): readonly string[] {
  const isFitting = columns(rows).every(line => widthOf(line) <= width)
  if (isFitting) return columns(rows)
  const heads = columns(rows.map(row => [...row.slice(0, -1), '|'])).map(line => line.slice(0, -1))
  const left = widthOf(heads[0] ?? '')
  const room = width - left
  return rows.flatMap((row, index) => {
    const head = heads[index] ?? ''
    const last = row.at(-1) ?? ''
    if (room >= LEAST_COLUMN) return wrapped(last, room).map((line, at) => (at === 0 ? head : ' '.repeat(left)) + line)
    const alone = wrapped(last, width - INDENT).map(line => ' '.repeat(INDENT) + line)
    const above = left <= width ? [head.trimEnd()] : narrowed(row.slice(0, -1), width)
    return [...above, ...(last === '' || last === '-' ? [] : alone)]
  })
}

/** Puts cells that do not fit one line below each other. */
function narrowed(cells: readonly string[], width: number): readonly string[] {
  const line = cells.join(' '.repeat(GAP))
  return widthOf(line) <= width ? [line] : cells
}

/** Breaks a text at blanks; a word that is longer than the width has a line of its own. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
