/** Takes README.md apart as far as tests need it: fenced blocks, tables by their header, headings, links. */
import { readFileSync } from 'node:fs'

export interface Block {
  /** What stands behind the opening fence: `yaml`, `yaml fragment`. */
  readonly info: string
  readonly text: string
}

export interface Table {
  /** The heading above it, without its hashes. */
  readonly heading: string
  readonly header: readonly string[]
  readonly rows: ReadonlyArray<readonly string[]>
}

export interface Markdown {
  readonly blocks: readonly Block[]
  readonly tables: readonly Table[]
  readonly headings: readonly string[]
  /** Targets of links. */
  readonly links: readonly string[]
}

function readMarkdown(file: URL): Markdown {
  const text = readFileSync(file, 'utf8')
  const blocks = [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', body = '']) => ({
    info,
    text: body,
  }))
  const prose = text.replaceAll(/^```.*\n[\s\S]*?^```$/gm, '')
  return {
    blocks,
    tables: tablesOf(prose),
    headings: [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading),
    links: [...prose.matchAll(/\]\(([^)]*)\)/g)].map(([, target = '']) => target),
  }
}

export const README = readMarkdown(new URL('../../README.md', import.meta.url))

/** The one table of README.md whose header begins so. */
export function tableOf(...header: readonly string[]): Table {
  const [table, ...others] = README.tables.filter(each => header.every((cell, column) => each.header[column] === cell))
  if (table === undefined || others.length > 0) throw new Error(`no one table begins with ${header.join(', ')}`)
  return table
}

/** As GitHub makes it of a heading. */
export function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}

/** The text of a cell without its backticks; `—` is nothing. */
export function plain(cell: string): string | undefined {
  return cell === '—' || cell === '' ? undefined : cell.replaceAll('`', '')
}

/** What stands in backticks in a cell. */
export function codes(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
}

function tablesOf(prose: string): readonly Table[] {
  const tables: Array<{ heading: string; header: readonly string[]; rows: string[][] }> = []
  let heading = ''
  let table: (typeof tables)[number] | undefined
  for (const line of prose.split('\n')) {
    if (line.startsWith('#')) heading = line.replace(/^#+ /, '').replaceAll('`', '')
    if (!line.startsWith('|')) table = undefined
    else if (table === undefined) {
      table = { heading, header: cells(line), rows: [] }
      tables.push(table)
    } else if (!/^\|[-|]+\|$/.test(line)) table.rows.push(cells(line))
  }
  return tables
}

function cells(line: string): string[] {
  return line
    .replace(/^\| ?| ?\|$/g, '')
    .split(/ ?\| ?/)
    .map(cell => cell.trim())
}
