/**
 * Finds what a route asks of the caller of a tool: the rule of its name, or else of the longest beginning of it.
 *
 * Names are compared byte for byte. A service that ignores letter case would take `Orders.Delete` for `orders.delete`,
 * so a name counts as ambiguous that such a service would find under another rule.
 */
import { foldedName } from './folded-name.ts'

interface ToolRule {
  /** As it is written in the configuration. */
  readonly name: string
  /** Scopes that are needed on top of the route's. */
  readonly scopes: readonly string[]
}

interface ToolRules {
  /** @returns undefined for a tool that has no rule */
  ruleOf(tool: string): ToolRule | undefined
  /** @returns the rule that a service with a laxer reading of names would find; undefined if it is the same */
  otherReading(tool: string): ToolRule | undefined
}

/** What is asked of the caller of one tool. */
export interface ToolDemand {
  /** Undefined for a tool that has no rule. */
  readonly rule: ToolRule | undefined
  /** Scopes on top of the route's; undefined where nobody may call the tool. */
  readonly scopes: readonly string[] | undefined
  /** The rule that a service with a laxer reading would go by, where that is why nobody may. */
  readonly readAs: ToolRule | undefined
}

export function demandOf(rules: ToolRules, others: 'refuse' | 'allow', tool: string): ToolDemand {
  const rule = rules.ruleOf(tool)
  const other = rules.otherReading(tool)
  const asked = rule?.scopes ?? (others === 'allow' ? [] : undefined)
  const readAs = other?.scopes.some(scope => asked?.includes(scope) === false) === true ? other : undefined
  return { rule, scopes: readAs === undefined ? asked : undefined, readAs }
}

/** @param tools as written: a name, or its beginning with `*` behind it → its scopes */
export function toolRules(
  tools: Readonly<Record<string, { readonly scopes?: readonly string[] | undefined }>>,
): ToolRules {
  const rules = Object.entries(tools).map(([name, { scopes = [] }]) => Object.freeze({ name, scopes }))
  const written = finder(rules, name => name)
  const lax = finder(rules, foldedName)
  return {
    ruleOf: written,
    otherReading(tool) {
      const rule = written(tool)
      if (rule?.name === tool) return undefined
      const other = lax(foldedName(tool))
      return other === rule ? undefined : other
    },
  }
}

function finder(rules: readonly ToolRule[], spell: (name: string) => string): (tool: string) => ToolRule | undefined {
  const exact = new Map(rules.filter(({ name }) => !name.endsWith('*')).map(rule => [spell(rule.name), rule]))
  const beginnings = rules
    .filter(({ name }) => name.endsWith('*'))
    .map(rule => ({ rule, beginning: spell(rule.name.slice(0, -1)) }))
    .toSorted((one, other) => other.beginning.length - one.beginning.length)
  return tool => exact.get(tool) ?? beginnings.find(({ beginning }) => tool.startsWith(beginning))?.rule
}
