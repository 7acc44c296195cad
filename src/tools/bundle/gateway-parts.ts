/**
 * Asks a gateway that runs for its status, its metrics and its last refusals, and shows of them what a ticket needs.
 *
 * Of a refusal only the members listed here are shown, and subjects and clients as hashes that hold in one bundle.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { RecentRefusal } from '../../admin/recent.ts'
import type { Address } from '../../config/schema/schema.ts'
import { jsonOf } from '../admin/ask.ts'
import { askedOfAdmin } from '../doctor/admin-check.ts'
import { type Clean, cleaned, isObject, json } from './cleaned.ts'
import { LEFT_OUT } from './secret-looks.ts'

/** A part of the bundle, or why there is none. */
export type Part = { readonly text: string } | { readonly reason: string }

export async function gatewayParts(
  admin: Address | undefined,
  stepMs: number,
  clean: Clean,
): Promise<ReadonlyArray<readonly [name: string, part: Part]>> {
  const asked = async (path: string, shown: (text: string) => string | undefined): Promise<Part> => {
    if (admin === undefined) return { reason: 'it is not known where the admin listener is; name it by --admin' }
    const answer = await askedOfAdmin(admin, path, stepMs)
    if (answer === undefined) return { reason: 'no gateway answers at the admin listener' }
    if (answer.status !== 200) return { reason: `${path} is answered with ${answer.status}` }
    const text = shown(answer.text)
    return text === undefined ? { reason: `${path} is not answered as a gateway does` } : { text }
  }
  const [status, metrics, recent] = await Promise.all([
    asked('/-/status', text => shownStatus(text, clean)),
    asked('/metrics', text => shownMetrics(text, clean)),
    asked('/-/recent', text => shownRecent(text, clean)),
  ])
  const refusals =
    'reason' in recent && recent.reason.endsWith('404')
      ? { reason: 'the gateway remembers no refusals; set `admin.console`' }
      : recent
  return [
    ['status.json', status],
    ['metrics.txt', metrics],
    ['recent.json', refusals],
  ]
}

/** @returns undefined for an answer that is not a gateway's */
function shownStatus(text: string, clean: Clean): string | undefined {
  const status = jsonOf(text)
  if (!isObject(status) || typeof status.version !== 'string' || typeof status.config_hash !== 'string')
    return undefined
  return json(cleaned(status, clean))
}

/** Lines of the metrics that a gateway has, and comments on them. */
const METRIC = /^(?:# (?:HELP|TYPE) )?(?:sallyport|process|nodejs)_[a-z0-9_]+[ {]/

function shownMetrics(text: string, clean: Clean): string | undefined {
  const lines = text.split('\n').filter(line => METRIC.test(line))
  return lines.length === 0 ? undefined : `${clean(lines.join('\n'))}\n`
}

/** What is hashed says who somebody is, so that only whether two are the same is shown. */
type Showing = 'cleaned' | 'hashed' | 'identifier'

/** How each member of a refusal is shown. */
const RECENT_MEMBERS: ReadonlyArray<readonly [name: string, showing: Showing]> = Object.entries({
  time: 'cleaned',
  request_id: 'identifier',
  trace_id: 'identifier',
  decision: 'cleaned',
  code: 'cleaned',
  status: 'cleaned',
  method: 'cleaned',
  host: 'cleaned',
  path: 'cleaned',
  route: 'cleaned',
  provider: 'cleaned',
  subject: 'hashed',
  client: 'hashed',
  evidence: 'cleaned',
  explain: 'cleaned',
} satisfies Record<keyof RecentRefusal, Showing>)
const PERSONAL = RECENT_MEMBERS.flatMap(([name, showing]) => (showing === 'hashed' ? [name] : []))

function shownRecent(text: string, clean: Clean): string | undefined {
  const answer = jsonOf(text)
  const records = isObject(answer) ? answer.records : undefined
  if (!Array.isArray(records)) return undefined
  // It is made for this bundle alone, so that nobody finds a subject by trying.
  const key = randomBytes(32)
  const hash = (value: string): string => `#${createHmac('sha256', key).update(value).digest('hex').slice(0, 12)}`
  const shown = records.filter(isObject)
  const people = new Set(
    shown.flatMap(record => PERSONAL.flatMap(name => (typeof record[name] === 'string' ? [record[name]] : []))),
  )
  people.delete('')
  // A subject may stand in a path or in evidence, too. A name may begin with another, and a hash may hold one.
  const longestFirst = [...people].toSorted((one, other) => other.length - one.length)
  const named = new RegExp(longestFirst.map(person => person.replaceAll(/[^\w\s]/g, '\\$&')).join('|') || '(?!)', 'g')
  const unnamed = (value: string): string => value.replaceAll(named, hash)
  return json({ records: shown.map(record => shownRecord(record, hash, text => clean(unnamed(text)))) })
}

function shownRecord(record: Readonly<Record<string, unknown>>, hash: Clean, clean: Clean) {
  return Object.fromEntries(
    RECENT_MEMBERS.flatMap(([name, showing]) => {
      const value = record[name]
      if (value === undefined) return []
      if (showing === 'hashed') return [[name, typeof value === 'string' ? hash(value) : LEFT_OUT]]
      // Identifiers of requests and traces look random, and are what a ticket asks about.
      if (showing === 'identifier') return /^[\w.-]{1,128}$/.test(String(value)) ? [[name, value]] : []
      return [[name, cleaned(value, clean)]]
    }),
  )
}
