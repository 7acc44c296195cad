/** Spells numbers, times and sizes for people. */

const NUMBERS = new Intl.NumberFormat('en')

export function count(number: number): string {
  return NUMBERS.format(number)
}

export function durationText(seconds: number): string {
  const [value, unit] = seconds < 0.001 ? [seconds * 1e6, 'µs'] : seconds < 1 ? [seconds * 1000, 'ms'] : [seconds, 's']
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(2))} ${unit}`
}

/** @param seconds that were looked at: fewer than five minutes shortly after a start */
export function spanText(seconds: number): string {
  return `the last ${shortSpan(seconds)}`
}

export function shortSpan(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}

/** @returns how often something happens; empty when it does not */
export function rateText(number: number, seconds: number): string {
  if (seconds < 1 || number === 0) return ''
  const rate = number / seconds
  return rate >= 1 ? `${count(Math.round(rate))} a second` : `${count(Math.max(1, Math.round(rate * 60)))} a minute`
}

/** @returns a part as a share of the whole; empty when there is none */
export function shareText(part: number, whole: number): string {
  if (part === 0 || whole === 0) return ''
  const share = (part / whole) * 100
  return share < 0.1 ? 'less than 0.1 %' : `${share.toFixed(share < 10 ? 1 : 0)} %`
}

export function sizeText(bytes: number): string {
  return `${count(Math.round(bytes / 2 ** 20))} MiB`
}
