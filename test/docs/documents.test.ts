/**
 * Holds the documents to each other and to the files of the project: links, tables of contents, file names, metrics.
 */
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { DENIAL_CODES } from '../../src/errors.ts'
import { createMetrics } from '../../src/telemetry/metrics/metrics.ts'
import {
  anchor,
  codes,
  DOCUMENTS,
  type Document,
  documentAt,
  isInternal,
  README,
  ROOT,
  tableOf,
  targetOf,
} from './markdown.ts'

const MOST_LINES_OF_README = 310

/** Kinds of fenced blocks that a test of this folder tries. */
const TRIED = [
  ...['yaml', 'yaml fragment', 'yaml broken', 'yaml cases', 'yaml entries', 'yaml try'],
  ...['console', 'sh', 'http', 'json', 'log', 'promql', 'ts', 'js', 'yaml guard'],
]
/** The functions of the `ts` block once more, for services in these languages, and pictures. No test runs them. */
const NOT_TRIED = ['python', 'go', 'text']

test(`README.md has at most ${MOST_LINES_OF_README} lines`, () => {
  expect(README.text.trimEnd().split('\n').length).toBeLessThanOrEqual(MOST_LINES_OF_README)
})

test('every document can be reached from README.md by links', () => {
  const reached = new Set([README.path])
  // A Set's iteration also visits what is added on the way.
  for (const path of reached) {
    const targets = documentAt(path)
      .links.filter(isInternal)
      .map(link => targetOf(documentAt(path), link).path)
    for (const target of targets) if (DOCUMENTS.some(each => each.path === target)) reached.add(target)
  }
  expect([...reached].toSorted()).toEqual(DOCUMENTS.map(({ path }) => path))
})

describe.each(DOCUMENTS)('$path', document => {
  test('has links that lead somewhere', () => {
    expect(document.links.filter(isInternal).filter(link => !leadsSomewhere(document, link))).toEqual([])
  })

  test('names files that exist', () => {
    const named = document.codes.filter(code => /^(?:src|test|bench|config|k8s)\/[\w./-]+$/.test(code))
    expect(named.filter(path => !existsSync(new URL(path, ROOT)) && !isWrittenByTools(path))).toEqual([])
  })

  test('names metrics that are registered', () => {
    const named = [...document.text.matchAll(/(?<!:)\bsallyport_[a-z_]+[a-z]/g)].map(([name]) => name)
    expect(
      named.filter(name => !METRICS.has(name) && !METRICS.has(name.replace(/_(?:bucket|sum|count)$/, ''))),
    ).toEqual([])
  })

  test('shows no kind of example that no test tries', () => {
    for (const { info } of document.blocks) expect([...TRIED, ...NOT_TRIED]).toContain(info)
  })
})

/** What the benchmark writes has lines of its own width. */
test.each(DOCUMENTS.filter(({ path }) => !path.startsWith('bench/results/')))(
  '$path has prose and pictures of at most 120 columns',
  ({ text }) => {
    const written = text.replaceAll(/^```(?!text$).*\n[\s\S]*?^```$/gm, '')
    const lines = written.split('\n').filter(line => !line.startsWith('|'))
    expect(lines.filter(line => [...line].length > 120)).toEqual([])
  },
)

test.each([
  'config/README.md',
  'config/proof-of-possession.md',
  'config/introspection.md',
  'config/browsers.md',
  'config/rate-limits.md',
  'config/sessions.md',
  'config/mcp.md',
  'config/encrypted-tokens.md',
  'k8s/README.md',
  'bench/README.md',
  'CONTRIBUTING.md',
])('the table of contents of %s has its sections and their subsections, in order', path => {
  const { text, headings } = documentAt(path)
  const listed = [...text.matchAll(/^( *)- \[.*\]\(#(.*)\)$/gm)].map(([, indent = '', target]) => ({
    level: indent.length / 2 + 2,
    anchor: target,
  }))
  const sections = headings.filter(({ level }) => level === 2 || level === 3)
  expect(listed).toEqual(sections.map(heading => ({ level: heading.level, anchor: anchor(heading.text) })))
})

test('the log lines that are shown are JSON, and a request has no field that is not listed', () => {
  const listed = new Set(tableOf('Field').rows.flatMap(([names = '']) => codes(names)))
  const blocks = DOCUMENTS.flatMap(document => document.blocks).filter(({ info }) => info === 'json')
  const lines = blocks.flatMap(({ text }) => (text.startsWith('{"') ? text.trim().split('\n') : []))
  expect(lines).not.toEqual([])
  for (const block of blocks) if (!block.text.startsWith('{"')) JSON.parse(block.text)
  for (const line of lines) {
    const fields = Object.keys(JSON.parse(line))
    if (fields.includes('request_id')) expect(fields.filter(field => !listed.has(field))).toEqual([])
  }
})

test('the lines for people that are shown look as the log writes them', () => {
  const blocks = DOCUMENTS.flatMap(document => document.blocks).filter(({ info }) => info === 'log')
  const lines = blocks.flatMap(({ text }) => text.trim().split('\n'))
  expect(lines).not.toEqual([])
  for (const line of lines) {
    const [, level = '', rest = ''] = /^\d\d:\d\d:\d\d\.\d{3} ([A-Z]+) +(.*)$/.exec(line) ?? []
    expect(['INFO', 'WARN', 'ERROR'], line).toContain(level)
    const [, code] = /^\d{3} (\w+) [A-Z]+ \/\S* .* id=[\da-f]+…?$/.exec(rest) ?? []
    if (/^\d/.test(rest)) expect([...DENIAL_CODES, 'ok'], line).toContain(code)
  }
})

/** What is registered under `sallyport_`, as Prometheus names it. */
const METRICS = new Set(
  createMetrics({ version: '0', node: '0', cacheResults: [], fetchResults: [] })
    .registry.getMetricsAsArray()
    .map(({ name }) => name),
)

function leadsSomewhere(document: Document, link: string): boolean {
  const target = targetOf(document, link)
  if (target.path.startsWith('..') || !existsSync(new URL(target.path, ROOT))) return false
  if (target.anchor === undefined) return true
  const headings = DOCUMENTS.find(({ path }) => path === target.path)?.headings ?? []
  // Of two headings that are alike a link would reach the first one only.
  return headings.filter(({ text }) => anchor(text) === target.anchor).length === 1
}

/** The benchmark makes the folder of its results. */
function isWrittenByTools(path: string): boolean {
  return path === 'bench/results/'
}
