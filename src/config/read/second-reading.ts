/**
 * Takes the other reading of a value from the environment where the type of the first is wrong.
 *
 * In `issuer: ${ISSUER}` the variable may happen to be all digits, and in `{ entries: "${N}" }` YAML demands the
 * quotes. Which type is right only the schema knows.
 */
import type * as z from 'zod'
import { findings, type Path } from '../check/findings.ts'
import { pathKey, type Rereading } from './yaml-values.ts'

interface Read {
  readonly value: unknown
  readonly rereadings: readonly Rereading[]
}

/** @param parse reads a value by the schema that it has to fit */
export function withFittingTypes(
  { value, rereadings }: Read,
  parse: (value: unknown) => { readonly error?: z.core.$ZodError | undefined },
): unknown {
  const { error } = rereadings.length === 0 ? {} : parse(value)
  if (error === undefined) return value
  const wrong = new Set(findings(error).flatMap(finding => (finding.wrong === 'type' ? [pathKey(finding.path)] : [])))
  return rereadings
    .filter(({ path }) => wrong.has(pathKey(path)))
    .reduce<unknown>((changed, { path, value: other }) => replaced(changed, path, other), value)
}

/** Returns the value with another leaf at the path, where that leads somewhere. */
export function replaced(value: unknown, path: Path, leaf: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined) return leaf
  if (Array.isArray(value)) return value.map((item, index) => (index === step ? replaced(item, rest, leaf) : item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, key === step ? replaced(item, rest, leaf) : item]),
  )
}
