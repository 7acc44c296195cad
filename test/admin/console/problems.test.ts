import { expect, test } from 'vitest'
import type { ConsoleFacts } from '../../../src/admin/console/facts.ts'
import { html } from '../../../src/admin/console/nodes.ts'
import { problemList } from '../../../src/admin/console/problems.ts'

type Status = ConsoleFacts['status']

const HISTOGRAM = { bounds: [], counts: [] }
const PROVIDER: Status['providers'][number] = {
  id: 'staff',
  issuer: 'https://login.example.com/',
  usable: true,
  keys: [],
  skipped: {},
  last_success: '2026-11-27T09:00:00.000Z',
  age_seconds: 3600,
  last_error: undefined,
  introspection: undefined,
  sessions: undefined,
  decryption: undefined,
}
const STATUS: Status = {
  ready: true,
  reasons: [],
  version: '1.0.0',
  started: '2026-11-27T08:00:00.000Z',
  config_hash: 'abc',
  config: { hash: 'abc', since: '2026-11-27T08:00:00.000Z', last_rejected: undefined },
  routes: [],
  providers: [PROVIDER],
  revocation: undefined,
  proofs: undefined,
  limits: undefined,
  audit: { file: '/audit/log', state: 'ok', last_error: undefined, queued: 0 },
  decide: undefined,
  signing: undefined,
  exchange: undefined,
}
const REVOCATION: Status['revocation'] = {
  state: 'stale',
  entries: { jti: 0, sub: 0, sid: 0, client: 0, all: 0 },
  last_success: undefined,
  age_seconds: undefined,
  last_error: 'no answer',
}
const LIMIT: NonNullable<Status['limits']>[number] = {
  id: 'per-tenant',
  keys: 3,
  entries: 100,
  mode: 'local',
  last_error: 'the store is away; each process counts for itself until it is back',
}
const TOTALS: ConsoleFacts['span']['totals'] = {
  refused: new Map(),
  reported: new Map(),
  routes: new Map(),
  streamsEnded: new Map(),
  lookups: new Map(),
  traceSpans: new Map([['exported', 7]]),
  auditRecords: new Map([['written', 7]]),
  added: HISTOGRAM,
  service: HISTOGRAM,
}

interface Given {
  readonly status?: Partial<Status>
  readonly now?: Readonly<Record<string, number>>
  readonly totals?: Partial<ConsoleFacts['span']['totals']>
}

function linesOf({ status = {}, now = {}, totals = {} }: Given): readonly string[] {
  const list = problemList({
    status: { ...STATUS, ...status },
    recent: [],
    readings: { ...TOTALS, atMs: 0, now: new Map(Object.entries(now)), limited: new Map() },
    span: { seconds: 300, totals: { ...TOTALS, ...totals }, steps: [] },
  })
  if (list === undefined) return []
  return html(list)
    .split('</li>')
    .map(line => line.replaceAll(/<[^>]*>/g, ''))
    .filter(line => line !== '')
}

test('nothing is said where nothing is wrong', () => {
  expect(linesOf({ now: { sallyport_store_up: 1 } })).toEqual([])
})

test.each<readonly [string, Given, string]>([
  [
    'a configuration that was rejected',
    {
      status: {
        config: {
          ...STATUS.config,
          last_rejected: { at: '2026-11-27T10:00:00.000Z', trigger: 'change', problems: [] },
        },
      },
    },
    'The last configuration was rejected 2026-11-27 10:00:00 UTC; the one before is in force',
  ],
  [
    'an audit log that fails',
    { status: { audit: { file: '/audit/log', state: 'failing', last_error: 'ENOSPC', queued: 3 } } },
    'Audit records cannot be written: ENOSPC',
  ],
  [
    'audit records that were dropped',
    { totals: { auditRecords: new Map([['dropped', 2]]) } },
    '2 audit records were dropped in the last 5 min',
  ],
  [
    'signing keys that cannot be read',
    {
      status: {
        signing: {
          ...{ kid: 'a', algorithm: 'ES256', since: '2026-11-27T10:00:00Z', next_rotation: undefined },
          ...{ published: ['a'], folder: '/keys', last_error: 'holds no key' },
        },
      },
    },
    'The signing keys cannot all be read: the folder holds no key',
  ],
  ['a store that is away', { now: { sallyport_store_up: 0 } }, 'The store cannot be used'],
  [
    'a store that limits cannot be shared by',
    { now: { sallyport_store_up: 0 }, status: { limits: [LIMIT] } },
    'The store cannot be used: the store is away; each process counts for itself until it is back',
  ],
  ['revocations that are stale', { status: { revocation: REVOCATION } }, 'Revocations are stale: no answer'],
  [
    'keys that could not be fetched',
    { status: { providers: [{ ...PROVIDER, last_error: 'refused' }] } },
    'Provider staff could not be asked for its keys since 2026-11-27 09:00:00 UTC: refused',
  ],
  [
    'spans that were lost',
    {
      totals: {
        traceSpans: new Map([
          ['failed', 40],
          ['dropped', 3],
        ]),
      },
    },
    'Spans of traces: 40 could not be sent and 3 were dropped in the last 5 min',
  ],
])('%s has a line, though the gateway is ready', (_, given, line) => {
  expect(linesOf(given)).toEqual([line])
})

test('what makes the gateway unready comes first, and is said once', () => {
  const reasons = ['revocations: stale: no answer']
  expect(linesOf({ status: { ready: false, reasons, revocation: REVOCATION } })).toEqual(reasons)
})
