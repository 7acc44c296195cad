/**
 * Reads a condition of the configuration: an expression of CEL about the caller and the request, typed against the
 * parameters of its route.
 *
 * CEL specification. An expression that is read here has passed the fence (`fence.ts`), is `true` or `false` by its
 * type, and reads only what there is. Claims are JSON, so their numbers are doubles, and their members may be missing.
 */
import type { Environment, EvaluationError, ParseError, ParseResult } from '@marcbachmann/cel-js'
import { type ConditionProblem, comprehensionsIn, fenceProblem, MOST_NODES, VARIABLES } from './fence.ts'
import { celLibrary } from './library.ts'
import { type ReadBy, readsOf, readsProblem } from './reads.ts'
import { allNodes, extentOf, type Tree, textOf } from './tree.ts'
import { tooLong, type Work, workOf } from './work.ts'

/** The values of the variables. Those that a condition does not read may be missing. */
export type Activation = Readonly<Record<string, unknown>>

/** What a condition says of a request. An error is none of the caller's: the expression asks for what is not there. */
export type Outcome = boolean | ConditionError

interface ConditionError {
  /** In the library's words: `no_such_key`, `no_such_overload` and the like. */
  readonly error: string
  /** The part of the expression that could not be evaluated, as it is written. */
  readonly key: string
}

export interface Condition {
  readonly text: string
  readonly tree: Tree
  readonly reads: ReadBy
  readonly nodes: number
  readonly comprehensions: number
  readonly work: Work
  /**
   * It throws nothing.
   *
   * @param elementNs of the work of all conditions of the route; by default there is no other one
   */
  judge(values: Activation, elementNs?: number): Outcome
}

/** @param parameters names of the `:name` segments of the route */
export function readCondition(text: string, parameters: readonly string[]): Condition | ConditionProblem {
  const environment = environmentFor(parameters)
  const parsed = attempt(() => environment.parse(text))
  if ('message' in parsed) return { ...parsed, message: parsed.message + remedyFor(text) }
  const { ast: tree } = parsed.value
  const problem = fenceProblem(tree) ?? readsProblem(tree, parameters) ?? typeProblem(parsed.value, text)
  if (problem !== undefined) return problem
  const work = workOf(tree)
  return {
    text,
    tree,
    work,
    reads: readsOf(tree),
    nodes: allNodes(tree).length,
    comprehensions: comprehensionsIn(tree),
    judge(values, elementNs = work.elementNs) {
      const key = tooLong(work, values, elementNs)
      return key === undefined ? judged(parsed.value, values) : { error: 'list_too_long', key }
    },
  }
}

/**
 * Evaluates a part of a condition that has been read.
 *
 * @param show writes the value
 * @returns what `show` makes of the value, or the error
 */
export function partValue(text: string, { parameters, values, show }: PartOptions): string {
  const evaluate = environmentFor(parameters).parse(text)
  try {
    return show(evaluate(values))
  } catch (error) {
    return conditionError(error, evaluate.ast).error
  }
}

interface PartOptions {
  readonly parameters: readonly string[]
  readonly values: Activation
  readonly show: (value: unknown) => string
}

/** An environment costs a millisecond, and most routes have the same few parameters. */
const environments = new Map<string, Environment>()
const MOST_ENVIRONMENTS = 1_000

function environmentFor(parameters: readonly string[]): Environment {
  const key = parameters.toSorted().join('/')
  const known = environments.get(key)
  if (known !== undefined) return known
  const { Environment } = celLibrary()
  const made = new Environment({ limits: { maxAstNodes: 4 * MOST_NODES, maxDepth: 100 } })
    .registerVariable('claims', 'map<string, dyn>')
    .registerVariable('request', {
      schema: { method: 'string', path: 'string', headers: 'map<string, string>' },
    })
    .registerVariable('scopes', 'list<string>')
    .registerVariable('roles', 'list<string>')
    .registerVariable('provider', 'string')
    .registerVariable('now', 'google.protobuf.Timestamp')
  if (parameters.length > 0)
    made.registerVariable('params', { schema: Object.fromEntries(parameters.map(name => [name, 'string'])) })
  if (environments.size < MOST_ENVIRONMENTS) environments.set(key, made)
  return made
}

function attempt<T>(read: () => T): { readonly value: T } | ConditionProblem {
  try {
    return { value: read() }
  } catch (error) {
    return libraryProblem(error)
  }
}

/** Some complaints of the library have no place. */
function libraryProblem(error: unknown): ConditionProblem {
  const { range, summary, message } = error as Partial<ParseError>
  return { message: `cannot be read: ${inOurWords(summary ?? message ?? '')}`, start: 0, end: 0, ...range }
}

/** What other languages write, and what it is here. */
const FOREIGN: ReadonlyArray<readonly [written: RegExp, remedy: string]> = [
  [/[“”‘’„]/, 'texts stand in straight quotes'],
  [/\band\b|(?<!&)&(?!&)/i, '“and” is written `&&`'],
  [/\bor\b|(?<!\|)\|(?!\|)/i, '“or” is written `||`'],
  [/\bnot\b/i, '“not” is written `!`'],
  [/={3}|(?<![=!<>])=(?!=)|<>/, 'comparisons are written `==` and `!=`'],
  [/ contains /, 'a list is searched by `"x" in claims.roles`, and a text by `claims.name.contains("x")`'],
  [/\.\?|\[\?/, 'what may be missing is asked for by `has(...)`'],
  [/\$\{/, 'a variable is written by its name alone'],
]

/** Only what stands outside of quotes is of the language. */
function remedyFor(text: string): string {
  const bare = text.replaceAll(/"[^"]*"|'[^']*'/g, '""')
  return FOREIGN.map(([written, remedy]) => (written.test(bare) ? `; ${remedy}` : '')).join('')
}

const MEMBERS =
  '`params` has the parameters of the path of this route, and `request` has `method`, `path` and `headers`'

function inOurWords(summary: string): string {
  const member = /^No such key: (.*)$/.exec(summary)?.[1]
  if (member !== undefined) return `there is no \`${member}\`; ${MEMBERS}`
  const unknown = /^Unknown variable: (.*)$/.exec(summary)?.[1]
  if (unknown !== undefined) return `there is no variable \`${unknown}\`; there are ${[...VARIABLES].join(', ')}`
  return summary.replace(/^[A-Z](?![A-Z])/, letter => letter.toLowerCase())
}

function typeProblem(parsed: ParseResult, text: string): ConditionProblem | undefined {
  const checked = attempt(() => parsed.check())
  if ('message' in checked) return checked
  const { valid, type, error } = checked.value
  if (!valid) return libraryProblem(error)
  if (type === 'bool') return undefined
  const remedy = type === 'dyn' ? '; compare it, as in `claims.admin == true`' : ''
  return { message: `must say true or false, and is of type ${type}${remedy}`, start: 0, end: text.length }
}

/** Nobody sees the stacks of what fails here, and they would cost as much again as failing does. */
function judged(evaluate: ParseResult, values: Activation): Outcome {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    const result: unknown = evaluate(values)
    // The type has been checked, but what a claim is shows only now.
    return typeof result === 'boolean' ? result : { error: 'no_boolean', key: textOf(evaluate.ast) }
  } catch (error) {
    return conditionError(error, evaluate.ast)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function conditionError(error: unknown, tree: Tree): ConditionError {
  const { code, range, node } = error as Partial<EvaluationError>
  const place = range === undefined ? undefined : (node ?? nodeAt(tree, range))
  return { error: code ?? 'unexpected', key: place === undefined ? textOf(tree) : textOf(place) }
}

function nodeAt(tree: Tree, range: { readonly start: number; readonly end: number }): Tree | undefined {
  return allNodes(tree).find(node => {
    const { start, end } = extentOf(node)
    return start === range.start && end === range.end
  })
}
