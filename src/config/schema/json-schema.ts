/**
 * Makes the JSON Schemas of the configuration file and of one that it includes, for completion and checks in an editor.
 *
 * JSON Schema 2020-12. Each describes a file as it is written, with shorthand forms and with units as text. Wherever a
 * value has to have a certain form, a reference to the environment is allowed, too, since the loader resolves it first.
 * Rules that span keys are not in the schemas; `sallyport check` knows them.
 */
import * as z from 'zod'
import { configSchema } from './schema.ts'

type JsonSchema = z.core.JSONSchema.BaseSchema

/** Returns the text of `config/sallyport.schema.json`. */
export function configJsonSchema(): string {
  const { required = [], ...schema } = withReferences(z.toJSONSchema(configSchema, { io: 'input' }))
  const { minItems = 0 } = routesOf(schema)
  // Where other files are included, what every configuration needs may be in one of them.
  const alone = {
    required,
    properties: { routes: { type: 'array' as const, minItems } },
    // One of the two listeners is needed.
    if: { required: ['decide'] },
    else: { required: ['listen'] },
  }
  return schemaText({ ...withAnyRoutes(schema), if: { required: ['include'] }, else: alone }, 'Sallyport configuration')
}

/** Returns the text of `config/sallyport-included.schema.json`. What a file may set is said where it is named. */
export function includedJsonSchema(): string {
  const included = configSchema.omit({ include: true }).partial()
  const schema = withReferences(z.toJSONSchema(included, { io: 'input' }))
  return schemaText(withAnyRoutes(schema), 'Sallyport included file')
}

function schemaText(schema: JsonSchema, title: string): string {
  return `${JSON.stringify({ ...schema, patternProperties: EXTENSIONS, title }, undefined, 2)}\n`
}

/** One of several files may have no route yet. */
function withAnyRoutes(schema: JsonSchema): JsonSchema {
  const { minItems, ...routes } = routesOf(schema)
  return { ...schema, properties: { ...schema.properties, routes } }
}

function routesOf({ properties }: JsonSchema): JsonSchema {
  const routes = properties?.routes
  return isSchema(routes) ? routes : {}
}

/** The loader ignores these keys, which are a place for anchors. */
const EXTENSIONS = { '^x-': {} }

const REFERENCE: JsonSchema = { type: 'string', pattern: '\\$\\{' }

function withReferences(schema: JsonSchema): JsonSchema {
  const { description, default: fallback, ...bound } = schema
  if (schema.pattern !== undefined) return { ...schema, pattern: `${schema.pattern}|${REFERENCE.pattern}` }
  if (schema.type === 'integer' || schema.type === 'boolean' || schema.enum !== undefined)
    return withoutUndefined({ description, default: fallback, anyOf: [bound, REFERENCE] })
  return {
    ...schema,
    ...(schema.properties && { properties: mapped(schema.properties) }),
    ...(isSchema(schema.items) && { items: withReferences(schema.items) }),
    ...(isSchema(schema.additionalProperties) && { additionalProperties: withReferences(schema.additionalProperties) }),
    ...(schema.anyOf && { anyOf: schema.anyOf.filter(isSchema).map(withReferences) }),
    ...(schema.oneOf && { oneOf: schema.oneOf.filter(isSchema).map(withReferences) }),
  }
}

function mapped(properties: Readonly<Record<string, unknown>>): Record<string, JsonSchema> {
  const entries = Object.entries(properties)
  return Object.fromEntries(entries.flatMap(([key, value]) => (isSchema(value) ? [[key, withReferences(value)]] : [])))
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function withoutUndefined(members: Readonly<Record<string, unknown>>): JsonSchema {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}
