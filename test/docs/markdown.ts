/**
 * Reads every document of the project as far as tests need it: fenced blocks, tables by their header, headings, links.
 */
import { globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'

export const ROOT = new URL('../../', import.meta.url)

export interface Block {
  /** The document that shows it. */
  readonly document: string
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

export interface Heading {
  /** 1 for `#`. */
  readonly level: number
  readonly text: string
}

export interface Document {
  /** From the root of the project: `config/README.md`. */
  readonly path: string
  readonly text: string
  readonly blocks: readonly Block[]
  readonly tables: readonly Table[]
  readonly headings: readonly Heading[]
  /** Targets of links, as written. */
  readonly links: readonly string[]
  /** What stands in backticks outside of fenced blocks. */
  readonly codes: readonly string[]
}

/** Every document, the tables that the benchmark writes included. */
export const DOCUMENTS: readonly Document[] = globSync('**/*.md', {
  cwd: ROOT,
  exclude: name => name === 'node_modules' || name === 'dist',
})
  .map(path => path.replaceAll('\\', '/'))
  .toSorted()
  .map(readDocument)

export const README = documentAt('README.md')

export function documentAt(path: string): Document {
  const document = DOCUMENTS.find(each => each.path === path)
  if (document === undefined) throw new Error(`there is no document ${path}`)
  return document
}

/** The blocks of all documents that open so. */
export function blocksOf(info: string): readonly Block[] {
  const found = DOCUMENTS.flatMap(({ blocks }) => blocks).filter(block => block.info === info)
  if (found.length === 0) throw new Error(`there is no block of ${info}`)
  return found
}

/** The one table of all documents whose header begins so. */
export function tableOf(...header: readonly string[]): Table {
  const [table, ...others] = DOCUMENTS.flatMap(({ tables }) => tables).filter(each =>
    header.every((cell, column) => each.header[column] === cell),
  )
  if (table === undefined || others.length > 0) throw new Error(`no one table begins with ${header.join(', ')}`)
  return table
}

/** Where a link of a document leads: a path from the root of the project, and the anchor behind it, if there is one. */
export function targetOf({ path }: Document, link: string): { readonly path: string; readonly anchor?: string } {
  const [file = '', anchor] = link.split('#')
  return {
    path: file === '' ? path : posix.join(posix.dirname(path), file),
    ...(anchor === undefined ? {} : { anchor }),
  }
}

export function isInternal(link: string): boolean {
  return !/^[a-z]+:/.test(link)
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

/** What stands in backticks in a text. */
export function codes(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replaceAll('\n', ' '))
}

function readDocument(path: string): Document {
  const text = readFileSync(new URL(path, ROOT), 'utf8')
  const blocks = [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', body = '']) => ({
    document: path,
    info,
    text: body,
  }))
  const prose = text.replaceAll(/^```.*\n[\s\S]*?^```$/gm, '')
  return {
    path,
    text,
    blocks,
    tables: tablesOf(prose),
    headings: [...prose.matchAll(/^(#+) (.*)$/gm)].map(([, hashes = '', heading = '']) => ({
      level: hashes.length,
      text: heading,
    })),
    links: [...prose.matchAll(/\]\(([^)]*)\)/g)].map(([, target = '']) => target),
    codes: codes(prose),
  }
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
