/**
 * Reads a route's `path` as it is written, and gives its segments: `/orders/:id`, `/orders/**`.
 *
 * A literal must be written as it will arrive, in the one spelling that the gateway accepts (RFC 3986 §6.2.2): a
 * pattern that no request could ever match is an error, because its route would silently protect nothing.
 *
 * A parameter may end in a fixed word: `/models/:name:predict`, `/orders/:id.json`.
 * It does not know wildcards inside a segment, optional segments or expressions.
 */
import { Denial } from '../errors.ts'
import { decodeFully, decodeOnce } from './encoding.ts'
import { neededRelaxations } from './target.ts'

type PatternSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | {
      readonly kind: 'parameter'
      readonly name: string
      /** What the segment ends in, from its last `:` or `.` on: `:verb`, `.json`. Undefined takes any segment. */
      readonly suffix?: string
    }

export interface Pattern {
  /** The segments without the `**`. A path that ends in `/` has an empty literal last. */
  readonly segments: readonly PatternSegment[]
  /** It ends there or, with `/**`, also covers everything below. */
  readonly extent: 'exact' | 'subtree'
}

/** @throws {SyntaxError} saying what is wrong and what to write instead */
export function parsePattern(path: string): Pattern {
  if (!path.startsWith('/'))
    throw new SyntaxError(`a path starts with "/"${path.startsWith('^') ? ` and ${NO_EXPRESSION}` : ''}`)
  const extent = path.endsWith('/**') ? 'subtree' : 'exact'
  const prefix = extent === 'subtree' ? path.slice(0, -'/**'.length) : path
  if (extent === 'subtree' && prefix.endsWith('/')) throw new SyntaxError('"//" never matches: remove a "/"')
  const segments = prefix.split('/').slice(1).map(parseSegment)
  const names = segments.flatMap(segment => (segment.kind === 'parameter' ? [segment.name] : []))
  if (new Set(names).size < names.length) throw new SyntaxError('two parameters have the same name')
  refuseUnreachable(
    `/${segments.map(segment => (segment.kind === 'literal' ? segment.text : `x${segment.suffix ?? ''}`)).join('/')}`,
  )
  return { segments, extent }
}

/** @param path as {@link parsePattern} takes it */
export function parameterNames(path: string): readonly string[] {
  return parsePattern(path).segments.flatMap(segment => (segment.kind === 'parameter' ? [segment.name] : []))
}

const WILDCARDS = 'write ":name" for one segment, "/**" at the end'
const NO_EXPRESSION = `is no expression: ${WILDCARDS}`

/**
 * Tells how other grammars of routes are written here. As literals such patterns would load, and protect nothing.
 * RFC 3986 §3.3: `(`, `)`, `$`, `+` and `:` may stand in a path, as in `/Orders(1)` and `/$metadata`, so they are
 * refused only where they make sense in an expression alone.
 */
const OTHER_GRAMMARS: ReadonlyArray<{ readonly looks: RegExp; readonly remedy: (name: string) => string }> = [
  { looks: /^:\w+[?*+]$/, remedy: () => 'nothing may be absent or repeated; write two routes, or "/**" at the end' },
  { looks: /^:\w+[({<[\\]/, remedy: () => 'a parameter takes any text; leave out what follows its name' },
  { looks: /\(\?/, remedy: () => `a path ${NO_EXPRESSION}` },
  { looks: /\{|<\w*:?\w+>/, remedy: name => `a segment that is a parameter is written ":name", so ":${name}"` },
  { looks: /[^\w:]:[A-Za-z_]/, remedy: name => `a parameter is a whole segment; write ":${name}" for all of it` },
  { looks: /[*?#}]/, remedy: () => WILDCARDS },
  { looks: /[[\]<>|^]|\\[dswDSW.]|[.)]\+|.\$$/, remedy: () => `a path ${NO_EXPRESSION}` },
]

/** Returns what the segment ends in from its last `:` and from its last `.` on; a name before it is not empty. */
export function suffixesOf(segment: string): readonly string[] {
  return [segment.lastIndexOf(':'), segment.lastIndexOf('.')].flatMap(at => (at > 0 ? [segment.slice(at)] : []))
}

function parseSegment(segment: string): PatternSegment {
  const other = OTHER_GRAMMARS.find(({ looks }) => looks.test(segment))
  if (other !== undefined) {
    const odd = /[*{}?#]/.exec(segment)?.[0] ?? segment
    throw new SyntaxError(`"${odd}" is not possible here: ${other.remedy(nameIn(segment))}`)
  }
  if (segment.startsWith(':')) {
    const [, name, suffix] = /^:([A-Za-z_]\w*)([:.][\w-]+)?$/.exec(segment) ?? []
    if (name === undefined)
      throw new SyntaxError(
        `"${segment}" is not a parameter: after ":" come letters, digits and "_", then ":verb" or ".json" at most`,
      )
    return { kind: 'parameter', name, ...(suffix !== undefined && { suffix }) }
  }
  const spelling = arrivalSpelling(segment)
  if (spelling !== segment) throw new SyntaxError(`"${segment}" arrives as "${spelling}": write it so`)
  return { kind: 'literal', text: segment }
}

/** Returns the name that a parameter of another grammar has: `{id:[0-9]+}`, `<int:id>`, `(:id)`, `{*rest}`. */
function nameIn(segment: string): string {
  const [, converted, named] = /<\w+:(\w+)>|[{<:]\W*(\w+)/.exec(segment) ?? []
  const name = converted ?? named ?? ''
  return /^[A-Za-z_]/.test(name) ? name : 'name'
}

/** Encodes where it must be, with hex digits in upper case (RFC 3986 §6.2.2.1). */
function arrivalSpelling(segment: string): string {
  const encoded = segment.replace(/[^\x21-\x7e]+/gu, text => encodeURIComponent(text.toWellFormed()))
  return encoded.replace(/%[0-9a-f]{2}/gi, octet => octet.toUpperCase())
}

/** Refuses a pattern whose literals the target's rules refuse, or whose literals have more than one decoding. */
function refuseUnreachable(path: string): void {
  try {
    const [relaxation] = neededRelaxations(path)
    if (relaxation !== undefined) throw new SyntaxError(`never matches: ${relaxation} is refused in a literal`)
  } catch (error) {
    if (error instanceof Denial)
      throw new SyntaxError(`never matches: such a path is refused (${error.evidence?.reason})`)
    throw error
  }
  if (decodeFully(path) !== decodeOnce(path))
    throw new SyntaxError('a literal must not hold an encoded percent sign followed by two hex digits')
}
