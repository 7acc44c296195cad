/**
 * Sends, through a proxy that asks us, headers that its clients could forge, and finds those that reach the service.
 *
 * Each forged value is one of its own, so that several names go in one request and each hole is still found by name.
 */
import { foldedFieldName, NAME_MARKS } from '../../lib/field-name.ts'
import type { Policy } from '../../policy.ts'
import { trial, trialRequest } from '../engine/trial.ts'
import type { Site } from '../snippet/site.ts'
import { type Finding, fail, finding, type Verdict, warn } from './finding.ts'
import type { Arrival, Send } from './test-service.ts'

const TO_DO = 'config/decide.md#what-the-proxy-has-to-do'
const NOT_DECIDED = 'config/decide.md#what-is-not-decided'

const REACHES = 'what a client sends under this name reaches the service'
const MANAGED = fail(
  REACHES,
  'have the proxy clear it, and set it from the answer: sallyport snippet prints how',
  TO_DO,
)
const UNTOLD = fail(REACHES, 'have the proxy clear it before it forwards, or set it itself', TO_DO)
const ALIAS = fail(
  REACHES,
  'have the proxy drop names with other characters than letters, digits and `-`: some services read them as the same',
  TO_DO,
)
const BELIEVED = fail(
  'a client that sends it changes what the gateway is asked',
  'have the proxy set it itself when it asks, whatever its client sends',
  TO_DO,
)
const TAKEN_AWAY = fail(
  'a client that lists a name there takes away what the gateway says under it',
  'have the proxy replace `Connection` before it asks',
  TO_DO,
)
const CHANGED = fail(
  'a client may change to another protocol than WebSocket, and nobody asks about what it sends in that',
  'have the proxy forward `Upgrade` only where it says `websocket`',
  TO_DO,
)
const COOKIE = warn('the service gets the cookie of the session', 'take it out, if it is not to have it', NOT_DECIDED)

interface Group {
  readonly names: readonly string[]
  readonly verdict: Verdict
  /** Whether nothing need arrive: the gateway or the proxy may refuse such a request. */
  readonly mayBeRefused?: true
  /** Whether each is sent twice in a request: some proxies clear the first line of a name alone. */
  readonly repeats?: true
}

interface Forging {
  /** A path that lets strangers in. */
  readonly open: string
  /** What arrived of a request without forgeries. */
  readonly plain: Arrival
  /** Part of each forged value. */
  readonly mark: string
  readonly send: Send
  readonly site: Site
  readonly policy: Policy
}

export async function forgedFindings(forging: Forging): Promise<readonly Finding[]> {
  const { open, plain, mark, send, site } = forging
  const found = new Map<string, Verdict>()
  for (const group of groupsOf(site)) {
    const { mayBeRefused, verdict } = group
    const names = new Set(group.names)
    if (names.size === 0) continue
    const { arrival } = await send(open, linesOf(names, group))
    if (arrival !== undefined) {
      for (const name of names) if (holds(arrival, forgedValue(name))) found.set(name, verdict)
      continue
    }
    // One name that is refused, or believed, must not hide what the others do.
    for (const name of names) {
      const { arrival: lone } = await send(open, linesOf([name], group))
      if (lone === undefined && mayBeRefused !== true) found.set(name, BELIEVED)
      if (lone !== undefined && holds(lone, forgedValue(name))) found.set(name, verdict)
    }
  }
  if (await passesToken(forging)) found.set('Authorization', MANAGED)
  if (has(plain, 'x-request-id')) {
    const { arrival } = await send(open, ['Connection: close, X-Request-Id'])
    if (arrival !== undefined && !has(arrival, 'x-request-id')) found.set('Connection', TAKEN_AWAY)
  }
  const { arrival: offered } = await send(open, ['Connection: close, Upgrade', 'Upgrade: h2c'])
  if (offered !== undefined && has(offered, 'upgrade')) found.set('Upgrade', CHANGED)
  if (site.hasSessions) {
    const { arrival } = await send(open, [`Cookie: a=b; __Host-sallyport=${forgedValue('cookie')}`])
    if (arrival !== undefined && holds(arrival, forgedValue('cookie'))) found.set('Cookie', COOKIE)
  }
  return [...found].map(([name, verdict]) => finding('forged', name, verdict))

  function forgedValue(name: string): string {
    return `forged-${mark}-${Buffer.from(name).toString('hex')}.`
  }

  function linesOf(names: Iterable<string>, { repeats }: Group): readonly string[] {
    const lines = [...names].map(name => `${name}: ${forgedValue(name)}`)
    return repeats === true ? lines.flatMap(line => [line, line]) : lines
  }
}

function groupsOf({ told, prefixes, untold }: Site): readonly Group[] {
  const names = told.filter(name => name.toLowerCase() !== 'authorization')
  return [
    { names, verdict: MANAGED, repeats: true },
    ...prefixes.map(prefix => ({ names: [`${prefix}Forged`], verdict: MANAGED, mayBeRefused: true as const })),
    ...names.map(name => ({ names: aliases(name), verdict: ALIAS, mayBeRefused: true as const })),
    { names: withUnderscores(names), verdict: ALIAS, mayBeRefused: true },
    { names: untold, verdict: UNTOLD },
    { names: ['X-Original-URL', 'X-Forwarded-Uri'].flatMap(aliases), verdict: ALIAS, mayBeRefused: true },
    { names: withUnderscores(untold), verdict: ALIAS, mayBeRefused: true },
  ]
}

/** One for each character that could take the place of the first `-`. */
function aliases(name: string): readonly string[] {
  return NAME_MARKS.map(odd => name.replace('-', odd)).filter(each => each !== name)
}

function withUnderscores(names: readonly string[]): readonly string[] {
  return names.filter(name => name.includes('-')).map(name => name.replaceAll('-', '_'))
}

/** A token is not looked at where anybody may come; it may pass where the policy lets it. */
async function passesToken({ open, mark, send, policy }: Forging): Promise<boolean> {
  const token = `forged-${mark}-token`
  const { arrival } = await send(open, [`Authorization: Bearer ${token}`])
  if (arrival === undefined || !holds(arrival, token)) return false
  const { upstreamHeaders = [] } = await trial(policy, trialRequest('GET', open, ['Authorization', `Bearer ${token}`]))
  return !upstreamHeaders.includes(`Bearer ${token}`)
}

function holds({ rawHeaders }: Arrival, text: string): boolean {
  return rawHeaders.some((value, i) => i % 2 === 1 && value.includes(text))
}

function has({ rawHeaders }: Arrival, name: string): boolean {
  return rawHeaders.some((each, i) => i % 2 === 0 && foldedFieldName(each) === name)
}
