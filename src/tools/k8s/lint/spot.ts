/**
 * Points at a value of a manifest and remembers where it stands in the text, so that a finding can name its place.
 *
 * A spot may point at what is not there: its value is undefined then, and its place that of what is nearest around it.
 */
import type { Path } from '../../../config/check/findings.ts'

export interface Spot {
  readonly document: SpotDocument
  readonly path: Path
  readonly value: unknown
}

/** A line and a column are counted from 1, in the file. */
export interface Position {
  readonly line: number
  readonly column: number
}

interface SpotDocument {
  /** The name of the file, as it is printed. */
  readonly file: string
  /** The text of this document alone. */
  readonly text: string
  /** The line of the file on which the text begins. */
  readonly firstLine: number
  /** What the whole document holds. */
  readonly value: unknown
  positionOf(path: Path, part: 'key' | 'value'): Position
}

export function at(spot: Spot, ...steps: Path): Spot {
  const value = steps.reduce<unknown>(memberOf, spot.value)
  return { document: spot.document, path: [...spot.path, ...steps], value }
}

export function items(spot: Spot): readonly Spot[] {
  return Array.isArray(spot.value) ? spot.value.map((_, index) => at(spot, index)) : []
}

/** The entries of a block, each with its key. */
export function entries(spot: Spot): ReadonlyArray<readonly [string, Spot]> {
  return isBlock(spot.value) ? Object.keys(spot.value).map(key => [key, at(spot, key)] as const) : []
}

export function textAt(spot: Spot, ...steps: Path): string | undefined {
  const { value } = at(spot, ...steps)
  return typeof value === 'string' ? value : undefined
}

/** Numbers and booleans are read as text, too: `value: 3000` is refused by Kubernetes, and still says what is meant. */
export function scalarAt(spot: Spot, ...steps: Path): string | undefined {
  const { value } = at(spot, ...steps)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined
}

export function numberAt(spot: Spot, ...steps: Path): number | undefined {
  const { value } = at(spot, ...steps)
  return typeof value === 'number' ? value : undefined
}

/** The texts of a list, and nothing of anything else. */
export function textsAt(spot: Spot, ...steps: Path): readonly string[] {
  return items(at(spot, ...steps)).flatMap(item => scalarAt(item) ?? [])
}

/** A block of texts, such as labels. */
export function labelsAt(spot: Spot, ...steps: Path): ReadonlyMap<string, string> {
  return new Map(
    entries(at(spot, ...steps)).flatMap(([key, value]) => {
      const text = scalarAt(value)
      return text === undefined ? [] : [[key, text] as const]
    }),
  )
}

export function isThere(spot: Spot): boolean {
  return spot.value !== undefined && spot.value !== null
}

export function isBlock(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function memberOf(value: unknown, step: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
  return (value as Readonly<Record<string | number, unknown>>)[step]
}
