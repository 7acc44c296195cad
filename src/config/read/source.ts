/**
 * Reads the text of a configuration: its values, the line and column of each, and every error of syntax.
 *
 * YAML 1.2.2. Refused besides what `yaml-values.ts` refuses: several documents, tags, YAML 1.1.
 */
import { LineCounter, parseDocument } from 'yaml'
import type { Finding, Path } from '../check/findings.ts'
import type { Environment } from './environment.ts'
import { pathKey, type Rereading, yamlValues } from './yaml-values.ts'

export interface Source {
  readonly value: unknown
  /** Errors of syntax, and references that lead nowhere. */
  readonly findings: readonly Finding[]
  /** True when the text is not what its author meant: values read from it are guesses. */
  readonly isBroken: boolean
  readonly rereadings: readonly Rereading[]
  /** 1-based place of what a finding is about, or of the nearest thing around it that is in the text. */
  position(finding: Finding): Position
  /** True when something stands at the path. */
  has(path: Path): boolean
}

export interface Position {
  readonly line: number
  readonly column: number
}

/** A configuration is a few kilobytes; a megabyte is something else. */
const MAX_CHARACTERS = 1024 * 1024

export function readSource(text: string, env: Environment): Source {
  if (text.length > MAX_CHARACTERS) return unreadable('the file is larger than 1 MiB, which no configuration is')
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

  // One slip confuses the rest of its line.
  const perLine = [...Map.groupBy(syntax, ({ offset }) => lineCounter.linePos(offset ?? 0).line).values()]
  const firsts = perLine.flatMap(group => group.slice(0, 1))

  const { value, findings, places, rereadings } = yamlValues(document, text, env)
  const offsetOf = ({ path, at, offset }: Finding): number => {
    if (offset !== undefined) return offset
    for (let length = path.length; length >= 0; length--) {
      const place = places.get(pathKey(path.slice(0, length)))
      // What is missing is reported at the key of the block that lacks it.
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

/** Counted here: a parser that has stumbled leaves lines out. */
function linesOf(text: string): LineCounter {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (const { index } of text.matchAll(/\n/g)) lines.addNewLine(index + 1)
  return lines
}

const SYNTAX: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a file holds one document; leave out the `---` here and what follows',
  NON_STRING_KEY: 'a key must be text',
  TAG_RESOLVE_FAILED: 'a tag is not accepted; leave out the `!`: values are typed by how they are written',
}

/** Inside `{ }` and `[ ]` the braces of a bare `${NAME}` are YAML's own. */
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
