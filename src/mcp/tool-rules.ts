/** Finds what a route asks of the caller of a tool: the rule of its name, or else of the longest beginning of it. */

export interface ToolRule {
  /** As it is written in the configuration. */
  readonly name: string
  /** Scopes that are needed on top of the route's. */
  readonly scopes: readonly string[]
}

/** @param tools as written: a name, or its beginning with `*` behind it → its scopes */
export function toolRules(
  tools: Readonly<Record<string, { readonly scopes?: readonly string[] | undefined }>>,
): (tool: string) => ToolRule | undefined {
  const rules = Object.entries(tools).map(([name, { scopes = [] }]) => Object.freeze({ name, scopes }))
  const exact = new Map(rules.filter(({ name }) => !name.endsWith('*')).map(rule => [rule.name, rule]))
  const beginnings = rules
    .filter(({ name }) => name.endsWith('*'))
    .map(rule => ({ rule, beginning: rule.name.slice(0, -1) }))
    .toSorted((one, other) => other.beginning.length - one.beginning.length)
  return tool => exact.get(tool) ?? beginnings.find(({ beginning }) => tool.startsWith(beginning))?.rule
}
