/**
 * Reads a condition of the configuration: an expression of CEL about the caller and the request, typed against the
 * parameters of its route.
 *
 * CEL specification. An expression that is read here has passed the fence (`fence.ts`), is `true` or `false` by its
 * type, and reads only what there is. Claims are JSON, so their numbers are doubles, and their members may be missing.
 */
import type { Environment, ParseError, ParseResult } from '@marcbachmann/cel-js'
import { evaluator } from './evaluator.ts'
import { Failure } from './failure.ts'
import { type ConditionProblem, comprehensionsIn, fenceProblem, MOST_NODES } from './fence.ts'
import { celLibrary } from './library.ts'
import { type ReadBy, readsOf, readsProblem, type Surroundings } from './reads.ts'
import { allNodes, type Tree, textOf } from './tree.ts'
import { budgetNs, placesIn } from './work.ts'

/** The values of the variables. Those that a condition does not read may be missing. */
export type Activation = Readonly<Record<string, unknown>>

/** What a condition says of a request. An error is none of the caller's: the expression asks for what is not there. */
export type Outcome = boolean | ConditionError

interface ConditionError {
  /** In the language's words where it has some: `no_such_key`, `no_such_overload`. */
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
  /** How many of its parts cost more where values are larger. */
  readonly places: number
  /** @param ofPlaces those of all conditions of the route; by default there is no other one */
  judge(values: Activation, ofPlaces?: number): Outcome
}

export function readCondition(text: string, around: Surroundings): Condition | ConditionProblem {
  const environment = environmentFor(around.parameters)
  const parsed = attempt(() => environment.parse(text))
  if ('message' in parsed) return { ...parsed, message: parsed.message + remedyFor(text) }
  const { ast: tree } = parsed.value
  const problem = fenceProblem(tree) ?? readsProblem(tree, around) ?? typeProblem(parsed.value, text)
  if (problem !== undefined) return problem
  const places = placesIn(tree)
  const evaluate = evaluator(tree)
  const noAnswer: Outcome = { error: 'no_such_overload', key: textOf(tree) }
  return {
    text,
    tree,
    places,
    reads: readsOf(tree),
    nodes: allNodes(tree).length,
    comprehensions: comprehensionsIn(tree),
    judge(values, ofPlaces = places) {
      const value = evaluate(values, budgetNs(places, ofPlaces))
      if (typeof value === 'boolean') return value
      // The type has been checked, but what a claim is shows only now.
      return value instanceof Failure ? value : noAnswer
    },
  }
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
  const found = summary.replace(/^[A-Z](?![A-Z])/, letter => letter.toLowerCase())
  return summary.includes("'list.contains(") ? `${found}; a list is searched by \`"x" in roles\`` : found
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
