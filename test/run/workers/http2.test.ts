/** Several processes behind one listener speak HTTP/2 without TLS like one: each connection is that of one worker. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { type Http2Client, http2Client, requestHead } from '../../support/clients/http2-client.ts'
import { serving, startWorkers, until, WORKERS } from './support.ts'

test('connections are shared, limited in all, and told to go when all of them stop', async () => {
  const held: ServerResponse[] = []
  const { gateway, upstream, pids } = await startWorkers({ limits: { connections: WORKERS } }, (request, response) => {
    if (request.url === '/held') held.push(response)
    else response.end()
  })
  const connected = (): Http2Client => {
    const client = http2Client(gateway.url, undefined)
    atEnd(client.destroy)
    return client
  }
  const clients: Http2Client[] = []
  // The kernel chooses the worker, and each has its share.
  while (clients.length < WORKERS) {
    const client = connected()
    if ((await client.request('/x').catch(() => undefined))?.status === 200) clients.push(client)
  }
  await connected().closed
  for (const client of clients) expect((await client.request('/x')).status).toBe(200)
  const running = await pids()
  await until(
    () => serving(gateway),
    found => running.every(pid => found.has(pid)),
  )

  const calls = []
  for (const client of clients) {
    const arrival = upstream.arrival()
    calls.push(client.open(requestHead('GET', '/held'), 'none'))
    await arrival
  }
  const told = clients.map(({ session }) => once(session, 'goaway'))
  gateway.process.child.kill('SIGTERM')
  expect((await Promise.all(told)).map(([code]) => code)).toEqual(clients.map(() => 0))
  for (const response of held) response.end('finished')
  for (const call of calls) expect(await call.ended).toMatchObject({ status: 200, body: 'finished', complete: true })
  expect(await gateway.process.exited).toBe(0)
  expect(gateway.process.stderr()).toBe('')
})
