/**
 * Reads durations (`250ms`, `30s`, `5m`, `24h`) as milliseconds and sizes (`512B`, `16KiB`, `1MiB`) as bytes.
 *
 * A number without a unit is refused: `timeout: 30` is seconds to one reader and milliseconds to the next.
 * Not read: fractions (`1.5s` is `1500ms`), sums (`1h30m` is `90m`), and `KB`, which means 1000 or 1024 by reader.
 */

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const BYTES_PER_UNIT: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Syntax of a duration. */
export const DURATION_PATTERN = /^(\d{1,12})(ms|s|m|h)$/
/** Syntax of a size. */
export const SIZE_PATTERN = /^(\d{1,12})(B|KiB|MiB|GiB)$/

/** Milliseconds; `undefined` when the text is no duration. */
export function durationMs(text: string): number | undefined {
  return quantity(text, DURATION_PATTERN, MS_PER_UNIT)
}

/** Bytes; `undefined` when the text is no size. */
export function sizeBytes(text: string): number | undefined {
  return quantity(text, SIZE_PATTERN, BYTES_PER_UNIT)
}

function quantity(text: string, pattern: RegExp, factors: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit = ''] = pattern.exec(text) ?? []
  const factor = factors[unit]
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor
}
