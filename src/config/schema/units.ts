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

const MS_PER_WORD: ReadonlyArray<readonly [RegExp, number]> = [
  [/^(?:ms|msecs?|millis|milliseconds?)$/i, 1],
  [/^(?:s|secs?|seconds?)$/i, 1_000],
  [/^(?:m|mins?|minutes?)$/i, 60_000],
  [/^(?:h|hrs?|hours?)$/i, 3_600_000],
  [/^(?:d|days?)$/i, 86_400_000],
]

const BYTES_PER_WORD: ReadonlyArray<readonly [RegExp, number]> = [
  [/^(?:b|bytes?)$/i, 1],
  [/^ki?b?$/i, 1024],
  [/^mi?b?$/i, 1024 ** 2],
  [/^gi?b?$/i, 1024 ** 3],
]

/** Returns how a duration is written here that is written as elsewhere: `1 hour`, `0.5s`, `PT30S`, `30`. */
export function likelyDuration(written: string): string | undefined {
  const amount = likely(written.replace(/^P(?:T(?=\d+[HMS]$)|(?=\d+D$))/i, ''), MS_PER_WORD, 1_000)
  return amount === undefined ? undefined : durationText(amount)
}

/** Returns how a size is written here that is written as elsewhere: `10 MB`, `10M`, `1024`. */
export function likelySize(written: string): string | undefined {
  const amount = likely(written, BYTES_PER_WORD, 1)
  return amount === undefined ? undefined : sizeText(amount)
}

function likely(
  written: string,
  words: ReadonlyArray<readonly [RegExp, number]>,
  withoutUnit: number,
): number | undefined {
  const [, number, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]*)$/i.exec(written.trim()) ?? []
  const factor = unit === '' ? withoutUnit : words.find(([pattern]) => pattern.test(unit))?.[1]
  const amount = factor === undefined || number === undefined ? undefined : Number(number) * factor
  return amount === undefined || !Number.isInteger(amount) ? undefined : amount
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
