/**
 * Finds conditions (`require.when`) that are accepted and probably do not say what was meant.
 *
 * CEL specification. What is missing is an error there, and an error refuses, also under a negation. Numbers of claims
 * are doubles, which no whole number can be added to.
 */
import { type Condition, readCondition } from '../../condition/condition.ts'
import { allNodes, memberPath, partsOf, type Tree, textOf } from '../../condition/tree.ts'
import type { Path } from '../../config/check/findings.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { parameterNames } from '../../route/pattern.ts'
import { knownClaims } from './known-claims.ts'

interface DoubtfulCondition {
  readonly code: 'condition-claim-missing' | 'condition-never-holds' | 'condition-slash'
  readonly path: Path
  readonly message: string
}

export function doubtfulConditions(config: Config): readonly DoubtfulCondition[] {
  return config.routes.flatMap((route, index) =>
    (route.require?.when ?? []).flatMap(({ text, at }) => {
      const condition = readCondition(text, { parameters: parameterNames(route.path) })
      if ('message' in condition) return []
      const path = ['routes', index, 'require', 'when', ...at]
      return [
        ...missingClaims(condition, knownClaims(config, route)).map(message => ({
          code: 'condition-claim-missing' as const,
          path,
          message,
        })),
        ...wholeNumbers(condition).map(message => ({ code: 'condition-never-holds' as const, path, message })),
        ...secondsAsTimes(condition).map(message => ({ code: 'condition-never-holds' as const, path, message })),
        ...slashes(condition, route).map(message => ({ code: 'condition-slash' as const, path, message })),
      ]
    }),
  )
}

/** A claim that makes a negation fail where its author thinks of it as not there, so that all is well. */
function missingClaims({ tree }: Condition, known: ReadonlySet<string>): readonly string[] {
  const asked = new Set(allNodes(tree).flatMap(askedFor))
  const doubtful = allNodes(tree).flatMap(node => (isNegation(node) ? allNodes(node) : joinedBy(node)))
  const texts = doubtful.flatMap(node => {
    const path = memberPath(node)
    const [root, claim, ...more] = path ?? []
    if (root !== 'claims' || claim === undefined || more.length > 0) return []
    return known.has(claim) || asked.has(claim) ? [] : [textOf(node)]
  })
  return [...new Set(texts)].map(
    text =>
      `refuses a token without \`${text}\`, also where that is negated; write \`!has(${text}) || …\` or \`has(${text}) && …\` to say which is meant`,
  )
}

function isNegation({ op }: Tree): boolean {
  return op === '!_' || op === '!='
}

/** Claims that have to be true or false by themselves. */
function joinedBy(node: Tree): readonly Tree[] {
  return node.op === '&&' || node.op === '||' ? partsOf(node) : []
}

function askedFor(node: Tree): readonly string[] {
  if (node.op === 'in') {
    const [name, container] = node.args
    return name.op === 'value' && typeof name.args === 'string' && memberPath(container)?.join('.') === 'claims'
      ? [name.args]
      : []
  }
  if (node.op !== 'call' || node.args[0] !== 'has') return []
  return node.args[1].flatMap(member => memberPath(member)?.slice(1, 2) ?? [])
}

const ARITHMETIC: ReadonlySet<string> = new Set(['+', '-', '*', '/', '%'])

function wholeNumbers({ tree }: Condition): readonly string[] {
  return allNodes(tree).flatMap(node => {
    const parts = ARITHMETIC.has(node.op) ? partsOf(node) : []
    const whole = parts.find(({ op, args }) => op === 'value' && typeof args === 'bigint')
    const isOfClaim = parts.some(part => memberPath(part)?.[0] === 'claims')
    return whole !== undefined && isOfClaim
      ? [
          `always fails at \`${textOf(node)}\`: numbers of claims are doubles, which count with no whole number; write \`${textOf(whole)}.0\``,
        ]
      : []
  })
}

const COMPARING: ReadonlySet<Tree['op']> = new Set(['==', '<', '<=', '>', '>=', '-'])

/** `claims.exp > now` compares a number of seconds with an instant. */
function secondsAsTimes({ tree }: Condition): readonly string[] {
  return allNodes(tree).flatMap(node => {
    const roots = COMPARING.has(node.op) ? partsOf(node).map(rootOf) : []
    return roots.includes('claims') && roots.includes('now')
      ? [
          `never holds at \`${textOf(node)}\`: times in claims are numbers of seconds, and \`now\` is an instant; \`exp\` and \`nbf\` are judged anyway, and \`tokenAge\` and \`authAge\` ask for how long ago`,
        ]
      : []
  })
}

/** The variable that a part is of, also where something is added to it. */
function rootOf(tree: Tree): string | undefined {
  if (tree.op === '+' || tree.op === '-')
    return partsOf(tree)
      .map(rootOf)
      .find(root => root !== undefined)
  return tree.op === 'call' && tree.args[0] === 'timestamp' ? 'now' : memberPath(tree)?.[0]
}

function slashes({ tree, reads }: Condition, { pathAllow = [] }: RouteConfig): readonly string[] {
  if (!reads.variables.has('params') || !pathAllow.includes('encodedSlash')) return []
  const isAsked = allNodes(tree).some(
    node => node.op === 'rcall' && node.args[0] === 'contains' && memberPath(node.args[1])?.[0] === 'params',
  )
  return isAsked
    ? []
    : [
        'reads a parameter that may hold `/`, since `pathAllow` takes `%2F`, which is decoded here; refuse it by `!params.….contains("/")`, or leave `encodedSlash` out',
      ]
}
