/** Says which headers of a request are removed before it is forwarded, and which are added. No token is shown. */
import type { Policy } from '../../policy.ts'
import { jsonPart } from '../text/json-part.ts'
import { shownHeaderValue } from '../text/shown.ts'

export interface HeaderLine {
  readonly name: string
  readonly value: string
}

const MADE_PER_REQUEST: ReadonlySet<string> = new Set(['x-request-id', 'traceparent'])

interface ChangeOptions {
  readonly policy: Policy
  /** The header of our own token; undefined where none is sent. */
  readonly tokenHeader: string | undefined
}

/** Compares whole lines: a name that arrives with one value and leaves with another counts as removed and as added. */
export function headerChanges(
  before: readonly string[],
  after: readonly string[],
  { policy: { tokenPlaces }, tokenHeader }: ChangeOptions,
) {
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
        line.name === tokenHeader
          ? { ...line, value: tokenText(line.value) }
          : MADE_PER_REQUEST.has(line.name.toLowerCase())
            ? { ...line, value: '(made for each request)' }
            : printable(line),
      ),
  }
}

const MADE_PER_TOKEN: ReadonlySet<string> = new Set(['iat', 'exp', 'jti'])

/** Who asks has no key of the gateway, so that only what the token says is as it would be. */
function tokenText(value: string): string {
  const claims = Object(jsonPart(value.split('.')[1] ?? '')) as Readonly<Record<string, unknown>>
  const lasting = Object.entries(claims).filter(([name]) => !MADE_PER_TOKEN.has(name))
  return `(signed by the gateway, with iat, exp and jti) ${JSON.stringify(Object.fromEntries(lasting))}`
}

export function linesOf(flat: readonly string[]): readonly HeaderLine[] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [{ name, value: flat[index + 1] ?? '' }] : []))
}
