/**
 * Tries the remedies of findings. What would be wrong then is told at once, and not when they have been taken.
 *
 * `scopes: read write` has to be a list first, and then the text in it is no scope: two runs would tell one after the
 * other what one run can tell.
 */
import type * as z from 'zod'
import { type Finding, findings, type Path } from '../check/findings.ts'
import { replaced } from './second-reading.ts'

/** No report shows more problems, and each remedy copies what is around it. */
const MOST_REMEDIES = 50

/** @param parse reads a value by the schema that it has to fit */
export function withTriedRemedies(
  found: readonly Finding[],
  value: unknown,
  parse: (value: unknown) => { readonly error?: z.core.$ZodError | undefined },
): readonly Finding[] {
  const tried = found.filter(finding => remedied(finding, value) !== undefined).slice(0, MOST_REMEDIES)
  if (tried.length === 0) return found
  const changed = tried.reduce((all, finding) => replaced(all, finding.path, remedied(finding, value)), value)
  const { error } = parse(changed)
  const left = error === undefined ? [] : findings(error)
  return found.flatMap(finding => {
    const next = tried.includes(finding) ? left.find(({ path }) => isAtOrBelow(path, finding.path)) : undefined
    if (next === undefined) return [finding]
    const placed = { ...next, path: finding.path }
    return next.path.length === finding.path.length ? [placed] : [finding, placed]
  })
}

/** Returns what the remedy makes of the value: the same in quotes, or in a list. */
function remedied({ path, wanted }: Finding, value: unknown): unknown {
  const given = wanted === undefined ? null : path.reduce<unknown>(memberOf, value)
  if (given === null || typeof given === 'object') return undefined
  return wanted === 'text' ? String(given) : [given]
}

function memberOf(value: unknown, step: string | number): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string | number, unknown>>)[step]
    : null
}

function isAtOrBelow(path: Path, above: Path): boolean {
  return above.every((step, depth) => step === path[depth])
}
