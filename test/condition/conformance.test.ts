/**
 * Puts the official conformance cases of CEL to the reader of conditions: whatever it accepts has to come out as the
 * specification says. What it does not accept is a mistake in the configuration, and nothing else.
 */
import { tests as suite } from '@bufbuild/cel-spec/testdata/conformance.js'
import { describe, expect, test } from 'vitest'
import { readCondition } from '../../src/condition/condition.ts'

interface Value {
  readonly [kind: string]: unknown
}

interface Case {
  readonly expr: string
  readonly container?: string
  readonly typeEnv?: readonly unknown[]
  readonly bindings?: Readonly<Record<string, unknown>>
  readonly value?: Value
  readonly evalError?: unknown
  readonly disableCheck?: boolean
}

interface Suite {
  readonly name: string
  readonly suites?: readonly Suite[]
  readonly tests?: ReadonlyArray<{ readonly original: unknown }>
}

const cases = casesOf(suite as unknown as Suite)

/** A case that reads variables of its own is about a type checker that knows them, which conditions have not. */
const withoutVariables = cases.filter(each => each.typeEnv === undefined && each.bindings === undefined)
const accepted = withoutVariables.flatMap(each => {
  const text = asked(each)
  if (text === undefined) return []
  const condition = readCondition(text, { parameters: [] })
  return 'message' in condition ? [] : [{ ...each, text, condition }]
})

describe('official conformance cases', () => {
  test('hundreds of them are accepted, so that agreeing means something', () => {
    expect(accepted.length).toBeGreaterThan(330)
    expect(accepted.filter(({ evalError }) => evalError !== undefined).length).toBeGreaterThan(2)
  })

  test('every one that is accepted comes out as the specification says', () => {
    const outcomes = accepted.map(({ text, evalError, condition }) => {
      const outcome = condition.judge({ claims: {}, scopes: [], roles: [], provider: '' })
      return {
        text,
        outcome: typeof outcome === 'boolean' ? outcome : 'error',
        wanted: evalError === undefined || 'error',
      }
    })
    expect(outcomes.filter(({ outcome, wanted }) => outcome !== wanted)).toEqual([])
  })
})

/** A condition that is true where the case comes out as it should; undefined where that cannot be asked. */
function asked({ expr, value, evalError, container }: Case): string | undefined {
  if (container !== undefined) return undefined
  if (evalError !== undefined) return `(${expr}) == (${expr})`
  if (value === undefined) return undefined
  const literal = literalOf(value)
  return literal === undefined ? undefined : `(${expr}) == ${literal}`
}

function literalOf(value: Value): string | undefined {
  const [[kind, content] = []] = Object.entries(value)
  switch (kind) {
    case 'boolValue':
      return String(content)
    case 'stringValue':
      return JSON.stringify(content)
    case 'nullValue':
      return 'null'
    case 'int64Value':
      return String(content)
    case 'doubleValue':
      return typeof content === 'number'
        ? Number.isInteger(content)
          ? content.toFixed(1)
          : String(content)
        : undefined
    case 'listValue': {
      const items = ((content as { readonly values?: readonly Value[] }).values ?? []).map(literalOf)
      return items.includes(undefined) ? undefined : `[${items.join(', ')}]`
    }
    default:
      return undefined
  }
}

function casesOf({ suites = [], tests = [] }: Suite): readonly Case[] {
  return [...tests.map(({ original }) => original as Case), ...suites.flatMap(casesOf)]
}
