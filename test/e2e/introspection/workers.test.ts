/**
 * Opaque tokens at a gateway of several processes: together they keep to the bounds of one, each learns of a revoked
 * token by itself, and an operator is told of all of them.
 *
 * A connection stays with the process that has accepted it, and the kernel chooses which.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'undici'
import { expect, test } from 'vitest'
import { startWorkers, until, WORKERS, type Workers } from '../../run/workers/support.ts'
import { atEnd } from '../../support/at-end.ts'
import { bearer } from '../../support/gateway/gateway.ts'
import {
  type IntrospectionEndpoint,
  startIntrospectionEndpoint,
} from '../../support/services/introspection-endpoint.ts'
import { activeAnswer, heldUntilRelease, opaqueProvider, opaqueToken, SECRET } from './support.ts'

/** It cannot be shared equally. */
const CONCURRENCY = 9
/** Each may send that many questions. */
const SHARE = 4

interface AskingWorkers extends Workers {
  readonly endpoint: IntrospectionEndpoint
  /** What the status says of the provider. */
  asking(): Promise<Readonly<Record<string, unknown>>>
  metric(name: string): Promise<number | undefined>
}

async function startAsking(cache: Readonly<Record<string, unknown>>): Promise<AskingWorkers> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-secret-'))
  atEnd(() => rmSync(folder, { recursive: true }))
  const secretFile = join(folder, 'secret')
  writeFileSync(secretFile, SECRET, { mode: 0o600 })
  const endpoint = await startIntrospectionEndpoint()
  const rest = { cache, concurrency: CONCURRENCY, queue: 1_000, timeout: '1m' }
  const provider = opaqueProvider(endpoint, rest)
  const workers = await startWorkers({
    providers: { opaque: { ...provider, client: { ...(provider.client as object), secretFile } } },
    routes: [{ id: 'all', path: '/**' }],
  })
  return {
    ...workers,
    endpoint,
    async asking() {
      const { text } = await workers.gateway.admin('/-/status')
      const { providers } = JSON.parse(text) as { providers: ReadonlyArray<Record<string, unknown>> }
      return providers[0]?.introspection as Readonly<Record<string, unknown>>
    },
    metric: async name => (await workers.gateway.metrics()).get(`sallyport_${name}`),
  }
}

interface Caller {
  readonly token: string
  /** @returns the process that has its connection */
  worker(): Promise<unknown>
  send(): Promise<string>
}

/** It has a connection of its own, which is open. */
async function caller({ gateway }: Workers, token: string): Promise<Caller> {
  const client = new Client(gateway.url, { keepAliveTimeout: 60_000, headersTimeout: 0 })
  atEnd(() => client.destroy())
  const send = async (headers: Record<string, string>) => {
    const { statusCode, body } = await client.request({ method: 'GET', path: '/', headers })
    const { code } = (await body.json()) as { code?: string }
    return code === undefined ? `${statusCode}` : `${statusCode} ${code}`
  }
  const id = randomUUID()
  expect(await send({ 'x-request-id': id })).toBe('401 token_missing')
  const worker = async () => (await gateway.logged({ request_id: id })).worker
  return { token, worker, send: () => send(bearer(token)) }
}

async function callers(workers: Workers, tokens: readonly string[]): Promise<readonly Caller[]> {
  const all: Caller[] = []
  for (const token of tokens) all.push(await caller(workers, token))
  return all
}

/** @returns one for each process */
async function callerOfEach(workers: Workers, token: string): Promise<readonly Caller[]> {
  const found = new Map<unknown, Caller>()
  while (found.size < WORKERS) {
    const next = await caller(workers, token)
    const worker = await next.worker()
    if (!found.has(worker)) found.set(worker, next)
  }
  return [...found.values()]
}

function activeTokens({ tokens }: IntrospectionEndpoint, count: number): readonly string[] {
  const made = Array.from({ length: count }, opaqueToken)
  for (const token of made) tokens.set(token, activeAnswer())
  return made
}

/** Notes the most questions that the endpoint has at a time. None is answered before the release. */
function watched(endpoint: IntrospectionEndpoint) {
  let now = 0
  let most = 0
  const held = heldUntilRelease((response, { form }) => {
    now -= 1
    const answer = endpoint.tokens.get(form.get('token') ?? '') ?? { active: false }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  endpoint.answerWith((response, question) => {
    now += 1
    most = Math.max(most, now)
    return held.answer(response, question)
  })
  return { most: () => most, release: held.release }
}

test('together they ask no more questions at a time than one process may, and strangers ask half of them', async () => {
  const CALLERS = 200
  const workers = await startAsking({ ttl: '0s' })
  const { endpoint, asking, metric } = workers
  const all = await callers(workers, activeTokens(endpoint, CALLERS))
  const isFull = (questions: number) => (found: Readonly<Record<string, unknown>>) =>
    found.in_flight === questions && found.queued === CALLERS - questions
  // Nobody knows the tokens at first; then each is known to the process that has its caller's connection.
  for (const [round, questions] of [(WORKERS * SHARE) / 2, WORKERS * SHARE].entries()) {
    const atOnce = watched(endpoint)
    const outcomes = Promise.all(all.map(({ send }) => send()))
    await until(asking, isFull(questions))
    await until(atOnce.most, most => most === questions)
    expect(await metric('introspection_in_flight{provider="opaque"}')).toBe(questions)
    atOnce.release()
    expect(new Set(await outcomes)).toEqual(new Set(['200']))
    expect(atOnce.most()).toBe(questions)
    const active = 'introspections_total{provider="opaque",result="active"}'
    await until(
      () => metric(active),
      found => found === CALLERS * (round + 1),
    )
  }
  expect(endpoint.questions).toHaveLength(2 * CALLERS)
  expect(await asking()).toMatchObject({ breaker: 'closed', in_flight: 0, queued: 0 })
  expect(await metric('introspection_in_flight{provider="opaque"}')).toBe(0)
  expect(await metric('introspections_total{provider="opaque",result="rejected"}')).toBe(0)
  expect(await metric('introspection_duration_seconds_count{provider="opaque"}')).toBe(2 * CALLERS)
})

test('a token that is revoked at the server is refused by each as soon as that has asked again', async () => {
  const workers = await startAsking({ ttl: '1s', inactiveTtl: '1h' })
  const { endpoint, metric } = workers
  const [token = ''] = activeTokens(endpoint, 1)
  const each = await callerOfEach(workers, token)
  const outcomes = () => Promise.all(each.map(({ send }) => send()))
  expect(await outcomes()).toEqual(['200', '200'])
  expect(endpoint.questions).toHaveLength(WORKERS)
  endpoint.tokens.delete(token)
  const refused = '401 token_inactive'
  await until(outcomes, ([one, other]) => one === refused && other === refused)
  const inactive = await metric('introspections_total{provider="opaque",result="inactive"}')
  expect(inactive).toBe(WORKERS)
  const questions = endpoint.questions.length
  for (let times = 0; times < 5; times += 1) expect(await outcomes()).toEqual([refused, refused])
  expect(endpoint.questions).toHaveLength(questions)
})

test.each([0, 1])('an operator sees that one of them has left the server alone, whichever it is: %i', async index => {
  const workers = await startAsking({ ttl: '1h' })
  const { endpoint, gateway, asking, metric } = workers
  const each = await callerOfEach(workers, opaqueToken())
  expect(await asking()).toMatchObject({ breaker: 'closed' })
  expect(await metric('introspection_breaker{provider="opaque"}')).toBe(0)
  await endpoint.down()
  for (let failures = 0; failures < 5; failures += 1)
    expect(await each[index]?.send()).toBe('503 introspection_unavailable')
  await until(asking, ({ breaker }) => breaker === 'open')
  expect(await metric('introspection_breaker{provider="opaque"}')).toBe(2)
  const { text } = await gateway.admin('/-/status')
  expect(JSON.parse(text)).toMatchObject({ ready: true, providers: [{ id: 'opaque', last_error: expect.any(String) }] })
})
