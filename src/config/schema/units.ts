/**
 * Reads durations (`250ms`, `30s`, `5m`, `24h`) as milliseconds and sizes (`512B`, `16KiB`, `1MiB`) as bytes.
 *
 * A number without a unit is refused: one reader takes `timeout: 30` for seconds, the next for milliseconds. Fractions
 * (write `1500ms` for `1.5s`) and sums (write `90m` for `1h30m`) are not read, nor is `KB`, which is 1000 bytes to some
 * and 1024 to others.
 */

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const BYTES_PER_UNIT: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Every duration matches this pattern. */
export const DURATION_PATTERN = /^(\d{1,12})(ms|s|m|h)$/
/** Every size matches this pattern. */
export const SIZE_PATTERN = /^(\d{1,12})(B|KiB|MiB|GiB)$/

/** Returns milliseconds; `undefined` when the text is no duration. */
export function durationMs(text: string): number | undefined {
  return quantity(text, DURATION_PATTERN, MS_PER_UNIT)
}

/** Writes a duration in the largest unit of which it is a multiple. */
export function durationText(ms: number): string {
  return ms === 0 ? '0s' : quantityText(ms, MS_PER_UNIT)
}

/** Returns bytes; `undefined` when the text is no size. */
export function sizeBytes(text: string): number | undefined {
  return quantity(text, SIZE_PATTERN, BYTES_PER_UNIT)
}

/** Writes a size in the largest unit of which it is a multiple. */
export function sizeText(bytes: number): string {
  return bytes === 0 ? '0B' : quantityText(bytes, BYTES_PER_UNIT)
}

function quantityText(amount: number, factors: Readonly<Record<string, number>>): string {
  const [unit, factor] = Object.entries(factors).findLast(([, each]) => amount % each === 0) ?? ['', 1]
  return `${amount / factor}${unit}`
}

function quantity(text: string, pattern: RegExp, factors: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit = ''] = pattern.exec(text) ?? []
  const factor = factors[unit]
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor
}
