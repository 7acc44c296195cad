/** Tests the JSON Schema of the configuration against files that the loader accepts or refuses. */
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { configJsonSchema, includedJsonSchema } from '../../../src/config/schema/json-schema.ts'
import { CONTRACT } from '../contract.ts'
import { SMALL } from '../support.ts'

const root = new URL('../../../', import.meta.url)

test.each([
  ['sallyport.schema.json', configJsonSchema],
  ['sallyport-included.schema.json', includedJsonSchema],
])('config/%s is up to date (npm run schema)', (name, written) => {
  expect(readFileSync(new URL(`config/${name}`, root), 'utf8')).toBe(written())
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

  test.each([configJsonSchema, includedJsonSchema])('describes every key and closes every block (%#)', written => {
    const undescribed: string[] = []
    walk(JSON.parse(written()), '', undescribed)
    expect(undescribed).toEqual([])
  })
})

describe('the schemas of a configuration of several files', () => {
  const INCLUDE = 'include: [{ file: team.yaml, may: [routes] }]\n'

  test.each([
    ['has its own routes', SMALL + INCLUDE],
    ['leaves routes to the included file', SMALL.replace(/routes:[\s\S]*/, INCLUDE)],
    ['has no route yet', SMALL.replace(/routes:[\s\S]*/, `routes: []\n${INCLUDE}`)],
  ])('accept one that %s', async (_, text) => {
    expect(await problemsOf(text)).toBeUndefined()
  })

  test.each([
    ['no routes and includes nothing', SMALL.replace(/routes:[\s\S]*/, '')],
    ['an empty list of routes and includes nothing', SMALL.replace(/routes:[\s\S]*/, 'routes: []\n')],
    ['a file that may set nothing', SMALL + INCLUDE.replace('[routes]', '[]')],
    ['a file that may set what is no section', SMALL + INCLUDE.replace('[routes]', '[rotes]')],
    ['a file that may include others', SMALL + INCLUDE.replace('[routes]', '[include]')],
  ])('refuse one with %s', async (_, text) => {
    expect(await problemsOf(text)).toContain('body')
  })

  test('know what an included file looks like, which needs nothing', async () => {
    for (const text of ['{}', 'routes: []', 'x-base: 1\nroutes: [{ id: a, path: /a }]', SMALL])
      expect(await problemsOf(text, includedJsonSchema)).toBeUndefined()
    for (const text of ['rotes: []', 'routes: [{ id: a }]', INCLUDE])
      expect(await problemsOf(text, includedJsonSchema)).toContain('body')
  })
})

/** Returns what Ajv finds. Fastify brings Ajv along, so no dependency is needed. */
async function problemsOf(text: string, written = configJsonSchema): Promise<string | undefined> {
  const { $schema, ...schema } = JSON.parse(written())
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
