/** Splits every configuration that this project shows into several files, and gets the same configuration again. */
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { loadConfig } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { compared } from '../../tools/diff/support.ts'

const FOLDER = new URL('../../../config/', import.meta.url)
/** A list of revocations, a team's file, and the file that includes it. */
const OTHERS = ['revoked.yaml', 'team-orders.yaml', 'platform.yaml', 'compose.yaml']
const NAMES = readdirSync(FOLDER).filter(name => name.endsWith('.yaml') && !OTHERS.includes(name))

type Values = Readonly<Record<string, unknown>>

/** Of three files, the first is the one that includes the others. */
const COUNT = 3

interface Split {
  readonly whole: Values
  readonly parts: readonly Values[]
}

/** Chooses a file for each section, for each entry of those that have ids, and for each route. */
function splitsOf(whole: Values): fc.Arbitrary<Split> {
  return fc.infiniteStream(fc.nat({ max: COUNT - 1 })).map(choices => {
    const choose = (): number => choices.next().value ?? 0
    const parts = Array.from({ length: COUNT }, (): Record<string, unknown> => ({}))
    for (const [section, value] of Object.entries(whole)) {
      if (Array.isArray(value) && section === 'routes')
        for (const [part, items] of Object.entries(Object.groupBy(value, choose))) at(parts, part)[section] = items
      else if (['providers', 'upstreams', 'resources'].includes(section))
        for (const [id, entry] of Object.entries(Object(value))) {
          const part = at(parts, choose())
          part[section] = { ...Object(part[section]), [id]: entry }
        }
      else at(parts, choose())[section] = value
    }
    return { whole, parts }
  })
}

function at(parts: Record<string, unknown>[], index: number | string): Record<string, unknown> {
  return parts[Number(index)] ?? {}
}

function loaded(main: Values, included: readonly Values[]): Config {
  const include = included.map((part, index) => ({ file: `part-${index}.yaml`, may: [...Object.keys(part), 'log'] }))
  const text = stringify(included.length === 0 ? main : { ...main, include }, { aliasDuplicateObjects: false })
  const texts = new Map(
    included.map((part, index) => [`/etc/part-${index}.yaml`, stringify(part, { aliasDuplicateObjects: false })]),
  )
  const readFile = (path: string): Buffer => Buffer.from(texts.get(path) ?? '')
  return loadConfig({ text, file: '/etc/sallyport.yaml', env: {}, readFile, namedFiles: 'unread' })
}

/** The order of routes does not matter. */
function comparable({ include: _, routes, ...rest }: Config): unknown {
  return { ...rest, routes: routes.toSorted((a, b) => a.id.localeCompare(b.id)) }
}

describe.each(NAMES)('config/%s', name => {
  const whole: Values = parse(readFileSync(new URL(name, FOLDER), 'utf8'), { merge: true })

  test('is the same in several files, however it is split', () => {
    const alone = loaded(whole, [])
    fc.assert(
      fc.property(splitsOf(whole), ({ parts: [main = {}, ...included] }) => {
        expect(comparable(loaded(main, included))).toEqual(comparable(alone))
      }),
      { numRuns: 20 },
    )
  })

  test('decides the same', () => {
    const alone = compared(loaded(whole, []))
    fc.assert(
      fc.property(splitsOf(whole), ({ parts: [main = {}, ...included] }) => {
        const { include, ...config } = loaded(main, included)
        expect(include).toHaveLength(COUNT - 1)
        expect(policyDiff(alone, compared(config))).toEqual([])
      }),
      { numRuns: 2 },
    )
  })
})
