/**
 * Compares limits: which of two lets one caller do more, at once or in time.
 *
 * What both configurations call by one name is compared once, whichever routes use it; routes tell which limits come
 * and go. A new key needs a row here. A witness says how many requests of one caller pass now that did not; it is left
 * out where another limit of every route would refuse them all the same.
 */
import { isDeepStrictEqual } from 'node:util'
import { DEFAULT_SYNC_MS, partText } from '../../config/schema/rate-limit-schema.ts'
import type { Config, RateLimitConfig, RouteConfig } from '../../config/schema/schema.ts'
import { durationText } from '../../config/schema/units.ts'
import { intervalMs, rateText } from '../../limit/rate.ts'
import { burstOf, type ChosenRate, choiceText, keyText, ratesOf } from '../text/limit-text.ts'
import { allOf, type Comparisons, type Difference, differencesOf, noMatter, type Pair, ranked } from './strictness.ts'

/** @param others what else limits the routes that have it, for each of them */
export function limitDifferences(
  before: RateLimitConfig,
  after: RateLimitConfig,
  others: ReadonlyArray<readonly RateLimitConfig[]>,
): readonly Difference[] {
  const found = differencesOf(LIMIT, before, after, { before, after })
  // Another limit may refuse what this one lets pass.
  return found.map(({ witness, ...difference }) =>
    witness !== undefined && others.some(each => each.length === 0) ? { ...difference, witness } : difference,
  )
}

const LIMIT: Comparisons<RateLimitConfig, RateLimitConfig> = {
  rate: (name, _before, _after, around) => rateDifferences(name, around),
  burst: (name, _before, _after, around) => burstDifferences(name, around),
  key: (name, _before, _after, around) => keyDifferences(name, around),
  store(name, before, after) {
    if (before === after) return []
    return after
      ? [{ direction: 'tightened', text: `${name}: all gateways count together` }]
      : [{ direction: 'loosened', text: `${name}: each gateway counts for itself`, witness: 'as much at each gateway' }]
  },
  // Until the others have heard of it, each lets pass what there is; it is paid back.
  sync: (name, before = DEFAULT_SYNC_MS, after = DEFAULT_SYNC_MS) =>
    before === after
      ? []
      : [{ direction: 'changed', text: `${name}: ${durationText(before)} → ${durationText(after)}` }],
  exact: ranked({ true: 1, false: 0 }),
  onFailure: (name, before = 'local', after = 'local', around) =>
    around.before.store && around.after.store ? ranked({ refuse: 1, local: 0 })(name, before, after, around) : [],
  entries: (name, before, after) =>
    before === after
      ? []
      : [{ direction: 'changed', text: `${name}: ${before} → ${after}, above which callers may begin anew` }],
  headers: noMatter('It says what callers are told.'),
}

interface Choice {
  readonly before: ChosenRate
  readonly after: ChosenRate
  /** Empty where there is one rate. */
  readonly who: string
}

/** Pairs the rates that callers have before and after; undefined where another claim chooses. */
function choices({ before, after }: Pair<RateLimitConfig>): readonly Choice[] | undefined {
  const [from, to] = [claimOf(before), claimOf(after)]
  if (from !== undefined && to !== undefined && from !== to) return undefined
  const values = new Set([...ratesOf(before), ...ratesOf(after)].map(({ value }) => value))
  const naming = from === undefined ? after : before
  return [...values].flatMap((value): readonly Choice[] => {
    const [was, is] = [rateFor(before, value), rateFor(after, value)]
    return was === undefined || is === undefined ? [] : [{ before: was, after: is, who: choiceText(naming, { value }) }]
  })
}

function claimOf({ rate }: RateLimitConfig): string | undefined {
  return 'claim' in rate ? rate.claim : undefined
}

function rateFor(limit: RateLimitConfig, value: string | undefined): ChosenRate | undefined {
  const rates = ratesOf(limit)
  return rates.find(each => each.value === value) ?? rates.find(each => each.value === undefined)
}

function rateDifferences(name: string, around: Pair<RateLimitConfig>): readonly Difference[] {
  const pairs = choices(around)
  if (pairs === undefined)
    return [
      {
        direction: 'changed',
        text: `${name}: by ${claimOf(around.before)} → by ${claimOf(around.after)}`,
        witness: `whoever has a higher rate by ${claimOf(around.after)}`,
      },
    ]
  return pairs.flatMap((choice): readonly Difference[] => {
    const [was, is] = [intervalMs(choice.before.rate), intervalMs(choice.after.rate)]
    if (was === is) return []
    const text = `${of(name, choice)}: ${rateText(choice.before.rate)} → ${rateText(choice.after.rate)}`
    if (is > was) return [{ direction: 'tightened', text }]
    return [{ direction: 'loosened', text, ...witnessOf(around, choice) }]
  })
}

/** Where neither names a burst it follows the rate, which tells of it. */
function burstDifferences(name: string, around: Pair<RateLimitConfig>): readonly Difference[] {
  const { before, after } = around
  if (before.burst === undefined && after.burst === undefined) return []
  return (choices(around) ?? [])
    .flatMap((choice): readonly Difference[] => {
      const [was, is] = [burstOf(before, choice.before), burstOf(after, choice.after)]
      if (was === is) return []
      const text = `${of(name, before.burst !== undefined && after.burst !== undefined ? { who: '' } : choice)}: ${was} → ${is}`
      if (is < was) return [{ direction: 'tightened', text }]
      return [{ direction: 'loosened', text, ...witnessOf(around, choice) }]
    })
    .filter((each, index, all) => all.findIndex(({ text }) => text === each.text) === index)
}

function of(name: string, { who }: Pick<Choice, 'who'>): string {
  return who === '' ? name : `${name} with ${who}`
}

const TIMES: ReadonlyArray<readonly [ms: number, text: string]> = [
  [1_000, 'a second'],
  [60_000, 'a minute'],
  [3_600_000, 'an hour'],
  [86_400_000, 'a day'],
]

/** Says how many requests pass now and did not, at once or in the shortest time in which that shows. */
function witnessOf({ before, after }: Pair<RateLimitConfig>, choice: Choice): Pick<Difference, 'witness'> {
  const who = `by one ${keyText(after)}${choice.who === '' ? '' : ` with ${choice.who}`}`
  const [was, is] = [burstOf(before, choice.before), burstOf(after, choice.after)]
  if (is > was) return { witness: `${was + 1} requests at once ${who}` }
  const within = (burst: number, chosen: ChosenRate, ms: number) => burst + Math.floor(ms / intervalMs(chosen.rate))
  const found = TIMES.find(([ms]) => within(is, choice.after, ms) > within(was, choice.before, ms))
  return found === undefined
    ? {}
    : { witness: `${within(was, choice.before, found[0]) + 1} requests within ${found[1]} ${who}` }
}

/** The more parts a key has, the more quotas there are. */
function keyDifferences(name: string, { before, after }: Pair<RateLimitConfig>): readonly Difference[] {
  const [from, to] = [before.key.map(partText), after.key.map(partText)]
  const [gone, come] = [from.filter(part => !to.includes(part)), to.filter(part => !from.includes(part))]
  if (gone.length === 0 && come.length === 0) return []
  const text = `${name}: one quota for each ${keyText(before)} → for each ${keyText(after)}`
  if (come.length === 0) return [{ direction: 'tightened', text }]
  const most = Math.max(...ratesOf(before).map(each => burstOf(before, each)))
  const witness = `${most + 1} requests at once by one ${keyText(before)}, of several ${come.join(' and ')}`
  return [{ direction: gone.length === 0 ? 'loosened' : 'changed', text, witness }]
}

interface RouteLimits {
  readonly route: RouteConfig
  readonly config: Config
}

/**
 * Compares which limits two routes have. A limit with another name that says the same is no change, and a report-only
 * route refuses nobody for one.
 */
export function routeLimitDifferences(name: string, { before, after }: Pair<RouteLimits>): readonly Difference[] {
  if (before.route.mode === 'report' || after.route.mode === 'report') return []
  const [from, to] = [limitsOf(before), limitsOf(after)]
  const gone = from.filter(each => !to.some(other => isSame(each, other)))
  const come = to.filter(each => !from.some(other => isSame(each, other)))
  const differences = allOf(name, gone.map(entryText), come.map(entryText))
  const [was, is] = [from, to].map(mostAtOnce)
  if (was === undefined || is === undefined || is <= was) return differences
  const witness = `${was + 1} requests at once by one caller`
  return differences.map(each => (each.direction === 'loosened' ? { ...each, witness } : each))
}

interface Entry {
  readonly id: string
  readonly limit: RateLimitConfig
}

function limitsOf({ route: { rateLimits = [] }, config }: RouteLimits): readonly Entry[] {
  return rateLimits.flatMap(id => {
    const limit = config.rateLimits[id]
    return limit === undefined ? [] : [{ id, limit }]
  })
}

function isSame(one: Entry, other: Entry): boolean {
  return one.id === other.id || isDeepStrictEqual(one.limit, other.limit)
}

function entryText({ id, limit }: Entry): string {
  const rates = [...new Set(ratesOf(limit).map(({ rate }) => rateText(rate)))].join(' or ')
  return `${id} (${rates} by one ${keyText(limit)})`
}

/** How many requests of one caller may come at once, where nothing else is known of him. */
function mostAtOnce(limits: readonly Entry[]): number {
  const bursts = limits.map(({ limit }) => Math.max(...ratesOf(limit).map(each => burstOf(limit, each))))
  return Math.min(Number.POSITIVE_INFINITY, ...bursts)
}

/** For each route that enforces the limit in both configurations, what else limits it afterwards. */
export function othersAtRoutes(id: string, old: Config, next: Config): ReadonlyArray<readonly RateLimitConfig[]> {
  const has = ({ routes }: Config) =>
    routes.filter(({ rateLimits, mode }) => mode === 'enforce' && rateLimits?.includes(id))
  if (has(old).length === 0) return []
  return has(next).map(route =>
    limitsOf({ route, config: next }).flatMap(entry => (entry.id === id ? [] : [entry.limit])),
  )
}
