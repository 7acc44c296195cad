/**
 * Prints problems for a person: `file:line:column path: message`, with the line, the one before and the one after.
 *
 * The frame quotes the file, so whatever looks like a secret in it is masked: a report ends up in CI logs. Control
 * characters are shown as a replacement mark, since they could rewrite the terminal.
 */
import type { ConfigProblem } from '../../errors.ts'
import type { Path } from './findings.ts'

/** A longer report would hide the first problems. */
const MAX_PROBLEMS = 50
const MAX_WIDTH = 120

/** A file with its problems. */
interface Reported {
  readonly file: string
  readonly text: string
  /** They are printed in this order. */
  readonly problems: readonly ConfigProblem[]
}

/** Writes the report. @param problems in the order in which they are printed */
export function problemReport(file: string, text: string, problems: readonly ConfigProblem[]): string {
  return reportOfFiles([{ file, text, problems }])
}

/** Writes one report of several files, one file after the other. */
export function reportOfFiles(files: readonly Reported[]): string {
  const entries = files.flatMap(({ file, text, problems }) => {
    // Only what is printed needs the text.
    const lines = problems.length === 0 ? [] : maskedLines(text)
    return problems.map(problem => () => entry(file, lines, problem))
  })
  const printed = entries.slice(0, MAX_PROBLEMS).map(write => write())
  const rest = entries.length - printed.length
  return [...printed, ...(rest > 0 ? [`… and ${rest} more problems`] : [])].join('\n\n')
}

/** Writes a path as `routes[1].require.scopes`. Members that are no plain names stand in quotes. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    if (!/^[A-Za-z_][A-Za-z0-9_-]{0,39}$/.test(step)) return `${text}[${printable(JSON.stringify(shortened(step)))}]`
    return text === '' ? step : `${text}.${step}`
  }, '')
}

function entry(file: string, lines: readonly string[], { path, message, line, column }: ConfigProblem): string {
  const where = path.length === 0 ? '' : ` ${pathText(path)}:`
  if (line === undefined || column === undefined) return `${file}:${where} ${printable(message)}`
  return [`${file}:${line}:${column}${where} ${printable(message)}`, ...frameRows(lines, { line, column }, 1)].join(
    '\n',
  )
}

/**
 * Shows the line of a place with the one before and the one after, as rows of text.
 *
 * @param text the part of the file that holds the place and all that its masks depend on
 * @param firstLine the number that the first line of the text has in the file
 */
export function sourceFrame(text: string, place: FramePlace, firstLine: number): readonly string[] {
  return frameRows(maskedLines(text), place, firstLine)
}

/** Shows control characters as a mark, since they could rewrite the terminal. */
export function printable(text: string): string {
  return text.replaceAll('\t', '→').replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')
}

interface FramePlace {
  readonly line: number
  readonly column: number
}

function frameRows(lines: readonly string[], { line, column }: FramePlace, firstLine: number): readonly string[] {
  const lineAt = (number: number): string | undefined => lines[number - firstLine]
  const width = String(line + 1).length
  const isLong = (lineAt(line) ?? '').length > MAX_WIDTH
  const from = isLong ? Math.max(0, column - MAX_WIDTH / 2) : 0
  return [line - 1, line, line + 1].flatMap(number => {
    const content = lineAt(number)
    if (content === undefined || (number !== line && content.trim() === '')) return []
    const shown = printable(cut(content, number === line ? from : 0))
    const row = `${number === line ? '>' : ' '} ${String(number).padStart(width)} | ${shown}`.trimEnd()
    return number === line ? [row, `  ${' '.repeat(width)} | ${' '.repeat(column - 1 - from)}^`] : [row]
  })
}

/** Cuts a part out of a long line, and marks where something is left out; the columns stay right. */
function cut(content: string, from: number): string {
  const part = content.slice(from, from + MAX_WIDTH).trimEnd()
  const begun = from > 0 && content.slice(0, from).trim() !== '' ? `…${part.slice(1)}` : part
  return content.slice(from + MAX_WIDTH).trim() === '' ? begun : `${begun}…`
}

const SECRET_NAME =
  /["']?\b[\w-]{0,64}?(?:secret|password|passwd|passphrase|credentials?|token|private_?key|api_?key)["']?\s*:(?=\s|$)/
    .source
const SECRET_LINE = new RegExp(`^([\\s-]*)${SECRET_NAME}`, 'i')
const SECRET_VALUE = new RegExp(
  `(${SECRET_NAME}\\s*)(?!true\\b|false\\b)("[^"]*"?|'[^']*'?|[^\\s,}\\]"'][^,}\\]]*)`,
  'gi',
)
/** Blocks of the configuration that are named like secrets, and hold settings. */
const SETTINGS_NAME = /(?:^|[\s,{])["']?(?:token|credentials)["']?\s*:\s*$/
const SETTING = /^\s+(?:-\s+)?(?:[a-z]\w*:(?:\s|$)|\{|authorization$)/i
/** RFC 7518 §6 gives private members short names that claims may have, too, so only a long value is masked. */
const PRIVATE_JWK_VALUE = /(\b(?:d|p|q|dp|dq|qi|k|priv)["']?\s*:\s*["']?)([\w-]{16,})/g

/** Turns every character that is masked into one `•`, so that the columns stay right. */
function maskedLines(text: string): readonly string[] {
  let secretColumn = Number.POSITIVE_INFINITY
  return text.split(/\r?\n/).map((line, index, lines) => {
    const column = line.search(/\S/)
    if (column > secretColumn && SETTINGS_NAME.test(lines[index - 1] ?? '') && SETTING.test(line))
      secretColumn = Number.POSITIVE_INFINITY
    // A line that is indented deeper than the key of a secret continues the secret.
    if (column > secretColumn) return dots(line)
    if (column !== -1) secretColumn = SECRET_LINE.exec(line)?.[1]?.length ?? Number.POSITIVE_INFINITY
    return (
      line
        .replaceAll(SECRET_VALUE, (_, key: string, secret: string) => key + maskedValue(key, secret))
        .replaceAll(PRIVATE_JWK_VALUE, (_, key: string, value: string) => key + dots(value))
        // Up to the last `@`: whoever writes a password into a URL may have written it without encoding it.
        .replaceAll(/(?<=:\/\/)\S+(?=@)/g, dots)
        // A query may hold the key of an API.
        .replaceAll(/(:\/\/[^\s"?]{0,2048}\?)([^\s"]+)/g, (_, place: string, query: string) => place + dots(query))
        .replaceAll(/[A-Za-z0-9+=_-]{32,}(?:[./][A-Za-z0-9+/=_-]+)*/g, run => (/\d/.test(run) ? dots(run) : run))
    )
  })
}

function maskedValue(key: string, value: string): string {
  if (!/^[{[]/.test(value) || !SETTINGS_NAME.test(key)) return dots(value)
  const inner = value.replaceAll(SECRET_VALUE, (_, innerKey: string, secret: string) => innerKey + dots(secret))
  return SETTING.test(` ${inner.slice(1).trimStart()}`) ? inner : dots(value)
}

function dots(text: string): string {
  return text.replaceAll(/\S/g, '•')
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}
