/**
 * Shows a configuration as it is written, with `${NAME}` unresolved, and without what may be a secret.
 *
 * Only what the schema of the configuration knows is shown. Under a key that it does not know, in a comment, and in
 * what may be anything, anything may stand. Of a key set (RFC 7517 §4, RFC 7518 §6) the public members are shown.
 */
import { parseDocument, stringify } from 'yaml'
import { configJsonSchema } from '../../config/schema/json-schema.ts'
import { LEFT_OUT, SECRET_NAME, withoutSecrets } from './secret-looks.ts'

export interface MaskedConfig {
  /** YAML. */
  readonly text: string
  /** Every text that was not shown as it is written. None of them may stand anywhere else. */
  readonly masked: readonly string[]
}

interface JsonSchema {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
}

const PUBLIC_JWK_MEMBERS: ReadonlySet<string> = new Set([
  ...['kty', 'use', 'key_ops', 'alg', 'kid', 'x5t', 'x5t#S256', 'crv', 'x', 'y', 'n', 'e', 'pub'],
])

/** @returns undefined when the text is no YAML, so that nobody knows what in it is a key and what a value */
export function maskedConfig(text: string): MaskedConfig | undefined {
  const document = parseDocument(text.replace(/^\ufeff/, ''), { version: '1.2', schema: 'core', uniqueKeys: false })
  if (document.errors.length > 0) return undefined
  const masked: string[] = commentsIn(text)
  const written: unknown = document.toJS({ maxAliasCount: 100 })
  const value = shownValue(written, [JSON.parse(configJsonSchema()) as JsonSchema], masked)
  return { text: stringify(value, { aliasDuplicateObjects: false }), masked: [...new Set(masked)] }
}

/** The words of comments: one may hold an old password. */
function commentsIn(text: string): string[] {
  return [...text.matchAll(/(?:^|\s)#(.*)$/gm)].flatMap(([, comment = '']) =>
    comment.split(/\s+/).filter(word => word.length >= 8 && withoutSecrets(word) !== word),
  )
}

function shownValue(value: unknown, schemas: readonly JsonSchema[], masked: string[]): unknown {
  const possible = schemas.flatMap(alternatives)
  if (possible.length === 0) return hidden(value, masked)
  if (Array.isArray(value)) {
    const items = possible.flatMap(({ items: each }) => (each === undefined ? [] : [each]))
    return value.map(item => shownValue(item, items, masked))
  }
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => shownMember(key, item, possible, masked)))
  return shownScalar(value, possible, masked)
}

function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
  return inner.length === 0 ? [schema] : inner.flatMap(alternatives)
}

function shownMember(
  key: string,
  item: unknown,
  possible: readonly JsonSchema[],
  masked: string[],
): readonly [string, unknown] {
  const known = possible.flatMap(({ properties }) =>
    properties !== undefined && Object.hasOwn(properties, key) ? [properties[key] as JsonSchema] : [],
  )
  if (known.length > 0)
    return key === 'jwks' ? [key, shownKeySet(item, masked)] : [key, shownValue(item, known, masked)]
  const chosen = possible.flatMap(({ additionalProperties: any }) =>
    typeof any === 'object' && Object.keys(any).length > 0 ? [any] : [],
  )
  if (chosen.length === 0) return [unknownName(key, masked), hidden(item, masked, key)]
  // A name that somebody has chosen may say that its value is a secret.
  const isHidden = SECRET_NAME.test(key) && typeof item === 'string'
  return [shownText(key, masked), isHidden ? hidden(item, masked, key) : shownValue(item, chosen, masked)]
}

function shownScalar(value: unknown, possible: readonly JsonSchema[], masked: string[]): unknown {
  if (typeof value !== 'string') return value
  return possible.some(({ const: only, enum: some }) => only === value || some?.includes(value) === true)
    ? value
    : shownText(value, masked)
}

function shownText(text: string, masked: string[]): string {
  const parts = text.split(/(\$\{[^}]*\})/)
  return parts.map((part, index) => (index % 2 === 1 ? shownReference(part, masked) : shownPart(part, masked))).join('')
}

/** The default of a reference may be what its variable should hold. */
function shownReference(reference: string, masked: string[]): string {
  const [, head, fallback] = /^(\$\{[A-Za-z_]\w*:-)(.+)\}$/s.exec(reference) ?? []
  if (head === undefined || fallback === undefined) return shownPart(reference, masked)
  if (!SECRET_NAME.test(head) && withoutSecrets(fallback) === fallback) return reference
  masked.push(fallback)
  return `${head}${LEFT_OUT}}`
}

function shownPart(text: string, masked: string[]): string {
  const shown = withoutSecrets(text)
  if (shown !== text) masked.push(...removed(text))
  return shown
}

/** What a text has lost: a URL itself may be said elsewhere, but not what stood before its host or in its query. */
function removed(text: string): readonly string[] {
  const inUrls = [...text.matchAll(/:\/\/(?:([^\s/?#@]*)@)?[^\s?#]*(?:[?#](\S*))?/g)].flatMap(
    ([, user = '', query = '']) => [...user.split(':'), ...query.split(/[&=]/)],
  )
  const words = text.split(/[\s"'`,;/?#&=@]+/).filter(word => withoutSecrets(word) !== word)
  return [...inUrls, ...words].filter(part => part.length >= 4)
}

/** @param key under which the value stands, where that is known */
function hidden(value: unknown, masked: string[], key = ''): string | boolean | null {
  if (value === null || typeof value === 'boolean') return value
  if (Array.isArray(value)) for (const item of value) hidden(item, masked, key)
  else if (typeof value === 'object')
    for (const [name, item] of Object.entries(value)) {
      unknownName(name, masked)
      hidden(item, masked, name)
    }
  // A plain word, such as `public`, is looked for elsewhere only where its key says that it is a secret.
  else if (SECRET_NAME.test(key) || !/^[a-z]{1,12}$/.test(String(value))) masked.push(String(value))
  return LEFT_OUT
}

/** A key that nobody knows is mostly a slip of the pen, which is worth seeing. */
function unknownName(name: string, masked: string[]): string {
  if (/^[A-Za-z_-]{1,32}$/.test(name)) return name
  masked.push(name)
  return LEFT_OUT
}

function shownKeySet(value: unknown, masked: string[]): unknown {
  if (Array.isArray(value)) return value.map(item => shownKeySet(item, masked))
  if (typeof value !== 'object' || value === null) return hidden(value, masked)
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (key === 'keys') return [key, shownKeySet(item, masked)]
      return PUBLIC_JWK_MEMBERS.has(key) ? [key, item] : [unknownName(key, masked), hidden(item, masked, key)]
    }),
  )
}
