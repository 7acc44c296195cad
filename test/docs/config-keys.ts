/** Lists every key of a configuration file as its JSON Schema knows it. */
export interface ConfigKey {
  /** `providers.<id>.keys.refresh`, `routes[].id`. */
  readonly path: string
  readonly isRequired: boolean
  /** As it is written; undefined when there is none or it is a whole block. */
  readonly defaultText: string | undefined
}

interface Node {
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Node
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly default?: unknown
  readonly description?: string
}

export function configKeys(schema: string): readonly ConfigKey[] {
  return [...walk(JSON.parse(schema) as Node, '')]
}

/** What a map is keyed by, for the reader. */
const NAMES: Readonly<Record<string, string>> = { headers: '<name>', claims: '<claim>' }

function* walk(node: Node, path: string): Generator<ConfigKey> {
  for (const [key, property] of Object.entries(node.properties ?? {})) {
    const keyPath = path === '' ? key : `${path}.${key}`
    yield { path: keyPath, isRequired: node.required?.includes(key) ?? false, defaultText: defaultText(property) }
    // A JWK has members of its own, which RFC 7517 describes.
    if (key !== 'jwks') yield* walk(property, keyPath)
  }
  const { additionalProperties: entry, items } = node
  if (typeof entry === 'object') yield* walk(entry, `${path}.${NAMES[path.split('.').at(-1) ?? ''] ?? '<id>'}`)
  if (items !== undefined) yield* walk(items, `${path}[]`)
  for (const each of [...(node.anyOf ?? []), ...(node.oneOf ?? [])]) yield* walk(each, path)
}

/** Where the schema cannot carry the default, its description says it. */
function defaultText({ default: value, description = '' }: Node): string | undefined {
  if (value !== undefined && typeof value !== 'object') return String(value)
  return /Default (?:`([^`]+)`|(\d+))/.exec(description)?.slice(1).find(Boolean)
}
