/** Tests the JSON Schema of the configuration against files that the loader accepts or refuses. */
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { configJsonSchema } from '../../../src/config/schema/json-schema.ts'
import { CONTRACT } from '../contract.ts'
import { SMALL } from '../support.ts'

const root = new URL('../../../', import.meta.url)

test('config/sallyport.schema.json is up to date (npm run schema)', () => {
  expect(readFileSync(new URL('config/sallyport.schema.json', root), 'utf8')).toBe(configJsonSchema())
})

describe('the schema', () => {
  test.each([
    ['the example of the contract', CONTRACT],
    ['the smallest file', SMALL],
    ['the demo', readFileSync(new URL('config/demo.yaml', root), 'utf8')],
    [
      'references to the environment',
      `${SMALL}tokenCache: { entries: "\${N}" }\nlog: { level: "\${L}" }\nidentity: { maxBytes: "\${M}" }\n`,
    ],
  ])('accepts %s', async (_, text) => {
    expect(await problemsOf(text)).toBeUndefined()
  })

  test.each([
    ['an unknown key', `${SMALL}lgo: {}\n`],
    ['an unknown key of a route', SMALL.replace('path', 'pth: /, path')],
    ['an unknown value', `${SMALL}log: { level: inf }\n`],
    ['a duration without a unit', `${SMALL}limits: { headersTimeout: 10 }\n`],
    ['a missing audience', SMALL.replace('audiences', 'audience')],
  ])('refuses %s', async (_, text) => {
    expect(await problemsOf(text)).toContain('body')
  })

  test('describes every key and closes every block', () => {
    const undescribed: string[] = []
    walk(JSON.parse(configJsonSchema()), '', undescribed)
    expect(undescribed).toEqual([])
  })
})

/** Returns what Ajv finds. Fastify brings Ajv along, so no dependency is needed. */
async function problemsOf(text: string): Promise<string | undefined> {
  const { $schema, ...schema } = JSON.parse(configJsonSchema())
  const app = Fastify({
    ajv: { customOptions: { allowUnionTypes: true, coerceTypes: false, useDefaults: false, removeAdditional: false } },
  })
  app.post('/', { schema: { body: schema } }, () => ({}))
  const reply = await app.inject({ method: 'POST', url: '/', payload: parse(text) })
  await app.close()
  return reply.json().message
}

interface Node {
  readonly properties?: Readonly<Record<string, Node & { readonly description?: string }>>
  readonly additionalProperties?: boolean | Node
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
}

function walk(schema: Node, path: string, undescribed: string[]): void {
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    // A JWK may have members that the schema does not describe.
    if (key === 'jwks') continue
    if (property.description === undefined) undescribed.push(`${path}.${key}`)
    walk(property, `${path}.${key}`, undescribed)
  }
  if (schema.properties !== undefined && schema.additionalProperties !== false) undescribed.push(`${path} is open`)
  if (typeof schema.additionalProperties === 'object') walk(schema.additionalProperties, `${path}.*`, undescribed)
  for (const each of [schema.items ?? [], schema.anyOf ?? [], schema.oneOf ?? []].flat()) walk(each, path, undescribed)
}
