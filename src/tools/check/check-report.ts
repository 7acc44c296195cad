/** Prints what `check` found: for a person, as JSON, or as annotations of a GitHub workflow. */
import { pathText, reportOfFiles } from '../../config/check/report.ts'
import type { Config } from '../../config/schema/schema.ts'
import type { Paint } from '../../lib/paint.ts'
import type { CheckReport } from './check.ts'

/** @param failing what makes the file no good: errors alone, or warnings, too */
export function checkText(report: CheckReport, paint: Paint, failing: 'errors' | 'warnings'): string {
  const { file, errorText, warnings, online, config, texts } = report
  const failures = online.filter(({ outcome }) => outcome === 'failed')
  const blocks = [
    ...(errorText === '' ? [] : [`${errorText}\n`]),
    ...(warnings.length === 0 ? [] : [warningText(report)]),
    ...online.map(
      ({ kind, id, detail, outcome }) =>
        `${outcome === 'ok' ? paint('green', 'ok    ') : paint('red', 'failed')} ${kind} ${id}: ${detail}`,
    ),
  ]
  const counts = [
    count(report.errors.length, 'error'),
    count(warnings.length, 'warning'),
    count(failures.length, 'failure'),
  ]
  const found = counts.filter(each => each !== '').join(', ')
  const isWarned = failing === 'warnings' && warnings.length > 0
  const isFine = report.errors.length === 0 && failures.length === 0 && !isWarned
  const verdict = isFine ? paint('green', 'ok') : paint('red', 'not ok')
  const included = count(Math.max(0, texts.length - 1), 'included file')
  const size = config === undefined ? '' : ` (${[contents(config), included].filter(each => each !== '').join(', ')})`
  const summary = `${file}: ${verdict}${found === '' ? '' : `, ${found}`}${size}`
  return `${[...blocks, summary].join('\n')}\n`
}

export function checkJson({ file, errors, warnings, online }: CheckReport): string {
  const placed = ({ path, message, line, column, file: within = file }: CheckReport['errors'][number]) => ({
    file: within,
    path: pathText(path),
    message,
    line,
    column,
  })
  const document = {
    file,
    errors: errors.map(placed),
    warnings: warnings.map(warning => ({ code: warning.code, ...placed(warning) })),
    online,
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

/** Writes workflow commands, which GitHub shows beside the line they name. */
export function checkAnnotations({ file, errors, warnings, online }: CheckReport): string {
  const lines = [
    ...errors.map(problem => annotation('error', file, problem, 'Sallyport')),
    ...warnings.map(warning => annotation('warning', file, warning, `Sallyport: ${warning.code}`)),
    ...online
      .filter(({ outcome }) => outcome === 'failed')
      .map(({ kind, id, detail }) =>
        annotation('error', file, { path: [], message: `${kind} ${id}: ${detail}` }, 'Sallyport'),
      ),
  ]
  return lines.map(line => `${line}\n`).join('')
}

function annotation(
  level: 'error' | 'warning',
  file: string,
  { path, message, line, column, file: within = file }: CheckReport['errors'][number],
  title: string,
): string {
  const properties = { file: within, line, col: column, title }
  const written = Object.entries(properties).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${escaped(String(value)).replaceAll(':', '%3A').replaceAll(',', '%2C')}`],
  )
  const text = path.length === 0 ? message : `${pathText(path)}: ${message}`
  return `::${level} ${written.join(',')}::${escaped(text)}`
}

function escaped(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function warningText({ file: asked, texts, warnings }: CheckReport): string {
  const problems = warnings.map(warning => ({ ...warning, message: `${warning.message} [${warning.code}]` }))
  const byFile = texts.map(({ file, text }) => ({
    file,
    text,
    problems: problems.filter(({ file: within = asked }) => within === file),
  }))
  return `${reportOfFiles(byFile)}\n`
}

function contents({ routes, providers, upstreams }: Config): string {
  return [
    count(routes.length, 'route'),
    count(Object.keys(providers).length, 'provider'),
    count(Object.keys(upstreams).length, 'upstream'),
  ]
    .filter(each => each !== '')
    .join(', ')
}

function count(number: number, noun: string): string {
  return number === 0 ? '' : `${number} ${noun}${number === 1 ? '' : 's'}`
}
