/** Prints what `sallyport doctor` found: for a person, a finding and its remedy a line each, or as JSON. */
import type { Paint } from '../../lib/paint.ts'
import { columns } from '../text/table.ts'
import { type Finding, OUTCOMES, type Outcome } from './finding.ts'

const STYLES: Readonly<Record<Outcome, Parameters<Paint>[0]>> = {
  ok: 'green',
  warn: 'yellow',
  fail: 'red',
  skipped: 'dim',
}

export function doctorText(findings: readonly Finding[], paint: Paint): string {
  const heads = columns(
    findings.map(({ outcome, check, subject, seen }) => [
      paint(STYLES[outcome], outcome),
      check,
      `${subject === undefined ? '' : `${subject}: `}${seen}`,
    ]),
  )
  const lines = findings.flatMap(({ remedy, link }, index) => [
    heads[index] ?? '',
    ...(remedy === undefined ? [] : [`         → ${remedy}${link === undefined ? '' : ` (${link})`}`]),
  ])
  const counts = Object.entries(countsOf(findings)).map(([outcome, count]) => `${count} ${outcome}`)
  return `${[...lines, counts.join(', ')].join('\n')}\n`
}

export function doctorJson(findings: readonly Finding[]): string {
  return `${JSON.stringify({ findings, counts: countsOf(findings) }, undefined, 2)}\n`
}

function countsOf(findings: readonly Finding[]): Readonly<Record<string, number>> {
  return Object.fromEntries(OUTCOMES.map(each => [each, findings.filter(({ outcome }) => outcome === each).length]))
}
