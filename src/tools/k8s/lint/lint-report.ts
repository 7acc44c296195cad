/**
 * Prints what `lint` found: for a person, as JSON, or as annotations of a GitHub workflow.
 *
 * A frame quotes the manifest, so whatever looks like a secret in it is masked, in the environment of containers, too.
 */
import { printable, sourceFrame } from '../../../config/check/report.ts'
import type { Paint } from '../../../lib/paint.ts'
import type { Unreadable } from './documents.ts'
import { SEVERITIES, type Severity } from './finding-table.ts'
import type { LintFinding, LintReport } from './lint.ts'

const STYLES: Readonly<Record<Severity, Parameters<Paint>[0]>> = { error: 'red', warning: 'yellow', hint: 'dim' }

export function lintText(report: LintReport, paint: Paint): string {
  const blocks = [
    ...report.problems.map(problem => `${place(problem)} ${paint('red', 'unreadable')}: ${printable(problem.message)}`),
    ...report.findings.map(finding => entry(finding, paint)),
  ]
  return `${[...blocks.map(block => `${block}\n`), summary(report, paint)].join('\n')}\n`
}

/** The JSON of `--json`; src/tools/README.md says what is in it. */
export function lintJson({ findings, problems, gateways, others }: LintReport): string {
  const document = {
    findings: findings.map(({ id, severity, file, line, column, object, what, wanted, seen, remedy, link }) => ({
      ...{ id, severity, file, line, column, object, what, wanted, seen, remedy, link },
    })),
    unreadable: problems,
    counts: countsOf(findings),
    workloads: { withGateway: gateways, without: others },
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

/** Writes workflow commands, which GitHub shows beside the line they name. */
export function lintAnnotations({ findings, problems, gateways }: LintReport): string {
  const lines = [
    ...problems.map(problem => annotation('error', problem, 'Sallyport', problem.message)),
    ...findings.map(finding => {
      const { id, severity, what, wanted, seen, remedy } = finding
      const text = `${what}.${shown('Wanted', wanted)}${shown('Seen', seen)} ${remedy}`
      return annotation(severity === 'hint' ? 'notice' : severity, finding, `Sallyport: ${id}`, text)
    }),
    ...(gateways === 0 ? [`::error title=Sallyport::${NOTHING}`] : []),
  ]
  return lines.map(line => `${line}\n`).join('')
}

const NOTHING = 'nothing to lint: no workload in the input has the gateway'

type Placed = Pick<Unreadable, 'file' | 'line' | 'column'>

function place({ file, line, column }: Placed): string {
  return `${printable(file)}:${line}:${column}`
}

function entry(finding: LintFinding, paint: Paint): string {
  const { id, severity, what, wanted, seen, remedy, link, source } = finding
  return [
    `${place(finding)} ${paint(STYLES[severity], severity)} ${paint('bold', id)}: ${printable(what)}`,
    ...sourceFrame(withoutSecrets(source.text), finding, source.firstLine),
    ...(wanted === undefined ? [] : [`  wanted  ${printable(wanted)}`]),
    ...(seen === undefined ? [] : [`  seen    ${printable(seen)}`]),
    `  remedy  ${printable(remedy)} (${link})`,
  ].join('\n')
}

const NAME = /["']?name["']?:[ \t]*["']?[\w.-]*(?:secret|password|passwd|passphrase|token|key|credentials?)[\w.-]*["']?/
  .source
const BETWEEN = /(?:[ \t]*\r?\n[ \t]*|,[ \t]*)["']?value["']?:[ \t]*/.source
const NAMED_VALUE = new RegExp(`(${NAME}${BETWEEN})([^\\r\\n,}]+)`, 'gi')
const VALUE_NAMED = new RegExp(
  `(["']?value["']?:[ \\t]*)([^\\r\\n,}]+)((?:[ \\t]*\\r?\\n[ \\t]*|,[ \\t]*)${NAME})`,
  'gi',
)

/** Masks values of variables that are named like secrets; the columns stay right. */
function withoutSecrets(text: string): string {
  return text
    .replaceAll(NAMED_VALUE, (_all, before: string, value: string) => before + dots(value))
    .replaceAll(VALUE_NAMED, (_all, before: string, value: string, after: string) => before + dots(value) + after)
}

function dots(text: string): string {
  return text.replaceAll(/\S/g, '•')
}

function summary({ findings, problems, gateways, others }: LintReport, paint: Paint): string {
  const without = others === 0 ? '' : `, ${count(others, 'workload')} without the gateway`
  if (gateways === 0 && problems.length === 0) return `${paint('red', NOTHING)}${without}`
  const counts = countsOf(findings)
  const found = SEVERITIES.filter(each => counts[each] > 0).map(each => count(counts[each], each))
  const unread = problems.length === 0 ? [] : [`${problems.length} unreadable`]
  const verdict = counts.error + problems.length > 0 ? paint('red', 'not ok') : paint('green', 'ok')
  return `${count(gateways, 'workload')} with the gateway: ${[verdict, ...unread, ...found].join(', ')}${without}`
}

export function countsOf(findings: readonly LintFinding[]): Readonly<Record<Severity, number>> {
  const number = (severity: Severity): number => findings.filter(each => each.severity === severity).length
  return { error: number('error'), warning: number('warning'), hint: number('hint') }
}

function shown(name: string, text: string | undefined): string {
  return text === undefined ? '' : ` ${name}: ${text}.`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function annotation(level: string, { file, line, column }: Placed, title: string, text: string): string {
  const properties = { file, line, col: column, title }
  const written = Object.entries(properties).map(
    ([name, value]) => `${name}=${escaped(String(value)).replaceAll(':', '%3A').replaceAll(',', '%2C')}`,
  )
  return `::${level} ${written.join(',')}::${escaped(text)}`
}

function escaped(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
