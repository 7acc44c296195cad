/**
 * Shows what a condition compared, and with which values: for those who explain a decision to its owner.
 *
 * Each comparison that stands outside of `exists` and its like is evaluated by itself. What a list was visited with is
 * not shown, since its elements are many.
 */
import type { Activation } from './condition.ts'
import { evaluator } from './evaluator.ts'
import { Failure } from './failure.ts'
import { allNodes, comprehensionOf, partsOf, type Tree, textOf } from './tree.ts'

const COMPARING: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in'])
const LONGEST_VALUE = 60
/** Nobody else waits for an explanation. */
const MOST_SPENT_NS = 10_000_000

export interface ShownComparison {
  /** As it is written. */
  readonly text: string
  /** The values of its two sides; of a side that is written out, there is none. */
  readonly saw: string
}

/** @returns the comparisons in the order of the text; of an expression without any, the whole of it */
export function comparisonsOf(tree: Tree, values: Activation): readonly ShownComparison[] {
  return outermost(tree).map(node => ({ text: textOf(node), saw: sidesOf(node).flatMap(sideText).join(', ') }))

  function sideText(side: Tree): readonly string[] {
    if (side.op === 'value' || (side.op === 'list' && side.args.every(({ op }) => op === 'value'))) return []
    return [`${textOf(side)} is ${shownValue(evaluator(side)(values, MOST_SPENT_NS))}`]
  }
}

function outermost(tree: Tree): readonly Tree[] {
  if (COMPARING.has(tree.op) || comprehensionOf(tree) !== undefined || tree.op === 'rcall' || tree.op === 'call')
    return [tree]
  const found = partsOf(tree).flatMap(outermost)
  return found.length === 0 && tree.op !== 'value' && tree.op !== 'id' ? [tree] : found
}

function sidesOf(tree: Tree): readonly Tree[] {
  const visited = comprehensionOf(tree)
  if (visited !== undefined) return [visited.list]
  if (tree.op === 'rcall') return [tree.args[1], ...tree.args[2]]
  if (tree.op === 'call' && tree.args[0] === 'has') return allNodes(tree).slice(-1)
  return COMPARING.has(tree.op) ? partsOf(tree) : [tree]
}

/** Writes a value of CEL as JSON, cut where it is long. */
function shownValue(value: unknown): string {
  if (value instanceof Failure) return value.error
  const text =
    JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? Number(each) : each)) ?? 'nothing'
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text
}
