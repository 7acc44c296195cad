/**
 * Finds limits that are accepted and probably do not do what was meant: that count nobody, that count everybody as one,
 * or that refuse callers who keep to the rate.
 */
import type { Path } from '../../config/check/findings.ts'
import { partText } from '../../config/schema/rate-limit-schema.ts'
import type { Config, RateLimitConfig, RouteConfig } from '../../config/schema/schema.ts'
import { isLoopback } from '../../lib/loopback.ts'
import { defaultBurst, intervalMs, rateText } from '../../limit/rate.ts'
import { burstOf, type ChosenRate, choiceText, ratesOf } from '../text/limit-text.ts'
import { knownClaims } from './known-claims.ts'

interface DoubtfulLimit {
  readonly code: 'limit-unused' | 'limit-burst' | 'limit-shared' | 'limit-claim-missing' | 'limit-client' | 'limit-idle'
  readonly path: Path
  readonly message: string
}

export function doubtfulLimits(config: Config): readonly DoubtfulLimit[] {
  const { rateLimits, routes } = config
  return [
    ...Object.entries(rateLimits).flatMap(([id, limit]): readonly DoubtfulLimit[] => {
      const users = routes.filter(route => route.rateLimits?.includes(id))
      const path = ['rateLimits', id]
      const unused = `counts nothing: no route names it; write \`rateLimits: [${id}]\` in one, or leave it out`
      return [
        ...(users.length === 0 ? [{ code: 'limit-unused' as const, path, message: unused }] : []),
        ...smallBursts(limit, path),
        ...missingClaims(config, limit, { path, users }),
        ...sameClient(config, limit, path),
      ]
    }),
    ...routes.flatMap((route, index) => [...sharedByAll(config, route, index), ...idleBeside(config, route, index)]),
  ]
}

/** Less than this part of a second's worth at once refuses callers who only come unevenly. */
const UNEVEN = 0.1

function smallBursts(limit: RateLimitConfig, path: Path): readonly DoubtfulLimit[] {
  const messages = ratesOf(limit).flatMap(chosen => smallBurst(limit, chosen))
  const [message] = messages
  return message === undefined
    ? []
    : [{ code: 'limit-burst', path: [...path, limit.burst === undefined ? 'rate' : 'burst'], message }]
}

function smallBurst(limit: RateLimitConfig, chosen: ChosenRate): readonly string[] {
  const { rate } = chosen
  const who = choiceText(limit, chosen)
  const text = `\`${rateText(rate)}\`${who === '' ? '' : `, for ${who},`}`
  // One that is written is meant, unless hardly anybody could keep to the rate.
  if (limit.burst !== undefined)
    return limit.burst < defaultBurst(rate) * UNEVEN
      ? [
          `refuses callers who keep to ${text} but come unevenly: ${limit.burst} at once, and the next after ${gapText(rate)}; leave it out for a second’s worth`,
        ]
      : []
  if (burstOf(limit, chosen) > 1 || rate.requests === 1) return []
  return [
    `lets one request pass at a time, and the next after ${gapText(rate)}: \`burst\` is a second’s worth, which is 1 for ${text}; write \`burst: ${rate.requests}\` to let as many come at once, or \`burst: 1\` if this is meant`,
  ]
}

function gapText(rate: ChosenRate['rate']): string {
  const ms = intervalMs(rate)
  return ms < 1_000 ? `${Math.round(ms * 10) / 10} ms` : `${Math.round(ms / 100) / 10} s`
}

interface Used {
  readonly path: Path
  readonly users: readonly RouteConfig[]
}

/** Who lacks the claim shares a quota with strangers: one of them can spend it for all. */
function missingClaims(config: Config, limit: RateLimitConfig, { path, users }: Used): readonly DoubtfulLimit[] {
  return limit.key.flatMap((part, index): readonly DoubtfulLimit[] => {
    if (typeof part === 'string') return []
    const route = users.find(each => each.access !== 'public' && !isAskedFor(config, each, part.claim))
    if (route === undefined) return []
    const message = `is a claim that a token for route \`${route.id}\` may lack: all callers without it share one quota; add \`${part.claim}\` to \`requiredClaims\` of its providers, or to \`require.claims\` with \`exists: true\``
    return [{ code: 'limit-claim-missing', path: [...path, 'key', index], message }]
  })
}

/** A condition that reads a claim refuses who lacks it, but for a few. */
function isAskedFor(config: Config, route: RouteConfig, claim: string): boolean {
  const isRead = route.require?.when?.some(({ text }) => text.includes(`claims.${claim}`)) === true
  return isRead || knownClaims(config, route).has(claim)
}

/** Nobody knows who calls a route without a token. */
function sharedByAll({ rateLimits }: Config, route: RouteConfig, index: number): readonly DoubtfulLimit[] {
  if (route.access === 'required') return []
  const who = route.access === 'public' ? 'all callers' : 'all callers without a token'
  return (route.rateLimits ?? []).flatMap((id, position): readonly DoubtfulLimit[] => {
    const { key = [] } = rateLimits[id] ?? {}
    const ofCaller = key.filter(part => part === 'provider' || typeof part === 'object').map(partText)
    if (ofCaller.length === 0 || key.includes('client')) return []
    const message = `gives ${who} one quota together, since ${ofCaller.join(' and ')} is known of none of them; use a limit whose \`key\` has \`client\``
    return [{ code: 'limit-shared', path: ['routes', index, 'rateLimits', position], message }]
  })
}

/** On a socket nobody has an address, and on loopback all have the same, unless a proxy says whom it speaks for. */
function sameClient({ listen }: Config, limit: RateLimitConfig, path: Path): readonly DoubtfulLimit[] {
  // Other proxies say whom they ask for.
  if (listen === undefined) return []
  const { address, trustedProxies } = listen
  const at = limit.key.indexOf('client')
  if (at === -1 || trustedProxies.length > 0) return []
  const isLocal = 'socketPath' in address || isLoopback(new URL(`http://${urlHost(address.host)}`))
  if (!isLocal) return []
  const message =
    'is the same for all: `listen` takes callers of this machine alone, and `listen.trustedProxies` names none that says whom it speaks for; add it there'
  return [{ code: 'limit-client', path: [...path, 'key', at], message }]
}

function urlHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

/** A limit never refuses that is no tighter than another one of all its routes, which counts at least as much. */
function idleBeside({ rateLimits, routes }: Config, route: RouteConfig, index: number): readonly DoubtfulLimit[] {
  const ids = route.rateLimits ?? []
  return ids.flatMap((id, position): readonly DoubtfulLimit[] => {
    const limit = rateLimits[id]
    const tighter = ids.find(other => {
      const by = rateLimits[other]
      if (other === id || limit === undefined || by === undefined || !isTighter(by, limit)) return false
      // Of two that are the same, the later one is idle.
      if (isTighter(limit, by) && ids.indexOf(other) > position) return false
      return routes.every(({ rateLimits: of = [] }) => !of.includes(id) || of.includes(other))
    })
    if (tighter === undefined) return []
    const message = `never refuses anything that \`${tighter}\` lets pass, which is slower and counts at least as much together; leave one of them out`
    return [{ code: 'limit-idle', path: ['routes', index, 'rateLimits', position], message }]
  })
}

function isTighter(by: RateLimitConfig, limit: RateLimitConfig): boolean {
  const [slow, fast] = [ratesOf(by), ratesOf(limit)]
  const [one, other] = [slow[0], fast[0]]
  // Where a claim chooses rates, two callers of one quota may have different ones.
  if (one === undefined || other === undefined || slow.length > 1 || fast.length > 1) return false
  const parts = new Set(limit.key.map(partText))
  return (
    intervalMs(one.rate) >= intervalMs(other.rate) &&
    burstOf(by, one) <= burstOf(limit, other) &&
    by.key.every(part => parts.has(partText(part))) &&
    (by.store || !limit.store)
  )
}
