/**
 * Bounds what a condition can cost with the largest token: no route holds up the others for more than a millisecond.
 *
 * What visits a list (`exists`, `all`, `exists_one`, `in`) is charged when it is judged, by the length of the list,
 * before anything is visited. What reads a claim as a whole is counted when the configuration is read. Prices are those
 * of `bench/micro`, and a failure is the dearest: an element that is not what was expected costs as much as 40 parts.
 */
import { allNodes, comprehensionOf, memberPath, partsOf, type Tree, textOf } from './tree.ts'

/** How often the conditions of a route may read a claim as a whole: compare two of them, ask for a size, search one. */
export const MOST_SCANS = 2

/** What the visits of all conditions of a route may cost together. */
const BUDGET_NS = 560_000
const [NODE_NS, MEMBERSHIP_NS, FAILURE_NS] = [60, 25, 2_500]

/** A place that visits every element of a list. */
interface Visit {
  readonly text: string
  readonly path: readonly string[]
  readonly elementNs: number
  /** Whether it visits the names of a block, too. Looking for one of them costs nothing. */
  readonly isOfNames: boolean
}

export interface Work {
  readonly visits: readonly Visit[]
  /** What the visits cost for lists of one element. */
  readonly elementNs: number
  readonly scans: number
}

export function workOf(tree: Tree): Work {
  const visits = allNodes(tree).flatMap(visitOf)
  return {
    visits,
    elementNs: visits.reduce((sum, visit) => sum + visit.elementNs, 0),
    scans: allNodes(tree).filter(isScan).length,
  }
}

/**
 * @param of what the conditions of the route visit together
 * @returns the list that is too long to be visited, as it is written
 */
export function tooLong(work: Work, values: Readonly<Record<string, unknown>>, of: number): string | undefined {
  if (work.visits.length === 0) return undefined
  let left = (BUDGET_NS * work.elementNs) / of
  for (const visit of work.visits) {
    left -= lengthOf(visit, values) * visit.elementNs
    if (left < 0) return visit.text
  }
  return undefined
}

function lengthOf({ path, isOfNames }: Visit, values: Readonly<Record<string, unknown>>): number {
  let value: unknown = values
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return 0
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  if (Array.isArray(value)) return value.length
  return isOfNames && typeof value === 'object' && value !== null ? Object.keys(value).length : 0
}

function visitOf(node: Tree): readonly Visit[] {
  const visited = comprehensionOf(node)
  const list = visited?.list ?? (node.op === 'in' ? node.args[1] : undefined)
  const path = list && memberPath(list)
  if (list === undefined || path === undefined) return []
  const elementNs = visited === undefined ? MEMBERSHIP_NS : bodyNs(visited.body, path[0] === 'claims')
  return [{ text: textOf(list), path, elementNs, isOfNames: visited !== undefined }]
}

/** The elements of a claim may be anything, and those of the other lists are texts, so that nothing fails. */
function bodyNs(body: Tree, isOfClaims: boolean): number {
  const nodes = allNodes(body).length + 1
  return nodes * NODE_NS + (isOfClaims ? failuresIn(body) * FAILURE_NS : 0)
}

const ORDERING: ReadonlySet<string> = new Set(['<', '<=', '>', '>=', '-', '*', '/', '%', '-_', 'call', 'rcall', 'in'])
const JOINING: ReadonlySet<string> = new Set(['&&', '||', '!_', '?:'])

/** How many parts fail at worst for one element, each by itself. */
function failuresIn(tree: Tree): number {
  const path = memberPath(tree)
  if (path !== undefined) return path.length > 1 ? 1 : 0
  const below = partsOf(tree).reduce((sum, part) => sum + failuresIn(part), 0)
  const failsItself =
    ORDERING.has(tree.op) || (JOINING.has(tree.op) && partsOf(tree).some(part => memberPath(part) !== undefined))
  return below + (tree.op === '[]' || failsItself ? 1 : 0)
}

const COMPARING: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>='])

function isScan(node: Tree): boolean {
  if (COMPARING.has(node.op)) return partsOf(node).every(isLong)
  if (node.op === 'call') return node.args[0] !== 'has' && node.args[1].some(isLong)
  return node.op === 'rcall' && ['size', 'contains'].includes(node.args[0]) && isLong(node.args[1])
}

/** Whether a value may be as large as a token or a head. */
function isLong(tree: Tree): boolean {
  if (tree.op === 'value' || tree.op === 'list') return false
  const [root] = memberPath(tree) ?? []
  if (root === 'params' || root === 'provider' || root === 'now') return false
  return tree.op !== 'call' || tree.args[0] === 'string'
}
