/**
 * Reads the text of a configuration: its values, the line and column of each, and every error of syntax.
 *
 * YAML 1.2.2. Several documents, tags and YAML 1.1 are refused, and so is what `yaml-values.ts` refuses.
 */
import { LineCounter, parseDocument } from 'yaml'
import type { Finding, Path } from '../check/findings.ts'
import type { Environment } from './environment.ts'
import { placeWithin } from './scalar-place.ts'
import { pathKey, type Rereading, yamlValues } from './yaml-values.ts'

export interface Source {
  readonly value: unknown
  /** These are errors of syntax, and references to the environment that lead nowhere. */
  readonly findings: readonly Finding[]
  /** It is true when the syntax is so wrong that the values are guesses. */
  readonly isBroken: boolean
  readonly rereadings: readonly Rereading[]
  /** Returns the place of what a finding is about, or of the nearest thing around it that is in the text. */
  position(finding: Finding): Position
  /** Is true when something stands at the path. */
  has(path: Path): boolean
}

/** A line and a column are counted from 1. */
interface Position {
  readonly line: number
  readonly column: number
}

interface SourceBounds {
  readonly maxCharacters: number
  /** How many values there may be, with what aliases repeat. */
  readonly maxValues: number
  readonly tooLong: string
}

/** A configuration is a few kilobytes long; what is longer than a megabyte is something else. */
const CONFIGURATION: SourceBounds = {
  maxCharacters: 1024 * 1024,
  maxValues: 100_000,
  tooLong: 'the file is larger than 1 MiB, which no configuration is',
}

/** @param env what `${NAME}` is looked up in; undefined for a text in which that is no reference */
export function readSource(
  text: string,
  env: Environment | undefined,
  { maxCharacters, maxValues, tooLong } = CONFIGURATION,
): Source {
  if (text.length > maxCharacters) return unreadable(tooLong)
  const lineCounter = linesOf(text)
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    resolveKnownTags: false,
    stringKeys: true,
    uniqueKeys: false,
    prettyErrors: false,
  })
  const errors = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
    code,
    message,
    offset: Math.min(pos[0], text.length),
  }))
  // Only the first error of a line is kept, since one slip makes the parser misread the rest of the line.
  const perLine = [...Map.groupBy(errors, ({ offset }) => lineCounter.linePos(offset).line).values()]
  const firsts = perLine.flatMap(([first]) => (first === undefined ? [] : [syntaxFinding(first, text)]))
  if (document.directives?.yaml.explicit === true && document.directives.yaml.version !== '1.2')
    firsts.unshift({ path: [], offset: 0, message: 'the file is read as YAML 1.2; leave out the `%YAML` line' })

  // What has no name refers to nothing, either.
  const badAliases = new Set(errors.flatMap(({ code, offset }) => (code === 'BAD_ALIAS' ? [offset - 1, offset] : [])))

  const { value, findings, places, rereadings } = yamlValues(document, { text, env, maxValues })
  const offsetOf = (finding: Finding): number => {
    const { within } = finding
    const start = startOf(finding)
    return within === undefined ? start : placeWithin(text, start, within)
  }
  const startOf = ({ path, at, offset }: Finding): number => {
    if (offset !== undefined) return offset
    for (let length = path.length; length >= 0; length--) {
      const place = places.get(pathKey(path.slice(0, length)))
      // A key that is missing is reported at the key of the block that lacks it.
      const prefersKey = at === 'key' || length < path.length
      const found = prefersKey ? (place?.key ?? place?.value) : (place?.value ?? place?.key)
      if (found !== undefined) return found
    }
    return 0
  }
  return {
    value,
    findings: [...firsts, ...findings.filter(finding => !badAliases.has(offsetOf(finding)))],
    isBroken: document.errors.some(({ code }) => code !== 'TAG_RESOLVE_FAILED'),
    rereadings,
    has: path => places.has(pathKey(path)),
    position: finding => {
      const { line, col } = lineCounter.linePos(offsetOf(finding))
      return { line: Math.max(line, 1), column: Math.max(col, 1) }
    },
  }
}

/** Counts the lines. The parser counts them, too, but leaves some out after an error. */
function linesOf(text: string): LineCounter {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (const { index } of text.matchAll(/\n/g)) lines.addNewLine(index + 1)
  return lines
}

const SYNTAX: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a file holds one document; leave out the `---` here and what follows',
  NON_STRING_KEY: 'a key must be text',
  TAB_AS_INDENT: 'YAML is not indented with tabs (`→`); use blanks',
  TAG_RESOLVE_FAILED: 'a tag is not accepted; leave out the `!`: values are typed by how they are written',
}

function syntaxFinding(
  { code, message, offset }: { readonly code: string; readonly message: string; readonly offset: number },
  text: string,
): Finding {
  const told = hint(code, text, offset) ?? SYNTAX[code]
  return {
    path: [],
    offset,
    message: told ?? `this is not valid YAML: ${message}${referenceHint(text, offset)}`,
  }
}

/** Says what the parser cannot: what its readers mostly meant. Nothing of a value is repeated but its first letter. */
function hint(code: string, text: string, offset: number): string | undefined {
  const line = lineAt(text, offset)
  switch (code) {
    case 'BAD_SCALAR_START':
      return `a value cannot begin with \`${text[offset]}\` here; put it in quotes`
    case 'NON_STRING_KEY':
      return line.includes('{{') ? 'a template is left here: fill in the `{{ }}`, or put it in quotes' : undefined
    case 'BAD_ALIAS':
      return 'a value cannot begin with `*` here; put it in quotes'
    case 'MULTILINE_IMPLICIT_KEY':
    case 'MISSING_CHAR':
      return /^\s*(?:- )?[\w-]+:[^\s/]/.test(line)
        ? 'a key ends with a colon and a blank; put a blank after the colon'
        : undefined
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'the next line is indented otherwise, or a colon and a blank stand in a value; indent keys of one block alike, and put such a value in quotes'
    case 'BAD_INDENT':
    case 'UNEXPECTED_TOKEN':
      return line.includes('${')
        ? undefined
        : 'this is not valid YAML: look before here for a missing quote, `]` or `}`, or a wrong indentation'
    default:
      return undefined
  }
}

function lineAt(text: string, offset: number): string {
  const end = text.indexOf('\n', offset)
  return text.slice(text.lastIndexOf('\n', offset - 1) + 1, end === -1 ? text.length : end)
}

/** Explains a frequent error: inside `{ }` and `[ ]`, YAML takes the braces of an unquoted `${NAME}` for its own. */
function referenceHint(text: string, offset: number): string {
  return lineAt(text, offset).includes('${') ? `; inside \`{ }\` and \`[ ]\`, put "\${NAME}" in quotes` : ''
}

function unreadable(message: string): Source {
  return {
    value: undefined,
    findings: [{ path: [], message }],
    isBroken: true,
    rereadings: [],
    has: () => false,
    position: () => ({ line: 1, column: 1 }),
  }
}
