/** What several workers remember of refusals is told as one list. */
import { request } from 'undici'
import { expect, test } from 'vitest'
import type { RecentAnswer } from '../../../src/admin/recent.ts'
import { atEnd } from '../../support/at-end.ts'
import { bearer, testProvider } from '../../support/gateway/gateway.ts'
import { startTestIssuer } from '../../support/services/issuer.ts'
import { serving, startWorkers, until } from './support.ts'

test('the refusals of all workers are one list by time, with one name for a caller, and a cursor outlives a worker', async () => {
  const issuer = await startTestIssuer()
  atEnd(issuer.close)
  const { gateway, pids } = await startWorkers({
    admin: { listen: '127.0.0.1:0', console: {} },
    providers: { main: testProvider(issuer) },
    routes: [{ id: 'all', path: '/**', require: { scopes: ['some'] } }],
  })
  await until(
    () => gateway.admin('/readyz'),
    ({ status }) => status === 200,
  )
  const token = bearer(await issuer.mint({}))
  let asked = 0
  const refuse = async (): Promise<string> => {
    const id = `request-${++asked}`
    const headers = { ...token, 'x-request-id': id }
    const { statusCode, body } = await request(gateway.url, { reset: true, headers })
    await body.dump()
    expect(statusCode).toBe(403)
    await gateway.logged({ request_id: id })
    return id
  }
  const recent = async (query = ''): Promise<RecentAnswer> =>
    JSON.parse((await gateway.admin(`/-/recent${query}`)).text) as RecentAnswer

  const ids: string[] = []
  while (serving(gateway).size < 2 || ids.length < 4) ids.push(await refuse())
  const { records, next } = await recent()
  expect(records.map(({ request_id }) => request_id)).toEqual(ids)
  expect(new Set(records.map(({ subject }) => subject))).toEqual(new Set([expect.stringMatching(/^[0-9a-f]{12}$/)]))
  expect((await recent(`?request=${ids[1]}`)).records).toMatchObject([{ request_id: ids[1], code: 'scope_missing' }])
  expect((await recent(`?after=${next}`)).records).toEqual([])

  const [victim = 0] = await pids()
  process.kill(victim, 'SIGSTOP')
  const ofOne = await recent()
  process.kill(victim, 'SIGCONT')
  expect(ofOne.records.length).toBeGreaterThan(0)
  expect(ofOne.records.length).toBeLessThan(ids.length)
  // What was left out is told to whoever goes on.
  const rest = await until(
    () => recent(`?after=${ofOne.next}`),
    found => found.records.length > 0,
  )
  expect(new Set([...ofOne.records, ...rest.records].map(({ request_id }) => request_id))).toEqual(new Set(ids))

  process.kill(victim, 'SIGKILL')
  await gateway.logged({ msg: 'a worker took its place' })
  const later: string[] = []
  while (serving(gateway).size < 3) later.push(await refuse())
  const more = await recent(`?after=${next}`)
  expect(more.records.map(({ request_id }) => request_id)).toEqual(later)
  expect((await recent(`?after=${more.next}`)).records).toEqual([])
})
