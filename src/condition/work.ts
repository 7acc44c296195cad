/**
 * Bounds what the conditions of a route can cost, whatever is in a token: they never hold up the others for more than a
 * millisecond.
 *
 * What grows with a value is paid for by its size when it is met: visiting a list, comparing two claims, searching a
 * text. Who has nothing left goes no further, and the condition refuses. Prices are those of `bench/micro`.
 */
import { allNodes, comprehensionOf, partsOf, type Tree } from './tree.ts'

/**
 * What the conditions of a route may spend together. Counting the members of a block is paid for afterwards, and that
 * of one that fills the largest token takes most of the millisecond.
 */
const BUDGET_NS = 160_000

/** Every condition may read what is written in it. */
const WRITTEN_NS = 10_000

export const PRICES_NS = {
  /** Of a part of the expression. */
  part: 15,
  /** Of a function or a method. */
  call: 120,
  /** Of the calendar of a time zone. */
  zone: 6_000,
  /** Of an element that is looked at. */
  element: 8,
  /** Of two lists that are compared, besides their elements. */
  lists: 50,
  /** Of two blocks that are compared, besides their members. */
  blocks: 150,
  /** Of a member of a block that is compared or counted. */
  member: 60,
  /** Of a character that is compared, copied or counted. */
  character: 2,
} as const

/** What is left to a condition for one request. */
export interface Purse {
  leftNs: number
}

/** How much a condition may need of what its route has: the number of places whose cost depends on a value. */
export function placesIn(tree: Tree): number {
  return allNodes(tree).filter(dependsOnSize).length
}

const DEPENDING: ReadonlySet<Tree['op']> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in', '+', 'call', 'rcall'])

/** What is compared with something that is written costs no more than that is long. */
function dependsOnSize(node: Tree): boolean {
  if (!DEPENDING.has(node.op) || (node.op === 'call' && node.args[0] === 'has')) return false
  return node.op === 'in' || node.op === 'rcall' || !partsOf(node).some(({ op }) => op === 'value')
}

/**
 * @param places those of a condition
 * @param of those of all conditions of the route
 * @returns what the condition may spend
 */
export function budgetNs(places: number, of: number): number {
  return WRITTEN_NS + (places === 0 ? 0 : (BUDGET_NS * places) / of)
}

/** @returns what evaluating it once costs, without what is paid for by the size of values */
export function costNs(tree: Tree): number {
  const isCalled = (tree.op === 'call' || tree.op === 'rcall') && comprehensionOf(tree) === undefined
  const own: number = isCalled ? PRICES_NS.call : PRICES_NS.part
  return partsOf(tree).reduce((sum, part) => sum + costNs(part), own)
}
