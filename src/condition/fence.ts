/**
 * Says which expressions of CEL are accepted as conditions: those whose meaning is the same in every implementation,
 * and whose cost is bounded by their own length and that of a token.
 *
 * CEL specification, "Standard Definitions". What is not listed here is refused when the configuration is read. Left
 * out on purpose: `matches`, since regular expressions that backtrack hold the loop; `int`, `uint`, `bytes`, `map` and
 * `filter`, maps, optional values, and arithmetic of times at the ends of the calendar, where implementations differ.
 */
import { instantOf, spanOf, TIME_PARTS } from './times.ts'
import { allNodes, COMPREHENSIONS, comprehensionOf, depthOf, extentOf, memberPath, partsOf, type Tree } from './tree.ts'

/** What is wrong with an expression, and where: characters of its text, counted from 0. */
export interface ConditionProblem {
  readonly message: string
  readonly start: number
  readonly end: number
}

export const MOST_NODES = 200
export const MOST_COMPREHENSIONS = 4
const MOST_DEPTH = 20
const MOST_ELEMENTS = 64

/** The variables whose values are texts of a request: their length is bounded, and comparing them is cheap. */
const TEXT_ROOTS: ReadonlySet<string> = new Set(['params', 'request', 'provider'])

/** @returns the first problem in the order of the text */
export function fenceProblem(tree: Tree): ConditionProblem | undefined {
  const nodes = allNodes(tree)
  if (nodes.length > MOST_NODES) return at(tree, `has more than ${MOST_NODES} parts; split what it asks into routes`)
  if (depthOf(tree) > MOST_DEPTH) return at(tree, `is nested more than ${MOST_DEPTH} deep; write it flatter`)
  const problems = [...nodes.map(nodeProblem), ...nodes.map(loopProblem)].filter(problem => problem !== undefined)
  return problems.toSorted((one, other) => one.start - other.start)[0]
}

export function comprehensionsIn(tree: Tree): number {
  return allNodes(tree).filter(node => comprehensionOf(node) !== undefined).length
}

function at(tree: Tree, message: string): ConditionProblem {
  return { message, ...extentOf(tree) }
}

type Rule = (tree: Tree) => string | undefined
/** @param given what a function or a method is given in its parentheses */
type ArgumentRule = (given: readonly Tree[]) => string | undefined

const accepted = (): undefined => undefined

/** What is asked of each kind of node; a kind that the library adds does not compile until it is decided about. */
const NODES: { readonly [Op in Tree['op']]: (tree: Extract<Tree, { op: Op }>) => string | undefined } = {
  value: literalProblem,
  id: accepted,
  '.': ({ args: [of] }) => memberProblem(of),
  '[]': ({ args: [of, index] }) => memberProblem(of) ?? indexProblem(of, index),
  call: ({ args: [name, given] }) => callProblem(name, given),
  rcall: methodProblem,
  list: ({ args }) =>
    args.length > MOST_ELEMENTS ? `has more than ${MOST_ELEMENTS} elements; ask for a role or a scope` : undefined,
  '?:': accepted,
  '||': accepted,
  '&&': accepted,
  '!_': accepted,
  '==': accepted,
  '!=': accepted,
  '<': accepted,
  '<=': accepted,
  '>': accepted,
  '>=': accepted,
  in: membershipProblem,
  '+': sumProblem,
  '-': accepted,
  '*': accepted,
  '/': ({ args: [, divisor] }) => divisorProblem(divisor),
  '%': ({ args: [, divisor] }) => divisorProblem(divisor),
  '-_': ({ args }) =>
    args.op === 'value' && typeof args.args !== 'string' ? undefined : 'can only be the sign of a number',
  map: () => 'is a map, which conditions do not have; write the cases with `||`',
  '.?': () => 'is optional access, which conditions do not have; ask with `has(...)`',
  '[?]': () => 'is optional access, which conditions do not have; ask with `has(...)`',
}

function nodeProblem(tree: Tree): ConditionProblem | undefined {
  const message = (NODES[tree.op] as Rule | undefined)?.(tree)
  return message === undefined ? undefined : at(tree, message)
}

function literalProblem({ args }: Extract<Tree, { op: 'value' }>): string | undefined {
  if (args === null || typeof args === 'string' || typeof args === 'boolean') return undefined
  if (typeof args === 'number') return Number.isFinite(args) ? undefined : 'is no number that can be compared'
  if (typeof args === 'bigint')
    return args > Number.MAX_SAFE_INTEGER || args < Number.MIN_SAFE_INTEGER
      ? 'is too large to be compared exactly; issue it as text, and compare it as text'
      : undefined
  return 'is of a type that no claim has; compare texts, numbers, `true`, `false` or `null`'
}

/** Implementations differ about a list that is looked for among the members of a block. */
function membershipProblem({ args: [element, container] }: Extract<Tree, { op: 'in' }>): string | undefined {
  const [root = '', ...members] = memberPath(container) ?? []
  const isList = container.op === 'list' || (members.length === 0 && (root === 'scopes' || root === 'roles'))
  return isList || isScalar(element)
    ? undefined
    : 'may look for a list in a claim; look for a text or a number, or write `string(...)` around what is looked for'
}

/** The types of the library let any member of a time pass. */
function memberProblem(of: Tree): string | undefined {
  return isTime(of)
    ? 'is asked of a time, which has no members; ask with a method, as in `now.getHours("Europe/Berlin")`'
    : undefined
}

function isTime(tree: Tree): boolean {
  if (tree.op === 'call') return tree.args[0] === 'timestamp' || tree.args[0] === 'duration'
  return memberPath(tree)?.join('.') === 'now' || ((tree.op === '+' || tree.op === '-') && partsOf(tree).some(isTime))
}

/** Implementations differ about what finds a member besides its name, and an element besides its place. */
function indexProblem(of: Tree, index: Tree): string | undefined {
  // What names a header is judged in `reads.ts`.
  if (memberPath(of)?.join('.') === 'request.headers') return undefined
  const isWritten = index.op === 'value' && ['string', 'bigint'].includes(typeof index.args)
  const isText = index.op === 'call' && index.args[0] === 'string'
  return isWritten || isText || TEXT_ROOTS.has(memberPath(index)?.[0] ?? '')
    ? undefined
    : 'is looked up by what may be no text; write a text, a whole number or a parameter, or `string(...)` around it'
}

function isScalar(tree: Tree): boolean {
  if (tree.op === 'value') return ['string', 'bigint', 'boolean'].includes(typeof tree.args)
  if (tree.op === 'call') return tree.args[0] === 'string' || tree.args[0] === 'size'
  return TEXT_ROOTS.has(memberPath(tree)?.[0] ?? '')
}

/** A sum of two claims may be one of two long lists, and sums of sums would copy them again and again. */
function sumProblem({ args }: Extract<Tree, { op: '+' }>): string | undefined {
  const isPlain = (tree: Tree): boolean => tree.op === 'value' || (tree.op === 'call' && tree.args[0] === 'duration')
  return args.some(isPlain) ? undefined : 'needs a number or a text that is written here on one of its sides'
}

function divisorProblem(divisor: Tree): string | undefined {
  const isPositive = divisor.op === 'value' && Number(divisor.args) > 0
  return isPositive ? undefined : 'can only be by a number above 0 that is written here'
}

/** What a function asks of what it is given. */
const FUNCTIONS: ReadonlyMap<string, ArgumentRule> = new Map<string, ArgumentRule>([
  ['has', ([member]) => (member?.op === '.' ? undefined : 'asks for a member, as in `has(claims.tenant)`')],
  ['size', accepted],
  ['string', accepted],
  ['timestamp', ([text]) => timestampProblem(text)],
  ['duration', ([text]) => durationProblem(text)],
])

/** Looking for one long text in another can take time as their lengths multiplied. */
function searchedProblem(searched: Tree | undefined): string | undefined {
  return searched?.op === 'value' ? undefined : 'can only look for a text that is written here'
}

/** What a method asks of what it is given. */
const METHODS: ReadonlyMap<string, ArgumentRule> = new Map<string, ArgumentRule>([
  ...['size', 'startsWith', 'endsWith', ...COMPREHENSIONS].map(name => [name, accepted] as const),
  ['contains', ([searched]) => searchedProblem(searched)],
  ...TIME_PARTS.map((name): [string, ArgumentRule] => [name, ([zone]) => zoneProblem(zone)]),
])

function callProblem(name: string, given: readonly Tree[]): string | undefined {
  const rule = FUNCTIONS.get(name)
  return rule === undefined ? unknownName(name, [...FUNCTIONS.keys()]) : rule(given)
}

function methodProblem(tree: Extract<Tree, { op: 'rcall' }>): string | undefined {
  const [name, , given] = tree.args
  const rule = METHODS.get(name)
  if (rule === undefined) return unknownName(name, [...METHODS.keys()])
  return rule(given)
}

function unknownName(name: string, known: readonly string[]): string {
  return name === 'matches'
    ? 'is a regular expression, which can hold up all requests; use `startsWith`, `endsWith`, `contains` or `==`'
    : `\`${name}\` is no function of conditions; there are ${known.join(', ')}`
}

function timestampProblem(text: Tree | undefined): string | undefined {
  const written = text?.op === 'value' ? text.args : undefined
  return typeof written === 'string' && instantOf(written) !== undefined
    ? undefined
    : 'must be an instant that is written here, as in `timestamp("2027-01-31T00:00:00Z")`'
}

function durationProblem(text: Tree | undefined): string | undefined {
  const written = text?.op === 'value' ? text.args : undefined
  return typeof written === 'string' && spanOf(written) !== undefined
    ? undefined
    : 'must be written here in hours, minutes and seconds, as in `duration("1h30m")`'
}

function zoneProblem(zone: Tree | undefined): string | undefined {
  if (zone === undefined) return undefined
  const written = zone.op === 'value' ? zone.args : undefined
  return typeof written === 'string' && isZone(written)
    ? undefined
    : 'must name a time zone that is written here, as in `now.getHours("Europe/Berlin")`'
}

function isZone(name: string): boolean {
  if (!/^[A-Z][\w+-]*(?:\/[A-Z][\w+-]*)*$/.test(name)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/** What is done for every element of a list has to cost no more than the element is long. */
function loopProblem(tree: Tree): ConditionProblem | undefined {
  const visited = comprehensionOf(tree)
  if (visited === undefined) {
    const isMacro = tree.op === 'rcall' && COMPREHENSIONS.some(name => name === tree.args[0])
    return isMacro ? at(tree, 'must be written as in `claims.roles.exists(role, role == "admin")`') : undefined
  }
  const { list, variable, body } = visited
  if (VARIABLES.has(variable)) return at(tree, `calls its element \`${variable}\`, which is a variable already`)
  if (memberPath(list) === undefined && list.op !== 'list') return at(list, 'must be a claim, `scopes` or `roles`')
  for (const node of allNodes(body)) {
    const message = inLoopProblem(node, variable)
    if (message !== undefined) return at(node, message)
  }
  return undefined
}

/** The variables of every condition. */
export const VARIABLES: ReadonlySet<string> = new Set([
  ...['claims', 'params', 'request', 'scopes', 'roles', 'provider', 'now'],
])

const ASKING: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in', 'call', 'rcall'])

function inLoopProblem(node: Tree, variable: string): string | undefined {
  if (comprehensionOf(node) !== undefined)
    return 'stands inside of another one, and would visit all pairs; write two conditions'
  const isSmall = (tree: Tree): boolean => isBoundedBy(tree, variable)
  if (ASKING.has(node.op) && !allNodes(node).some(part => part.op === 'id' && part.args === variable))
    return `asks nothing of \`${variable}\`; write it outside`
  switch (node.op) {
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return node.args.some(isSmall) ? undefined : tooMuch(variable)
    case 'in':
      return isSmall(node.args[1]) ? undefined : tooMuch(variable)
    case '+':
    case 'list':
      return node.op === 'list' && node.args.every(element => element.op === 'value')
        ? undefined
        : `cannot stand in what is asked of every element; compare \`${variable}\` itself`
    case 'rcall':
      return isSmall(node.args[1]) ? undefined : tooMuch(variable)
    case 'call':
      return node.args[1].every(isSmall) ? undefined : tooMuch(variable)
    default:
      return undefined
  }
}

function tooMuch(variable: string): string {
  return `costs more with every element; compare with \`${variable}\`, a text of the request, or what is written here`
}

/** Whether a value is an element or in it, a text of the request, or written in the expression. */
function isBoundedBy(tree: Tree, variable: string): boolean {
  if (tree.op === 'value') return true
  if (tree.op === 'list') return tree.args.every(element => element.op === 'value')
  if (tree.op === 'call' || tree.op === 'rcall') return partsBounded(tree, variable)
  const [root = ''] = memberPath(tree) ?? []
  return root === variable || TEXT_ROOTS.has(root)
}

function partsBounded(tree: Extract<Tree, { op: 'call' | 'rcall' }>, variable: string): boolean {
  const parts = tree.op === 'call' ? tree.args[1] : [tree.args[1], ...tree.args[2]]
  return parts.every(part => isBoundedBy(part, variable))
}
