/** Says which headers of a request are removed before it is forwarded, and which are added. No token is shown. */
import type { Policy } from '../../policy.ts'
import { shownHeaderValue } from '../text/shown.ts'

export interface HeaderLine {
  readonly name: string
  readonly value: string
}

const MADE_PER_REQUEST: ReadonlySet<string> = new Set(['x-request-id', 'traceparent'])

/** Compares whole lines: a name that arrives with one value and leaves with another counts as removed and as added. */
export function headerChanges(before: readonly string[], after: readonly string[], { tokenPlaces }: Policy) {
  const holdsToken = (name: string) =>
    tokenPlaces?.isHeader(name) === true ||
    (tokenPlaces?.hasProtocols === true && name.toLowerCase() === 'sec-websocket-protocol')
  const sent = linesOf(before)
  const forwarded = linesOf(after)
  const isIn = (line: HeaderLine, lines: readonly HeaderLine[]) =>
    lines.some(({ name, value }) => name === line.name && value === line.value)
  const printable = ({ name, value }: HeaderLine): HeaderLine => ({ name, value: shownHeaderValue(name, value) })
  return {
    removed: sent
      .filter(line => !isIn(line, forwarded))
      .map(line => (holdsToken(line.name) ? { ...line, value: '(left out)' } : printable(line))),
    added: forwarded
      .filter(line => !isIn(line, sent))
      .map(line =>
        MADE_PER_REQUEST.has(line.name.toLowerCase()) ? { ...line, value: '(made for each request)' } : printable(line),
      ),
  }
}

export function linesOf(flat: readonly string[]): readonly HeaderLine[] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [{ name, value: flat[index + 1] ?? '' }] : []))
}
