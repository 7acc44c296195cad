/** The gateway stops in good order: everything is waited for as an event, and nothing for time. */
import { once } from 'node:events'
import { request as httpRequest, type RequestListener, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { Agent, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { echo, startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

/** Answers `/held` when a test says so, streams `/stream`, and echoes the rest. */
async function startStack(config: Record<string, unknown> = {}) {
  const held: ServerResponse[] = []
  const respond: RequestListener = (incoming, response) => {
    if (incoming.url === '/held') held.push(response)
    else if (incoming.url === '/stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
      held.push(response)
    } else echo(incoming, response)
  }
  const upstream: TestUpstream = await startTestUpstream(respond)
  atEnd(upstream.close)
  const gateway: GatewayOnFile = await startGatewayOnFile({
    upstreams: { app: upstream.url },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
    ...config,
  })
  atEnd(gateway.stop)
  return {
    gateway,
    upstream,
    /** @returns the service's side of the next held request */
    async nextHeld(): Promise<ServerResponse> {
      for (;;) {
        const response = held.shift()
        if (response !== undefined) return response
        await upstream.arrival()
      }
    },
  }
}

/** Sends on one connection, as a client does that keeps it. */
class Connection {
  readonly socket: Socket
  readonly connected: Promise<unknown>
  readonly closed: Promise<unknown>
  #received = ''
  constructor(url: string) {
    this.socket = connect(Number(new URL(url).port), '127.0.0.1')
    this.socket.setEncoding('latin1').on('data', (text: string) => {
      this.#received += text
    })
    this.socket.on('error', () => {})
    this.connected = once(this.socket, 'connect')
    this.closed = once(this.socket, 'close')
    atEnd(() => this.socket.destroy())
  }
  get(path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  }
  async received(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#received))
      await Promise.race([once(this.socket, 'data'), this.closed.then(() => this.#fail(pattern))])
    const text = this.#received
    this.#received = ''
    return text
  }
  #fail(pattern: RegExp): never {
    throw new Error(`closed before ${pattern}: ${this.#received}`)
  }
}

const WHOLE = /\r\n\r\n.*(\}|0\r\n\r\n)$/s
const CLOSES = /\r\nconnection: close\r\n/i

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', signal => {
  test('turns readiness off at once, finishes what is under way, and ends with 0', async () => {
    const { gateway, nextHeld } = await startStack()
    expect((await gateway.admin('/readyz')).status).toBe(200)
    const answer = fetch(`${gateway.url}/held`)
    const service = await nextHeld()
    gateway.process.child.kill(signal)
    expect(await gateway.logged({ msg: 'draining' })).toMatchObject({ requests: 1 })
    expect(await gateway.admin('/readyz')).toMatchObject({ status: 503, text: expect.stringContaining('"draining"') })
    expect((await gateway.admin('/livez')).status).toBe(200)
    service.end('finished')
    const reply = await answer
    expect([reply.status, await reply.text(), reply.headers.get('connection')]).toEqual([200, 'finished', 'close'])
    expect(await gateway.process.exited).toBe(0)
    expect(gateway.lines().map(({ msg }) => msg)).toContain('drained')
    expect(gateway.process.stderr()).toBe('')
  })
})

describe('while draining', () => {
  test('open connections and new ones are served, each answer being the last of its connection', async () => {
    const { gateway, nextHeld } = await startStack()
    const [idle, fresh] = [new Connection(gateway.url), new Connection(gateway.url)]
    idle.get('/a')
    expect(await idle.received(WHOLE)).not.toMatch(CLOSES)
    await fresh.connected
    const held = fetch(`${gateway.url}/held`)
    const service = await nextHeld()

    gateway.process.child.kill('SIGTERM')
    await gateway.logged({ msg: 'draining' })
    for (const connection of [idle, fresh, new Connection(gateway.url)]) {
      connection.get('/b')
      const reply = await connection.received(WHOLE)
      expect(reply).toMatch(/^HTTP\/1\.1 200 /)
      expect(reply).toMatch(CLOSES)
      await connection.closed
    }
    service.end()
    await (await held).text()
    expect(await gateway.process.exited).toBe(0)
  })

  test('a refusal is the last answer of its connection, too', async () => {
    const { gateway } = await startStack({ routes: [{ id: 'one', path: '/one', access: 'public' }] })
    await gateway.admin('/-/drain', 'POST')
    const connection = new Connection(gateway.url)
    connection.get('/nowhere')
    const reply = await connection.received(WHOLE)
    expect(reply).toMatch(/^HTTP\/1\.1 404 /)
    expect(reply).toMatch(CLOSES)
    await connection.closed
  })

  test('a stream goes on until it ends', async () => {
    const { gateway, nextHeld } = await startStack()
    const reply = await fetch(`${gateway.url}/stream`)
    const reader = reply.body?.getReader()
    const text = async () => Buffer.from((await reader?.read())?.value ?? '').toString()
    expect(await text()).toBe('data: 1\n\n')
    const service = await nextHeld()
    gateway.process.child.kill('SIGTERM')
    await gateway.logged({ msg: 'draining' })
    service.write('data: 2\n\n')
    expect(await text()).toBe('data: 2\n\n')
    service.end('data: 3\n\n')
    expect(await text()).toBe('data: 3\n\n')
    expect((await reader?.read())?.done).toBe(true)
    expect(await gateway.process.exited).toBe(0)
  })

  test('an upload goes on until it ends', async () => {
    const { gateway, upstream } = await startStack()
    const upload = httpRequest(`${gateway.url}/up`, { method: 'POST' })
    const arrival = upstream.arrival()
    upload.write('first')
    await arrival
    gateway.process.child.kill('SIGTERM')
    await gateway.logged({ msg: 'draining' })
    upload.end('second')
    const [reply] = (await once(upload, 'response')) as [import('node:http').IncomingMessage]
    const [body] = (await once(reply.setEncoding('utf8'), 'data')) as [string]
    expect(reply.statusCode).toBe(200)
    expect(JSON.parse(body)).toMatchObject({ bodyBytes: 11 })
    expect(await gateway.process.exited).toBe(0)
  })

  test('a service that is gone is our 503 with Retry-After, and before it was a 502', async () => {
    const { gateway, upstream } = await startStack()
    const get = async () => {
      const reply = await fetch(`${gateway.url}/a`)
      return { status: reply.status, code: codeIn(await reply.text()), retry: reply.headers.get('retry-after') }
    }
    expect((await get()).status).toBe(200)
    await upstream.close()
    expect(await get()).toEqual({ status: 502, code: 'upstream_unreachable', retry: null })
    await gateway.admin('/-/drain', 'POST')
    expect(await get()).toEqual({ status: 503, code: 'draining', retry: '5' })
    const series = 'sallyport_requests_total{route="all",method="GET",code="draining"}'
    while ((await gateway.metrics()).get(series) !== 1);
  })

  test('a service that goes in the middle of a request is our 503, too', async () => {
    const { gateway, nextHeld } = await startStack()
    const answer = fetch(`${gateway.url}/held`)
    const service = await nextHeld()
    await gateway.admin('/-/drain', 'POST')
    service.destroy()
    const reply = await answer
    expect([reply.status, codeIn(await reply.text())]).toEqual([503, 'draining'])
  })

  test('a changed configuration is still put in force', async () => {
    const { gateway } = await startStack()
    await gateway.admin('/-/drain', 'POST')
    gateway.process.child.kill('SIGHUP')
    await gateway.logged({ msg: 'configuration reloaded' })
    expect((await gateway.admin('/readyz')).status).toBe(503)
  })
})

describe('POST /-/drain', () => {
  test('drains for as long as it takes and does not end the process; a signal then does', async () => {
    const { gateway } = await startStack()
    expect(await gateway.admin('/-/drain', 'POST')).toEqual({ status: 200, text: '{"draining":true}' })
    expect(await gateway.admin('/-/drain', 'POST')).toEqual({ status: 200, text: '{"draining":true}' })
    expect((await gateway.admin('/readyz')).status).toBe(503)
    await gateway.logged({ msg: 'draining', trigger: 'admin' })
    for (let count = 0; count < 3; count += 1) {
      const reply = await fetch(`${gateway.url}/a`)
      expect([reply.status, reply.headers.get('connection')]).toEqual([200, 'close'])
      await reply.text()
    }
    expect(gateway.process.child.exitCode).toBeNull()
    gateway.process.child.kill('SIGTERM')
    expect(await gateway.process.exited).toBe(0)
    expect(gateway.lines().filter(({ msg }) => msg === 'draining')).toHaveLength(1)
  })

  test('takes any body and none', async () => {
    const { gateway } = await startStack()
    for (const headers of [{}, { 'content-type': 'application/json' }, { 'content-type': 'x/y' }]) {
      const { statusCode, body } = await request(`${gateway.adminUrl}/-/drain`, { method: 'POST', headers, body: '{' })
      await body.dump()
      expect(statusCode).toBe(200)
    }
  })

  test.each([
    ['GET', {}, 405],
    ['PUT', {}, 405],
    ['POST', { origin: 'https://evil.example' }, 400],
    ['POST', { host: 'evil.example' }, 400],
  ] as const)('is not done by %s with %j', async (method, headers, status) => {
    const { gateway } = await startStack()
    const { statusCode, body } = await request(`${gateway.adminUrl}/-/drain`, { method, headers })
    await body.dump()
    expect(statusCode).toBe(status)
    expect((await gateway.admin('/readyz')).status).toBe(200)
  })
})

describe('the end', () => {
  test('comes when drain.timeout is over, with 0, whatever still runs', async () => {
    const { gateway, nextHeld } = await startStack({ drain: { timeout: '300ms' } })
    const answer = fetch(`${gateway.url}/held`).then(
      () => 'answered',
      () => 'cut',
    )
    await nextHeld()
    gateway.process.child.kill('SIGTERM')
    expect(await gateway.process.exited).toBe(0)
    expect(await answer).toBe('cut')
    expect(gateway.lines().find(({ msg }) => msg === 'drain ran out of time')).toMatchObject({ requests: 1 })
  })

  test('comes at once with a second signal', async () => {
    const { gateway, nextHeld } = await startStack({ drain: { timeout: '1h' } })
    const answer = fetch(`${gateway.url}/held`).then(
      () => 'answered',
      () => 'cut',
    )
    await nextHeld()
    gateway.process.child.kill('SIGTERM')
    await gateway.logged({ msg: 'draining' })
    gateway.process.child.kill('SIGTERM')
    expect(await gateway.process.exited).toBe(143)
    expect(await answer).toBe('cut')
  })

  test('is not held up by connections that do nothing', async () => {
    const { gateway } = await startStack({ drain: { timeout: '1h' }, limits: { headersTimeout: '1h' } })
    const [idle, silent] = [new Connection(gateway.url), new Connection(gateway.url)]
    idle.get('/a')
    await idle.received(WHOLE)
    await silent.connected
    gateway.process.child.kill('SIGTERM')
    expect(await gateway.process.exited).toBe(0)
  })

  test('takes the changed drain.timeout', async () => {
    const { gateway, upstream, nextHeld } = await startStack({ drain: { timeout: '1h' } })
    const answer = fetch(`${gateway.url}/held`).catch(() => 'cut')
    await nextHeld()
    gateway.write('sallyport.yaml', {
      upstreams: { app: upstream.url },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
      drain: { timeout: '200ms' },
    })
    await gateway.logged({ msg: 'configuration reloaded' })
    gateway.process.child.kill('SIGTERM')
    expect(await gateway.process.exited).toBe(0)
    expect(await answer).toBe('cut')
  })
})

describe('under load from a client that keeps connections and heeds Connection: close', () => {
  test.each([['SIGTERM'], ['POST /-/drain, then SIGTERM']] as const)('no request fails: %s', async how => {
    const { gateway } = await startStack()
    const agent = new Agent({ connections: 16 })
    atEnd(() => agent.destroy())
    const outcomes = { answered: 0, refusedConnections: 0 }
    const failures: string[] = []
    const client = async (number: number): Promise<void> => {
      for (let turn = number; ; turn += 1) {
        try {
          const hasBody = turn % 2 === 1
          const { statusCode, body } = await request(`${gateway.url}/${turn}`, {
            dispatcher: agent,
            method: hasBody ? 'POST' : 'GET',
            body: hasBody ? 'x'.repeat(turn % 5000) : null,
          })
          await body.text()
          if (statusCode === 200) outcomes.answered += 1
          else failures.push(`status ${statusCode}`)
        } catch (error) {
          // Nobody listens any more: this request was never sent, and any client would try another instance.
          if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') failures.push(String(error))
          else outcomes.refusedConnections += 1
          return
        }
      }
    }
    const clients = Promise.all(Array.from({ length: 16 }, (_, number) => client(number)))
    while (outcomes.answered < 200) await (await fetch(`${gateway.url}/`)).text()
    if (how !== 'SIGTERM') {
      await gateway.admin('/-/drain', 'POST')
      const before = outcomes.answered
      while (outcomes.answered < before + 200) await (await fetch(`${gateway.url}/`)).text()
    }
    gateway.process.child.kill('SIGTERM')
    await clients
    expect(await gateway.process.exited).toBe(0)
    expect(failures).toEqual([])
    expect(outcomes.refusedConnections).toBe(16)
    expect(gateway.lines().filter(({ code }) => code !== undefined && code !== 'ok')).toEqual([])
    expect(gateway.lines().map(({ msg }) => msg)).toContain('drained')
  })
})

function codeIn(text: string): unknown {
  return (JSON.parse(text) as { code?: unknown }).code
}
