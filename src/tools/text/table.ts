/** Lines cells up in columns that are two blanks apart. Escape sequences of colours take no room. */
import { stripVTControlCharacters } from 'node:util'

export function columns(rows: ReadonlyArray<readonly string[]>): readonly string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(cell))
  return rows.map(row =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)),
      )
      .join('  ')
      .trimEnd(),
  )
}

/** How many columns of a terminal a text takes. */
export function widthOf(cell: string): number {
  return [...stripVTControlCharacters(cell)].length
}
