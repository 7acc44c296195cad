/** What an operator is told of several processes. */
import { expect, test } from 'vitest'
import { combinedStatus } from '../../../src/run/workers/combined-status.ts'

type WorkerAnswer = Parameters<typeof combinedStatus>[0]['answers'][number]

function answer(pid: number, reasons: readonly string[] = [], isCurrent = true): WorkerAnswer {
  const status = {
    ready: reasons.length === 0,
    reasons,
    version: '1',
    started: '2027-01-15T07:50:00.000Z',
    config_hash: `${pid}`,
    config: { hash: `${pid}`, since: '2027-01-15T07:55:00.000Z', last_rejected: undefined },
    routes: [],
    providers: [],
    revocation: undefined,
    proofs: undefined,
    limits: undefined,
    audit: undefined,
    decide: undefined,
    signing: undefined,
    exchange: undefined,
  }
  return { pid, status, isCurrent }
}

const PROVIDER = {
  id: 'main',
  issuer: 'https://auth.example.com',
  usable: true,
  keys: undefined,
  skipped: undefined,
  last_success: undefined,
  age_seconds: undefined,
  last_error: undefined,
  introspection: undefined,
  sessions: undefined,
  decryption: undefined,
}

const STARTED = '2027-01-15T07:40:00.000Z'
const SOURCE = { count: 2, isDraining: false, version: '1', startedMs: Date.parse(STARTED) }

test('they are ready when each of them is', () => {
  expect(combinedStatus({ ...SOURCE, answers: [answer(7), answer(8)] })).toMatchObject({ ready: true, reasons: [] })
})

test('what several say is said once, with the details of one that is not ready', () => {
  const found = combinedStatus({ ...SOURCE, count: 3, answers: [answer(7), answer(8, ['a', 'b']), answer(9, ['b'])] })
  expect(found).toMatchObject({ ready: false, reasons: ['a', 'b'], config_hash: '8' })
  expect(found.workers).toEqual([
    { pid: 7, ready: true, config_hash: '7' },
    { pid: 8, ready: false, config_hash: '8' },
    { pid: 9, ready: false, config_hash: '9' },
  ])
})

test('one that does not answer, or is not there, is missed', () => {
  const found = combinedStatus({ ...SOURCE, count: 3, answers: [answer(7), answer(8, [], false)] })
  expect(found).toMatchObject({
    ready: false,
    reasons: ['1 of 3 workers are not running', 'worker 8 does not answer'],
    workers: [{ ready: true }, { ready: false }],
  })
})

test('there is a picture before any of them has said a word', () => {
  expect(combinedStatus({ ...SOURCE, answers: [] })).toEqual({
    ready: false,
    reasons: ['2 of 2 workers are not running'],
    version: '1',
    started: STARTED,
    config: { hash: '', since: STARTED },
    config_hash: '',
    routes: [],
    providers: [],
    workers: [],
  })
})

test('they were started when the first process was, and the last file that one of them rejected is shown', () => {
  const rejecting = (pid: number, at: string) => {
    const { status, ...rest } = answer(pid)
    const last_rejected = { at, trigger: 'change', problems: [`that of ${pid}`] }
    return { ...rest, status: { ...status, config: { ...status.config, last_rejected } } }
  }
  const answers = [rejecting(7, '2027-01-15T07:57:00.000Z'), rejecting(8, '2027-01-15T07:56:00.000Z'), answer(9)]
  expect(combinedStatus({ ...SOURCE, count: 3, answers })).toMatchObject({
    started: STARTED,
    config: { hash: '7', last_rejected: { at: '2027-01-15T07:57:00.000Z', problems: ['that of 7'] } },
  })
  expect(combinedStatus({ ...SOURCE, answers: [answer(7), answer(8)] }).config.last_rejected).toBeUndefined()
})

test('of what they know of revocations, the least up to date is shown', () => {
  const knowing = (pid: number, state: 'starting' | 'fresh' | 'stale', age_seconds: number | undefined) => {
    const entries = { jti: 0, sub: 0, sid: 0, client: 0, all: 0 }
    const revocation = { state, entries, last_success: undefined, age_seconds, last_error: undefined }
    const { status, ...rest } = answer(pid)
    return { ...rest, status: { ...status, revocation } }
  }
  const shown = (...answers: readonly WorkerAnswer[]) => combinedStatus({ ...SOURCE, answers }).revocation
  expect(shown(knowing(7, 'fresh', 1), knowing(8, 'stale', 90))).toMatchObject({ state: 'stale' })
  expect(shown(knowing(7, 'starting', undefined), knowing(8, 'fresh', 9))).toMatchObject({ state: 'starting' })
  expect(shown(knowing(7, 'fresh', 1), knowing(8, 'fresh', 9))).toMatchObject({ age_seconds: 9 })
  expect(shown(answer(7), answer(8))).toBeUndefined()
})

test('of their memories of proofs, the fullest is shown, and whether one of them is on its own', () => {
  const remembering = (pid: number, remembered: number, shared: boolean | undefined, last_error?: string) => {
    const { status, ...rest } = answer(pid)
    return { ...rest, status: { ...status, proofs: { remembered, entries: 1000, shared, last_error } } }
  }
  const answers = [remembering(7, 5, true), remembering(8, 9, true), remembering(9, 1, false, 'is gone')]
  expect(combinedStatus({ ...SOURCE, answers }).proofs).toEqual({
    remembered: 9,
    entries: 1000,
    shared: false,
    last_error: 'is gone',
  })
  expect(combinedStatus({ ...SOURCE, answers: answers.slice(0, 2) }).proofs).toMatchObject({ shared: true })
  expect(combinedStatus({ ...SOURCE, answers: [answer(7)] }).proofs).toBeUndefined()
})

test('of what they know of a server that is asked, the worst is shown, with the questions of all', () => {
  const questions = { next_try: undefined, last_failure: undefined, failure_age_seconds: undefined }
  const asking = (pid: number, breaker: 'closed' | 'probing' | 'open', count: number, last_error?: string) => {
    const introspection = { endpoint: 'https://auth.example.com/introspect', breaker, ...questions }
    const counts = { in_flight: count, queued: 10 * count, active_tokens: 100 * count, inactive_tokens: 7 - count }
    const { status, ...rest } = answer(pid)
    const opaque = { ...PROVIDER, last_error, introspection: { ...introspection, ...counts } }
    return { ...rest, status: { ...status, providers: [PROVIDER, { ...opaque, id: 'opaque' }] } }
  }
  const answers = [asking(7, 'closed', 1, 'was late'), asking(8, 'open', 2, 'is away'), asking(9, 'probing', 3)]
  for (const order of [answers, answers.toReversed()]) {
    const { providers } = combinedStatus({ ...SOURCE, count: 3, answers: order })
    expect(providers).toEqual([
      PROVIDER,
      expect.objectContaining({
        id: 'opaque',
        last_error: 'is away',
        introspection: expect.objectContaining({
          breaker: 'open',
          in_flight: 6,
          queued: 60,
          active_tokens: 300,
          inactive_tokens: 6,
        }),
      }),
    ])
  }
  const [late] = answers
  const sound = asking(9, 'closed', 1)
  const { providers } = combinedStatus({ ...SOURCE, answers: late === undefined ? [] : [sound, late] })
  expect(providers[1]).toMatchObject({ last_error: 'was late' })
})

test('of what they know of sessions, all are counted, with the last failure, and the store as the worst of them sees it', () => {
  const holding = (pid: number, held: number, age: number | undefined, store: 'unused' | 'up' | 'down') => {
    const { status, ...rest } = answer(pid)
    const sessions = {
      held,
      last_refresh_error: age === undefined ? undefined : `failure of ${pid}`,
      last_refresh_failure: age === undefined ? undefined : '2027-01-15T07:59:50.000Z',
      refresh_failure_age_seconds: age,
      last_login_error: `login failed at ${pid}`,
      last_login_failure: '2027-01-15T07:59:50.000Z',
      login_failure_age_seconds: 100 - pid,
      store,
      store_error: store === 'down' ? 'the store cannot be reached' : undefined,
    }
    return { ...rest, status: { ...status, providers: [PROVIDER, { ...PROVIDER, id: 'browser', sessions }] } }
  }
  const answers = [holding(7, 1, 30, 'up'), holding(8, 2, 10, 'unused'), holding(9, 3, undefined, 'down')]
  for (const order of [answers, answers.toReversed()]) {
    const { providers } = combinedStatus({ ...SOURCE, count: 3, answers: order })
    expect(providers[0]).toEqual(PROVIDER)
    expect(providers[1]?.sessions).toEqual({
      held: 6,
      last_refresh_error: 'failure of 8',
      last_refresh_failure: '2027-01-15T07:59:50.000Z',
      refresh_failure_age_seconds: 10,
      last_login_error: 'login failed at 9',
      last_login_failure: '2027-01-15T07:59:50.000Z',
      login_failure_age_seconds: 91,
      store: 'down',
      store_error: 'the store cannot be reached',
    })
  }
})

test('a limit is shown with the fullest table, as the worker sees the store that sees it worst', () => {
  const limited = (pid: number, keys: number, mode: 'shared' | 'local' | 'refuse') => {
    const last_error = mode === 'shared' ? undefined : `the store is away (${pid})`
    const { status, ...rest } = answer(pid)
    return { ...rest, status: { ...status, limits: [{ id: 'per-tenant', keys, entries: 100, mode, last_error }] } }
  }
  const of = (...answers: readonly WorkerAnswer[]) => combinedStatus({ ...SOURCE, answers }).limits
  expect(of(answer(7), answer(8))).toBeUndefined()
  expect(of(limited(7, 3, 'shared'), limited(8, 20, 'shared'))).toEqual([
    { id: 'per-tenant', keys: 20, entries: 100, mode: 'shared', last_error: undefined },
  ])
  expect(of(limited(7, 30, 'shared'), limited(8, 20, 'local'))).toEqual([
    { id: 'per-tenant', keys: 30, entries: 100, mode: 'local', last_error: 'the store is away (8)' },
  ])
})

test('a token endpoint is shown as the worker sees it that it looks worst to', () => {
  const exchanging = (pid: number, breaker: 'closed' | 'probing' | 'open', last_error?: string) => {
    const { status, ...rest } = answer(pid)
    const seen = { next_try: undefined, last_success: undefined, last_failure: undefined, last_error }
    const exchange = [{ upstream: 'app', endpoint: `https://auth.example.com/${pid}`, breaker, ...seen }]
    return { ...rest, status: { ...status, exchange } }
  }
  const shown = (...answers: readonly WorkerAnswer[]) =>
    combinedStatus({ ...SOURCE, answers }).exchange?.map(({ endpoint }) => endpoint?.at(-1))
  expect(shown(answer(7), answer(8))).toBeUndefined()
  expect(shown(exchanging(7, 'closed'), exchanging(8, 'open', 'a'), exchanging(9, 'probing', 'b'))).toEqual(['8'])
  expect(shown(exchanging(7, 'closed'), exchanging(8, 'closed', 'a'))).toEqual(['8'])
  // One that has not loaded the file yet knows nothing of it.
  expect(shown(exchanging(7, 'closed'), answer(8))).toEqual(['7'])
})
