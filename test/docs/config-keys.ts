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
  /** At the top level, what is required may be in an included file. */
  readonly else?: Pick<Node, 'required'>
  readonly additionalProperties?: boolean | Node
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly default?: unknown
  readonly const?: unknown
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
    yield {
      path: keyPath,
      isRequired: (node.required ?? node.else?.required)?.includes(key) ?? false,
      defaultText: defaultText(property),
    }
    // A JWK has members of its own, which RFC 7517 describes.
    if (key !== 'jwks') yield* walk(property, keyPath)
  }
  const { additionalProperties: entry, items } = node
  if (typeof entry === 'object') yield* walk(entry, `${path}.${NAMES[path.split('.').at(-1) ?? ''] ?? '<id>'}`)
  if (items !== undefined) yield* walk(items, `${path}[]`)
  for (const each of node.anyOf ?? []) yield* walk(each, path)
  const members = node.oneOf ?? []
  if (members.length > 1 && !path.endsWith('>')) yield* unitedKeys(members, path)
  else for (const each of members) yield* walk(each, members.length > 1 ? memberPath(each, path) : path)
}

/** A block of several kinds has one table: a key is required there if every kind requires it. */
function unitedKeys(members: readonly Node[], path: string): readonly ConfigKey[] {
  const keys = Map.groupBy(
    members.flatMap(each => [...walk(each, path)]),
    key => key.path,
  )
  return [...keys.values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : [{ ...first, isRequired: others.length === members.length - 1 && [first, ...others].every(isRequired) }],
  )
}

function isRequired(key: ConfigKey): boolean {
  return key.isRequired
}

/** Names the member of a union, which a key tells apart: `providers.<jwt>`. */
function memberPath({ properties = {} }: Node, path: string): string {
  const name = Object.values(properties).find(property => property.const !== undefined)?.const
  return path.replace(/<\w+>$/, `<${String(name)}>`)
}

/** Where the schema cannot carry the default, its description says it. */
function defaultText({ default: value, description = '' }: Node): string | undefined {
  if (value !== undefined && typeof value !== 'object') return String(value)
  return /Default (?:`([^`]+)`|(\d+))/.exec(description)?.slice(1).find(Boolean)
}
