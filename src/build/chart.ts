/**
 * Makes the files of the Helm chart that have their source elsewhere: the schema of its values, and the PodMonitor,
 * rules and dashboard of `k8s/monitoring`. They are copies and no links, since a package (`npm pack`) holds no links.
 *
 * The schema is that of the chart's own values, with the schema of the configuration file in place of `config`. Helm
 * reads it with the regular expressions of Go, which look neither ahead nor back, and names every alternative of a
 * `oneOf` that does not match; so the chart's copy is a little more lenient, and asks for the type of a provider first.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { configJsonSchema } from '../config/schema/json-schema.ts'
import { chartValues } from './chart-values.ts'

const MONITORING = ['pod-monitor.yaml', 'prometheus-rule.yaml', 'dashboard.json'] as const

/** @returns the text of each file, by its path in the chart */
export function chartFiles(root: string): ReadonlyMap<string, string> {
  const copies = MONITORING.map(
    name => [`files/${name}`, readFileSync(join(root, 'k8s/monitoring', name), 'utf8')] as const,
  )
  return new Map([['values.schema.json', valuesSchema()], ...copies])
}

function valuesSchema(): string {
  const { $schema: _dialect, title: _title, ...config } = JSON.parse(configJsonSchema(), forGo) as JsonObject
  const values = z.toJSONSchema(chartValues, { io: 'input' })
  const schema = {
    ...values,
    title: 'Values of the chart of Sallyport',
    // A configuration of one's own in a ConfigMap takes the place of `config`.
    if: { properties: { existingConfigMap: { maxLength: 0 } } },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema calls it so.
    then: { properties: { config } },
  }
  return `${JSON.stringify(schema, undefined, 1)}\n`
}

type JsonObject = Readonly<Record<string, unknown>>

function forGo(key: string, value: unknown): unknown {
  if (key === 'pattern' && typeof value === 'string') return value.replaceAll(/\(\?[=!][^()]*\)/g, '')
  return isObject(value) && Array.isArray(value.oneOf) ? byKind(value, value.oneOf) : value
}

/** Turns alternatives that one key tells apart, as `type` does with providers, into conditions on this key. */
function byKind({ oneOf, ...rest }: JsonObject, alternatives: readonly unknown[]): JsonObject {
  const kinds = alternatives.map(constants)
  const key = Object.keys(kinds[0] ?? {}).find(name => kinds.every(each => each[name] !== undefined))
  if (key === undefined) return { ...rest, oneOf }
  return {
    ...rest,
    type: 'object',
    properties: { [key]: { enum: kinds.map(each => each[key]) } },
    required: [key],
    allOf: alternatives.map((each, index) => ({
      if: { properties: { [key]: { const: kinds[index]?.[key] } }, required: [key] },
      // biome-ignore lint/suspicious/noThenProperty: JSON Schema calls it so.
      then: each,
    })),
  }
}

/** @returns the keys that an alternative requires to have one certain value, with this value */
function constants(alternative: unknown): JsonObject {
  if (!isObject(alternative) || !isObject(alternative.properties) || !Array.isArray(alternative.required)) return {}
  const { properties, required } = alternative
  const entries = required.map((key: string) => [key, isObject(properties[key]) ? properties[key].const : undefined])
  return Object.fromEntries(entries)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
