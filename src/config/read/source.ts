/**
 * Reads the text of a configuration: its values, the line and column of each, and every error of syntax.
 *
 * YAML 1.2.2. Several documents, tags and YAML 1.1 are refused, and so is what `yaml-values.ts` refuses.
 */
import { LineCounter, parseDocument } from 'yaml'
import type { Finding, Path } from '../check/findings.ts'
import type { Environment } from './environment.ts'
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
  const syntax = [...document.errors, ...document.warnings].map(({ code, message, pos }): Finding => {
    const offset = Math.min(pos[0], text.length)
    return {
      path: [],
      offset,
      message: SYNTAX[code] ?? `this is not valid YAML: ${message}${referenceHint(text, offset)}`,
    }
  })
  if (document.directives?.yaml.explicit === true && document.directives.yaml.version !== '1.2')
    syntax.push({ path: [], offset: 0, message: 'the file is read as YAML 1.2; leave out the `%YAML` line' })

  // Only the first error of a line is kept, since one slip makes the parser misread the rest of the line.
  const perLine = [...Map.groupBy(syntax, ({ offset }) => lineCounter.linePos(offset ?? 0).line).values()]
  const firsts = perLine.flatMap(group => group.slice(0, 1))

  const { value, findings, places, rereadings } = yamlValues(document, { text, env, maxValues })
  const offsetOf = ({ path, at, offset }: Finding): number => {
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
    findings: [...firsts, ...findings],
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

/** Explains a frequent error: inside `{ }` and `[ ]`, YAML takes the braces of an unquoted `${NAME}` for its own. */
function referenceHint(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1
  const [line = ''] = text.slice(start).split('\n', 1)
  return line.includes('${') ? `; inside \`{ }\` and \`[ ]\`, put "\${NAME}" in quotes` : ''
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
