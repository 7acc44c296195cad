/** Requests under way have a limit over all connections: what is over it is refused, and a place is never lost. */
import type { ServerResponse } from 'node:http'
import { Agent, request } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Http2Client, http2Client, requestHead } from '../support/clients/http2-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const LIMIT = 3

describe.each(http2TransportsOfFile())('with $name', ({ listen, ca }) => {
  const held: ServerResponse[] = []
  let service: TestUpstream
  let gateway: TestGateway
  let agent: Agent
  let client: Http2Client

  beforeAll(async () => {
    service = await startTestUpstream((_request, response) => void held.push(response))
    gateway = await startTestGateway({
      listen,
      upstreams: { app: service.url },
      limits: { requests: LIMIT },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    agent = new Agent({ connections: null, connect: { ca: ca ?? [], servername: 'localhost' } })
    client = http2Client(gateway.url, ca)
  })
  afterEach(async () => {
    for (const response of held.splice(0)) response.end()
    while ((await gateway.metrics()).get('sallyport_requests_in_flight') !== 0);
  })
  afterAll(async () => {
    client.destroy()
    await agent.destroy()
    await gateway.close()
    await service.close()
  })

  interface Answer {
    readonly status: number
    readonly retryAfter: string | undefined
    readonly body: string
  }

  interface Protocol {
    readonly name: string
    readonly ask: (path: string) => Promise<Answer>
    /** Asks for what the service holds, and goes away when the service has been asked. */
    readonly askAndLeave: () => Promise<void>
  }

  const PROTOCOLS: readonly Protocol[] = [
    {
      name: 'HTTP/1.1',
      async ask(path) {
        const { statusCode, headers, body } = await request(gateway.url + path, { dispatcher: agent })
        return { status: statusCode, retryAfter: headers['retry-after'] as string | undefined, body: await body.text() }
      },
      async askAndLeave() {
        const leaving = new AbortController()
        const arrival = service.arrival()
        const asked = request(`${gateway.url}/held`, { dispatcher: agent, signal: leaving.signal }).catch(() => {})
        await arrival
        leaving.abort()
        await asked
      },
    },
    {
      name: 'HTTP/2',
      async ask(path) {
        const { status, headers, body } = await client.request(path)
        return { status, retryAfter: headers.get('retry-after'), body }
      },
      async askAndLeave() {
        const arrival = service.arrival()
        const call = client.open(requestHead('GET', '/held'), 'none')
        await arrival
        call.stream.close(8)
        await call.ended
      },
    },
  ]

  /** Has the service hold as many requests as may be under way. */
  async function fill({ ask }: Protocol): Promise<ReadonlyArray<Promise<Answer>>> {
    const answers: Array<Promise<Answer>> = []
    while (held.length < LIMIT) {
      const arrival = service.arrival()
      answers.push(ask('/held'))
      await arrival
    }
    return answers
  }

  describe.each(PROTOCOLS)('over $name', protocol => {
    test('a request over the limit is refused and never reaches the service; the others go on', async () => {
      const answers = await fill(protocol)
      const seen = service.seen.length
      expect(await protocol.ask('/one-more')).toMatchObject({
        status: 503,
        retryAfter: '1',
        body: expect.stringContaining('"overloaded"'),
      })
      expect(service.seen.length).toBe(seen)
      const { evidence } = await gateway.logged({ code: 'overloaded' })
      expect(evidence).toEqual({ limit: 'requests', most: LIMIT, seen: LIMIT })
      for (const response of held.splice(0)) response.end('late')
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200])
    })

    test('the limit holds over all connections and versions', async () => {
      const answers = await fill(protocol)
      for (const { ask } of PROTOCOLS) expect((await ask('/one-more')).status).toBe(503)
      for (const response of held.splice(0)) response.end()
      await Promise.all(answers)
    })

    test('a request that is over, refused or left alone gives its place back, once', async () => {
      for (let round = 0; round < 2 * LIMIT; round++) {
        await protocol.askAndLeave()
        expect((await protocol.ask('/%00')).status).toBe(400)
      }
      while ((await gateway.metrics()).get('sallyport_requests_in_flight') !== 0);
      held.splice(0)
      const answers = await fill(protocol)
      expect((await protocol.ask('/one-more')).status).toBe(503)
      for (const response of held.splice(0)) response.end()
      await Promise.all(answers)
    })
  })
})
