/** Prints what test cases found: for a person, as JSON, or as JUnit XML for a CI server. */
import { fieldValue } from '../../lib/field-lines.ts'
import type { Paint } from '../../lib/paint.ts'
import { columns } from '../text/table.ts'
import type { TestCase } from './case-file.ts'
import type { Coverage } from './coverage.ts'
import type { Mismatch } from './mismatches.ts'
import type { CaseResult } from './run-cases.ts'

/** Holds the results of one file of cases, and names the configuration they were put to. */
export interface FileResult {
  readonly file: string
  readonly configFile: string
  readonly results: readonly CaseResult[]
}

/** Says how much of one configuration is covered by all the files that name it. */
interface ConfigCoverage {
  readonly configFile: string
  /** Files that the configuration includes. */
  readonly included: readonly string[]
  readonly coverage: Coverage
}

export interface TestReport {
  readonly files: readonly FileResult[]
  readonly coverages: readonly ConfigCoverage[]
}

export function isFailed({ mismatches }: CaseResult): boolean {
  return mismatches.length > 0
}

export function testText({ files, coverages }: TestReport, paint: Paint): string {
  const all = files.flatMap(({ results }) => results)
  const failed = all.filter(isFailed).length
  const verdict =
    failed === 0
      ? paint('green', `${all.length} passed`)
      : `${paint('red', `${failed} failed`)}, ${all.length - failed} passed`
  const blocks = [
    ...files.map(file => fileText(file, paint)),
    ...coverages.map(each => coverageText(each, paint)),
    verdict,
  ]
  return `${blocks.join('\n\n')}\n`
}

function fileText({ file, configFile, results }: FileResult, paint: Paint): string {
  const rows = columns(
    results.map(result => [
      isFailed(result) ? paint('red', 'FAIL') : paint('green', 'ok  '),
      result.test.name,
      requestText(result.test),
      decisionText(result),
    ]),
  )
  const lines = results.flatMap((result, index) => [`  ${rows[index]}`, ...diffLines(result, file, paint)])
  return [`${paint('bold', file)} (${configFile})`, ...lines].join('\n')
}

/** Says also which of several requests was the first to be refused, where that was not the last one. */
function decisionText({ decision, firstRefused, test: { repeat } }: CaseResult): string {
  return firstRefused === undefined || firstRefused === repeat ? decision : `${decision} from number ${firstRefused} on`
}

/** Names what the request is about besides its path: the tool that it calls, or what a page has in mind. */
function requestText({ request, message, isPreflight, repeat }: TestCase): string {
  const { method, target, rawHeaders } = request
  const meant = isPreflight ? ` for ${fieldValue(rawHeaders, 'access-control-request-method')}` : ''
  return `${method} ${target}${meant}${message === undefined ? '' : ` ${message.tool ?? message.method}`}${repeat === undefined ? '' : `, ${repeat} times`}`
}

function diffLines(result: CaseResult, file: string, paint: Paint): readonly string[] {
  if (!isFailed(result)) return []
  const rows = columns(
    result.mismatches.flatMap(mismatch =>
      mismatch.hasNoEffect === true
        ? [[mismatch.what, paint('red', lackText(mismatch))]]
        : [
            [mismatch.what, paint('red', `- ${mismatch.expected}`)],
            ['', paint('green', `+ ${mismatch.actual}`)],
          ],
    ),
  )
  return [
    `       ${paint('dim', `${file}:${result.test.line}`)}`,
    ...rows.map(row => `       ${row}`),
    ...(result.reason === undefined ? [] : [`       because: ${result.reason}`]),
  ]
}

/** What the configuration lacks is no value that came out, so it is no difference between two. */
function lackText({ expected }: Mismatch): string {
  return `has no effect: it needs ${expected}`
}

function mismatchText(mismatch: Mismatch): string {
  const { what, expected, actual, hasNoEffect } = mismatch
  return `${what}: ${hasNoEffect === true ? lackText(mismatch) : `expected ${expected}, got ${actual}`}`
}

function coverageText({ configFile, coverage }: ConfigCoverage, paint: Paint): string {
  const rows = coverage.routes.map(({ route, cases, allowed, refused, items }) => {
    const covered = items.filter(({ state }) => state === 'covered').length
    return [route, String(cases), String(allowed), String(refused), `${covered}/${items.length}`]
  })
  const untested = coverage.routes.flatMap(({ route, items }) =>
    items.filter(({ state }) => state === 'untested').map(({ item }) => [route, item]),
  )
  const percent = paint(untested.length === 0 ? 'green' : 'yellow', `${coverage.percent}%`)
  return [
    `${paint('bold', `Coverage of ${configFile}`)}: ${percent} (${coverage.covered} of ${coverage.total})`,
    ...columns([['ROUTE', 'CASES', 'ALLOWED', 'REFUSED', 'COVERED'], ...rows]).map(row => `  ${row}`),
    ...(untested.length === 0 ? [] : ['Never tested', ...columns(untested).map(row => `  ${row}`)]),
  ].join('\n')
}

export function testJson({ files, coverages }: TestReport): string {
  const document = {
    files: files.map(({ file, configFile, results }) => ({
      file,
      config: configFile,
      tests: results.map(result => ({
        name: result.test.name,
        line: result.test.line,
        request: `${result.test.request.method} ${result.test.request.target}`,
        passed: !isFailed(result),
        route: result.route,
        decision: result.decision,
        firstRefused: result.firstRefused,
        reason: result.reason,
        mismatches: result.mismatches,
      })),
    })),
    coverage: coverages.map(({ configFile, coverage }) => ({ config: configFile, ...coverage })),
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

/** Writes the JUnit XML that CI servers read: each file becomes a suite, each case a test. */
export function testJunit({ files }: TestReport): string {
  const suites = files.map(({ file, results }) => {
    const cases = results.map(result => {
      const { name, line } = result.test
      const head = `    <testcase classname="${xml(file)}" name="${xml(name)}" file="${xml(file)}" line="${line}"`
      if (!isFailed(result)) return `${head}/>`
      const diff = result.mismatches.map(mismatchText)
      const reason = result.reason === undefined ? [] : [`because: ${result.reason}`]
      const [first = ''] = diff
      const failure = `      <failure message="${xml(first)}">${xml([...diff, ...reason].join('\n'))}</failure>`
      return `${head}>\n${failure}\n    </testcase>`
    })
    const counts = `tests="${results.length}" failures="${results.filter(isFailed).length}" errors="0"`
    return [`  <testsuite name="${xml(file)}" ${counts}>`, ...cases, '  </testsuite>'].join('\n')
  })
  return ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites>', ...suites, '</testsuites>', ''].join('\n')
}

/** XML 1.0 §2.2: most control characters cannot be in a document, not even escaped. */
function xml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/(?![\t\n\r])\p{Cc}|[\ufffe\uffff]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;')
}
