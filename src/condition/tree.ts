/**
 * Walks the tree of an expression, as the library makes it. What is a child of what is known to this file alone.
 *
 * CEL specification, "Syntax" and "Macros". A macro binds a variable: `claims.roles.exists(r, r == 'x')` binds `r`.
 */
import type { ASTNode } from '@marcbachmann/cel-js'

export type Tree = ASTNode

/** Each of them visits a list, once for every element. */
export const COMPREHENSIONS = ['exists', 'all', 'exists_one'] as const

export interface Comprehension {
  readonly kind: (typeof COMPREHENSIONS)[number]
  readonly list: Tree
  readonly variable: string
  readonly body: Tree
}

/** @returns undefined for anything but a macro that visits a list */
export function comprehensionOf(tree: Tree): Comprehension | undefined {
  if (tree.op !== 'rcall') return undefined
  const [name, list, [variable, body, ...more]] = tree.args
  const kind = COMPREHENSIONS.find(each => each === name)
  if (kind === undefined || variable?.op !== 'id' || body === undefined || more.length > 0) return undefined
  return { kind, list, variable: variable.args, body }
}

/** @returns what a node is made of; the variable that a macro binds is no part of it */
export function partsOf(tree: Tree): readonly Tree[] {
  const visited = comprehensionOf(tree)
  if (visited !== undefined) return [visited.list, visited.body]
  switch (tree.op) {
    case 'value':
    case 'id':
      return []
    case '.':
    case '.?':
      return [tree.args[0]]
    case 'call':
      return tree.args[1]
    case 'rcall':
      return [tree.args[1], ...tree.args[2]]
    case 'list':
      return tree.args
    case 'map':
      return tree.args.flat()
    case '!_':
    case '-_':
      return [tree.args]
    default:
      return tree.args
  }
}

/** Lists a node and everything below it, the node first. */
export function allNodes(tree: Tree): readonly Tree[] {
  return [tree, ...partsOf(tree).flatMap(allNodes)]
}

/** How many nodes there are from the root down to the deepest one. */
export function depthOf(tree: Tree): number {
  return 1 + Math.max(0, ...partsOf(tree).map(depthOf))
}

/** A path like `claims.address.country`: a variable and the names of members; undefined for any other node. */
export function memberPath(tree: Tree): readonly string[] | undefined {
  if (tree.op === 'id') return [tree.args]
  if (tree.op === '.') return extended(tree.args[0], tree.args[1])
  if (tree.op !== '[]') return undefined
  const [of, member] = tree.args
  return member.op === 'value' && typeof member.args === 'string' ? extended(of, member.args) : undefined
}

function extended(of: Tree, name: string): readonly string[] | undefined {
  const path = memberPath(of)
  return path && [...path, name]
}

/** Where the node begins and ends in the text. The library places `a.b` at `b`. */
export function extentOf(tree: Tree): { readonly start: number; readonly end: number } {
  const extents = [tree.range, ...partsOf(tree).map(extentOf)]
  return {
    start: Math.min(...extents.map(({ start }) => start)),
    end: Math.max(...extents.map(({ end }) => end)),
  }
}

/** The node as it is written. */
export function textOf(tree: Tree): string {
  const { start, end } = extentOf(tree)
  return tree.input.slice(start, end)
}
