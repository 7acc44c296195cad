/**
 * Reads how often something may happen: `100/s`, `30/m`, `10/h`.
 *
 * A rate counts whole requests, because half a request is never sent: what is slower than one a second is written per
 * minute or per hour.
 */

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const

export interface Rate {
  readonly requests: number
  readonly per: keyof typeof UNITS_MS
}

const MOST_REQUESTS = 1_000_000

/** @throws {SyntaxError} */
export function readRate(text: string): Rate {
  const [, requests = '', per = ''] = /^(\d{1,9})\/([smh])$/.exec(text) ?? []
  if (per !== 's' && per !== 'm' && per !== 'h') throw new SyntaxError(`must be a rate ${LIKE}${likely(text)}`)
  const rate = { requests: Number(requests), per } as const
  if (rate.requests === 0)
    throw new SyntaxError('lets nothing through; leave the route out, or ask for a scope that nobody has')
  if (rate.requests > MOST_REQUESTS) throw new SyntaxError(`must be at most \`${MOST_REQUESTS}/${per}\``)
  return rate
}

export function rateText({ requests, per }: Rate): string {
  return `${requests}/${per}`
}

/** The time from one request to the next, when they come as evenly as they may. */
export function intervalMs({ requests, per }: Rate): number {
  return UNITS_MS[per] / requests
}

/** One second's worth, and at least one request. */
export function defaultBurst({ requests, per }: Rate): number {
  return Math.max(1, Math.floor((requests * 1_000) / UNITS_MS[per]))
}

const LIKE = 'like `100/s`, `30/m` or `10/h`'

const LONG_UNITS: ReadonlyArray<readonly [RegExp, keyof typeof UNITS_MS]> = [
  [/^s(?:ec(?:onds?)?)?$/i, 's'],
  [/^m(?:in(?:utes?)?)?$/i, 'm'],
  [/^h(?:(?:ou)?rs?)?$/i, 'h'],
]

const DAY = /^d(?:ays?)?$/i

/** `100 requests per 10 seconds`, `100rps`, `0.5/s`, `1k/s`. */
const OTHERS_WRITE =
  /^\s*(\d{1,9}(?:\.\d{1,6})?)\s*(k)?\s*(?:r|req|requests?)?\s*(?:\/|per|p)\s*(?:(\d{1,6})\s*)?([a-z]+)\s*$/i

/** Others write rates in many ways. */
function likely(text: string): string {
  if (/^\d{1,9}$/.test(text)) return `; say in which time: \`${text}/s\`, \`${text}/m\` or \`${text}/h\``
  const [, written, thousand, of = '1', per = ''] = OTHERS_WRITE.exec(text) ?? []
  const unit = LONG_UNITS.find(([pattern]) => pattern.test(per))?.[1]
  if (written === undefined || Number(of) === 0) return ''
  const requests = Number(written) * (thousand === undefined ? 1 : 1_000)
  if (DAY.test(per))
    return `; write \`${Math.max(1, Math.floor(requests / Number(of) / 24))}/h\`, with the day's worth as \`burst\``
  if (unit === undefined) return ''
  const meant = wholeRate(requests / (UNITS_MS[unit] * Number(of)), unit)
  const burst = of === '1' || !Number.isInteger(requests) ? '' : `, with \`burst: ${requests}\` for all at once`
  return meant === undefined ? '' : `; write \`${meant}\`${burst}`
}

/** @returns the rate in the unit that it is meant in, or in the next one that makes whole requests of it */
function wholeRate(perMs: number, meant: keyof typeof UNITS_MS): string | undefined {
  const units = ['s', 'm', 'h'] as const
  return units.slice(units.indexOf(meant)).flatMap(unit => {
    const requests = Math.round(perMs * UNITS_MS[unit] * 1e6) / 1e6
    return Number.isInteger(requests) && requests > 0 ? [`${requests}/${unit}`] : []
  })[0]
}
