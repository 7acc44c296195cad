/**
 * Finds out what a condition reads: which variables, which parameters of the route, and which headers.
 *
 * What reads nothing but the principal is judged once for each of them. A header has to be named in the expression, so
 * that no more than it is looked for. The headers that carry credentials cannot be read at all: a token counts by what
 * has been verified of it.
 */
import { type ConditionProblem, VARIABLES } from './fence.ts'
import { allNodes, comprehensionOf, extentOf, memberPath, partsOf, type Tree } from './tree.ts'

export interface ReadBy {
  readonly variables: ReadonlySet<string>
  /** Names of headers, in lower case. */
  readonly headers: ReadonlySet<string>
  /** Each claim that is read, as the names on the way to it. */
  readonly claims: ReadonlyArray<readonly string[]>
  /** Whether it says the same of every request of one principal. */
  readonly isOfPrincipal: boolean
}

const OF_PRINCIPAL: ReadonlySet<string> = new Set(['claims', 'scopes', 'roles', 'provider'])
const CREDENTIALS: ReadonlySet<string> = new Set([
  ...['authorization', 'proxy-authorization', 'cookie', 'dpop'],
  ...['client-cert', 'client-cert-chain', 'x-forwarded-client-cert'],
])

export function readsOf(tree: Tree): ReadBy {
  const paths = pathsIn(tree, new Set())
  const variables = new Set(paths.map(([root = '']) => root))
  return {
    variables,
    headers: new Set(allNodes(tree).flatMap(node => headerOf(node) ?? [])),
    claims: paths.flatMap(([root, ...rest]) => (root === 'claims' && rest.length > 0 ? [rest] : [])),
    isOfPrincipal: variables.isSubsetOf(OF_PRINCIPAL),
  }
}

/** Lists the longest paths that begin at a variable of ours, and not at one that a macro binds. */
function pathsIn(tree: Tree, bound: ReadonlySet<string>): ReadonlyArray<readonly string[]> {
  const path = memberPath(tree)
  if (path !== undefined) return bound.has(path[0] ?? '') ? [] : [path]
  const visited = comprehensionOf(tree)
  if (visited === undefined) return partsOf(tree).flatMap(part => pathsIn(part, bound))
  return [...pathsIn(visited.list, bound), ...pathsIn(visited.body, new Set([...bound, visited.variable]))]
}

/** The header that a node names: `request.headers["x-tenant"]`, or `"x-tenant" in request.headers`. */
function headerOf(node: Tree): string | undefined {
  if (node.op === 'in' && isHeaders(node.args[1])) {
    const [name] = node.args
    return name.op === 'value' && typeof name.args === 'string' ? name.args : undefined
  }
  const [root, member, name, ...more] = memberPath(node) ?? []
  return root === 'request' && member === 'headers' && more.length === 0 ? name : undefined
}

function isHeaders(tree: Tree): boolean {
  return memberPath(tree)?.join('.') === 'request.headers'
}

/** What the route of a condition has, and its gateway. */
export interface Surroundings {
  /** Names of the `:name` segments of the route. */
  readonly parameters: readonly string[]
  /** Whether a header of this name is removed from every request. Left out: none is. */
  readonly isRemoved?: (name: string) => boolean
}

/** @returns a problem with what an expression reads, where the types do not show it */
export function readsProblem(tree: Tree, { parameters, isRemoved }: Surroundings): ConditionProblem | undefined {
  const unknown = readsOf(tree).variables.difference(VARIABLES)
  for (const node of allNodes(tree)) {
    const header = headerOf(node)
    const message =
      header !== undefined
        ? headerProblem(header, isRemoved)
        : node.op === 'id'
          ? unknown.has(node.args)
            ? `there is no variable \`${node.args}\`; there are ${[...VARIABLES].join(', ')}`
            : (variableProblem(node.args, parameters) ?? wholeProblem(tree, node))
          : isHeaders(node) && !isNamedIn(tree, node)
            ? 'must name one header, as in `request.headers["x-tenant"]`'
            : undefined
    if (message !== undefined) return { message, ...extentOf(node) }
  }
  return undefined
}

function headerProblem(name: string, isRemoved: Surroundings['isRemoved']): string | undefined {
  if (name !== name.toLowerCase()) return `is written \`${name.toLowerCase()}\`: names are in lower case here`
  if (CREDENTIALS.has(name)) return 'carries a credential; what has been verified of it is in `claims`'
  return isRemoved?.(name) === true
    ? 'is removed from every request, and only what a client has forged would be seen; read what has been verified, in `claims`'
    : undefined
}

function variableProblem(name: string, parameters: readonly string[]): string | undefined {
  return name === 'params' && parameters.length === 0
    ? 'reads a parameter, and the path of the route has none; write one as `:name`'
    : undefined
}

/** Whoever could pass `request` on would find no header in it: only those are there that the expression names. */
function wholeProblem(tree: Tree, node: Extract<Tree, { op: 'id' }>): string | undefined {
  if (node.args !== 'request') return undefined
  const isPicked = allNodes(tree).some(each => memberPath(each) !== undefined && partsOf(each)[0] === node)
  return isPicked ? undefined : 'must name what it reads, as in `request.method` or `request.headers["x-tenant"]`'
}

/** Whether a header is picked out of the headers that the node stands for. */
function isNamedIn(tree: Tree, headers: Tree): boolean {
  return allNodes(tree).some(node => headerOf(node) !== undefined && partsOf(node).includes(headers))
}
