/**
 * Holds the building blocks of the configuration schema: durations, sizes, ids, claim references, scopes, files.
 *
 * RFC 6749 §3.3 (scope-token). A block reads text, refuses what it cannot read with a sentence that names the remedy,
 * and returns the value: durations in milliseconds, sizes in bytes.
 */
import * as z from 'zod'
import { claimReader } from '../../claim-reader.ts'
import { parsePattern } from '../../route/pattern.ts'
import { markedFile, markedFolder } from './local-paths.ts'
import { DURATION_PATTERN, durationMs, likelyDuration, likelySize, SIZE_PATTERN, sizeBytes } from './units.ts'

interface Range {
  readonly min?: string
  readonly max?: string
}

/** A timer of Node cannot be longer: past 2^31 - 1 milliseconds it fires at once. */
const LONGEST_TIMER = '596h'

/** Reads milliseconds, positive and short enough for a timer unless the range says otherwise. */
export function duration({ min = '1ms', max = LONGEST_TIMER }: Range = {}) {
  return quantity(
    DURATION_PATTERN,
    durationMs,
    { min, max },
    'a duration with a unit, like `250ms`, `30s`, `5m`, `24h`',
    likelyDuration,
  )
}

/** Reads bytes. */
export function size(range: Range) {
  return quantity(SIZE_PATTERN, sizeBytes, range, 'a size with a unit, like `512B`, `16KiB`, `1MiB`', likelySize)
}

/** Reads text with a function whose {@link SyntaxError} becomes the problem. */
export function readText<T>(reader: (text: string) => T) {
  return z.string().transform((text, context) => {
    try {
      return reader(text)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      context.issues.push({ code: 'custom', message: error.message, input: text })
      return z.NEVER
    }
  })
}

/** Reads text that a judge either accepts, by returning `undefined`, or refuses with a sentence. */
export function judgedText(judge: (text: string) => string | undefined) {
  return readText(text => {
    const problem = judge(text)
    if (problem !== undefined) throw new SyntaxError(problem)
    return text
  })
}

/** Reads text that is not empty and holds no control character. */
export function text() {
  return z.string().regex(/^[^\p{Cc}]+$/u, { error: 'must be text of one line that is not empty' })
}

/** Reads a list, but no empty one: that is a slip or means "nobody", and neither should pass in silence. */
export function list<T extends z.ZodType>(item: T) {
  return z.array(item).min(1, { error: 'must not be empty; list at least one, or leave the key out' })
}

/** Reads the id of a provider, an upstream or a route, which becomes a metric label and a member of the log. */
export function id() {
  return z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    error: 'is no id; use up to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit',
  })
}

/** Reads the name of a claim, or a JSON Pointer (RFC 6901) when it starts with `/`. */
export function claimReference() {
  return judgedText(reference => {
    if (reference === '') return 'must name a claim'
    try {
      claimReader(reference)
      return undefined
    } catch (error) {
      if (error instanceof SyntaxError) return `is an ${error.message}`
      throw error
    }
  })
}

/** Reads a scope: RFC 6749 §3.3 says `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`. */
export function scopeToken() {
  return z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, {
    error: ({ input }) =>
      `is no scope; a scope is printable ASCII without blanks, \`"\` and \`\\\`${severalText(String(input))}`,
  })
}

/** Scopes stand between blanks in a token, and so in what people copy. */
function severalText(input: string): string {
  const several = input.trim().split(/[\s,]+/)
  const isList = several.length > 1 && several.length < 9 && several.every(each => /^[\w.:/-]+$/.test(each))
  return isList ? `; write \`[${several.join(', ')}]\`` : ' (list several one by one)'
}

/** Reads values of `acr`, of which the challenge of RFC 9470 §3 makes one text with blanks between them. */
export function acrList() {
  const value = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, {
    error: 'is no value of `acr`; write printable ASCII without blanks, `"` and `\\` (list several one by one)',
  })
  return list(value).refine(values => new Set(values).size === values.length, {
    error: 'names a value twice; keep one of them',
    when: ({ issues }) => issues.length === 0,
  })
}

/** Reads how long ago something may be. Claims count in seconds, so a part of one is no age. */
export function age() {
  return duration({ min: '1s', max: '87600h' })
}

/** Reads the path of a file; a relative one starts at the folder of the configuration file. */
export function filePath() {
  return markedFile(z.string().regex(/^[^\0]+$/, { error: 'must be the path of a file' }))
}

/** Reads the path of a folder, as {@link filePath} does that of a file. */
export function folderPath() {
  return markedFolder(z.string().regex(/^[^\0]+$/, { error: 'must be the path of a folder' }))
}

/** Reads one path of a listener. Patterns are refused, and paths that can be read in two ways. */
export function plainPath() {
  return judgedText(path => {
    try {
      const { segments, extent } = parsePattern(path)
      if (extent === 'exact' && segments.every(({ kind }) => kind === 'literal')) return undefined
      return 'must be one path, without `:name` and `/**`'
    } catch (error) {
      if (error instanceof SyntaxError) return error.message
      throw error
    }
  })
}

/** Reads `true` or `false`. In YAML 1.2, `yes` and `on` are text and `1` is a number. */
export function flag() {
  return z.boolean({ error: 'must be `true` or `false`' })
}

/**
 * Reads `true`, `false` or one word. It is no union: for another text, the environment's `true` among them, that would
 * take the word for what was meant.
 */
export function flagOr<const Word extends string>(word: Word) {
  return z
    .unknown()
    .transform((input, context): boolean | Word => {
      if (typeof input === 'boolean' || input === word) return input as boolean | Word
      const message = `must be \`true\`, \`false\` or \`${word}\``
      context.issues.push({ code: 'invalid_type', expected: 'boolean', input, message })
      return z.NEVER
    })
    .meta({ anyOf: [{ type: 'boolean' }, { const: word }] })
}

function quantity(
  pattern: RegExp,
  read: (text: string) => number | undefined,
  range: Range,
  expected: string,
  likely: (text: string) => string | undefined,
) {
  const problem = (input: unknown): string => {
    const meant = typeof input === 'string' || typeof input === 'number' ? likely(String(input)) : undefined
    return `must be ${expected}${meant === undefined ? '' : `; write \`${meant}\``}`
  }
  const { min = '0', max } = range
  const atLeast = read(min) ?? 0
  const atMost = (max === undefined ? undefined : read(max)) ?? Number.MAX_SAFE_INTEGER
  return z
    .string({ error: issue => (issue.input === null ? undefined : problem(issue.input)) })
    .regex(pattern, { error: ({ input }) => problem(input) })
    .transform((text, context) => {
      const value = read(text) ?? Number.NaN
      if (value >= atLeast && value <= atMost) return value
      const message = value < atLeast ? `must be at least \`${min}\`` : `must be at most \`${max}\``
      context.issues.push({ code: 'custom', message, input: text })
      return z.NEVER
    })
}
