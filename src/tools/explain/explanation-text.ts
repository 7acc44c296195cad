/** Prints an explanation for a person to read from top to bottom. */
import type { Paint } from '../../lib/paint.ts'
import { withDistances } from '../text/moments.ts'
import { columns } from '../text/table.ts'
import type { CheckResult } from './explained-check.ts'
import type { Explanation } from './explanation.ts'
import type { HeaderLine } from './header-changes.ts'

export function explanationText(explained: Explanation, paint: Paint, nowMs: number): string {
  const { request, others, params, checks, filledIn, headers, response } = explained
  const sections: ReadonlyArray<readonly [string, readonly string[]]> = [
    ['Route', [routeLine(explained), ...columns(Object.entries(params).map(([name, value]) => [`:${name}`, value]))]],
    [
      'Also fits the path',
      columns(others.map(({ id, path, methods, why }) => [id, methods?.join(' ') ?? 'all methods', path, why])),
    ],
    ['Filled in, because the claims left it out', columns(entries(filledIn))],
    [
      'Checks',
      columns(
        checks.map(({ check, result, wanted, saw }) => [
          MARKS[result](paint),
          check,
          `wants ${wanted}`,
          `saw ${withDistances(saw, nowMs)}`,
        ]),
      ),
    ],
    ['Removed from the request', headerLines(headers?.removed)],
    ['Added to the request', headerLines(headers?.added)],
    ['Added to the answer', headerLines(explained.addedToAnswer)],
    ['Response', responseLines(response)],
    ['Response, when a browser opens the page', responseLines(explained.responseToTab)],
  ]
  const text = sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => `${paint('bold', title)}\n${lines.map(line => `  ${line}\n`).join('')}`)
    .join('\n')
  const head = `${paint('bold', `${request.method} ${request.target}`)}: ${verdict(explained, paint)}`
  return `${head}\n\n${text}`
}

function responseLines(response: Explanation['response']): readonly string[] {
  if (response === undefined) return []
  const { status, headers, body } = response
  return [String(status), ...headerLines(headers), ...(body === '' ? [] : [body])]
}

const MARKS: Readonly<Record<CheckResult, (paint: Paint) => string>> = {
  ok: paint => paint('green', 'ok     '),
  fails: paint => paint('red', 'fails  '),
  skipped: paint => paint('dim', 'skipped'),
}

function verdict(explained: Explanation, paint: Paint): string {
  const { decision, reported, forwardedTo, askedBy, answeredBy, preflight, route } = explained
  if (decision !== 'allow') return paint('red', decision)
  if (preflight !== undefined) {
    const answered = `${paint('green', 'answered by the gateway itself')}, by the rules of ${route?.id}`
    if (preflight.refusedHeaders.length === 0) return answered
    return `${answered}; ${paint('yellow', `no page may send ${preflight.refusedHeaders.join(', ')}`)}`
  }
  if (answeredBy !== undefined) return `${paint('green', 'answered by the gateway itself')}, and never forwarded`
  const passes = `${paint('green', 'allow')}, forwarded ${askedBy === undefined ? `to ${forwardedTo}` : `by ${askedBy}`}`
  return reported === undefined ? passes : `${passes}; ${paint('yellow', `would be ${reported}`)} if the route enforced`
}

function routeLine({ route, others, answeredBy }: Explanation): string {
  if (answeredBy !== undefined) return `${answeredBy.id}  ${answeredBy.path}  an endpoint of the gateway`
  if (route === undefined) return others.length === 0 ? 'none: no path fits' : 'none'
  const { id, path, methods, access, mode } = route
  return [id, methods?.join(' ') ?? 'all methods', path, access, ...(mode === 'report' ? ['report only'] : [])].join(
    '  ',
  )
}

function headerLines(lines: readonly HeaderLine[] = []): readonly string[] {
  return lines.map(({ name, value }) => `${name}: ${value}`)
}

function entries(members: Readonly<Record<string, unknown>>): ReadonlyArray<readonly string[]> {
  return Object.entries(members).map(([name, value]) => [name, JSON.stringify(value)])
}
