/** Connections that speak HTTP/2 end when the gateway stops: no request is lost, and nothing holds it up. */
import { once } from 'node:events'
import type { RequestListener, ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Http2Client, http2Client, requestHead } from '../support/clients/http2-client.ts'
import { type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'
import { echo, startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

describe.each(http2TransportsOfFile())('over $name', ({ listen, ca }) => {
  let service: TestUpstream
  let gateway: GatewayOnFile
  const held: ServerResponse[] = []
  const clients: Http2Client[] = []
  beforeEach(async () => {
    held.length = 0
    const respond: RequestListener = (request, response) => {
      if (request.url === '/held') held.push(response)
      else echo(request, response)
    }
    service = await startTestUpstream(respond)
    gateway = await startGatewayOnFile({
      listen,
      upstreams: { app: service.url },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy()
    await gateway.stop()
    await service.close()
  })

  function connected(): Http2Client {
    const client = http2Client(gateway.url, ca)
    clients.push(client)
    return client
  }

  test('GOAWAY says so at once, what is under way ends, and then the process', async () => {
    const [busy, idle] = [connected(), connected()]
    expect((await idle.request('/x')).status).toBe(200)
    const arrival = service.arrival()
    const call = busy.open(requestHead('GET', '/held'), 'none')
    await arrival
    const told = [busy, idle].map(({ session }) => once(session, 'goaway'))
    gateway.process.child.kill('SIGTERM')
    expect((await Promise.all(told)).map(([code]) => code)).toEqual([0, 0])
    held[0]?.end('finished')
    expect(await call.ended).toMatchObject({ status: 200, body: 'finished', complete: true })
    expect(await gateway.process.exited).toBe(0)
    expect(gateway.lines().map(({ msg }) => msg)).toContain('drained')
    expect(gateway.process.stderr()).toBe('')
  })

  test('an upload goes on until it ends', async () => {
    const client = connected()
    const arrival = service.arrival()
    const call = client.open(requestHead('POST', '/up'), 'follows')
    call.stream.write('first')
    await arrival
    const told = once(client.session, 'goaway')
    gateway.process.child.kill('SIGTERM')
    await told
    call.stream.end('second')
    const { status, body } = await call.ended
    expect([status, JSON.parse(body).bodyBytes]).toEqual([200, 11])
    expect(await gateway.process.exited).toBe(0)
  })

  test('under load no request is lost: clients that are told to go come back on new connections', async () => {
    let answered = 0
    const failures: string[] = []
    const worker = async (): Promise<void> => {
      for (;;) {
        const client = connected()
        const isOpen = await Promise.race([
          once(client.session, 'connect').then(() => true),
          client.closed.then(() => false),
        ])
        // Nobody listens any more, and nothing was sent.
        if (!isOpen) return
        let hasSpoken = false
        client.session.once('remoteSettings', () => {
          hasSpoken = true
        })
        while (!client.session.closed) {
          const { status, complete, errorCode } = await client.request(`/${answered}`)
          if (status === 200 && complete) answered += 1
          // The request was not looked at and may be sent again (RFC 9113 §8.7). Node's client says so
          // of what it has not even sent. So it is where the gateway closed a connection of which it had read nothing,
          // because the client was silent for a second: over no TLS a client counts as connected before anybody reads.
          else if (errorCode !== constants.NGHTTP2_REFUSED_STREAM && hasSpoken)
            failures.push(`${status} ${complete} ${errorCode}`)
        }
        await client.closed
      }
    }
    const workers = Promise.all(Array.from({ length: 8 }, worker))
    while (answered < 200) await service.arrival()
    gateway.process.child.kill('SIGTERM')
    await workers
    expect(await gateway.process.exited).toBe(0)
    expect(failures).toEqual([])
    expect(gateway.lines().filter(({ code }) => code !== undefined && code !== 'ok')).toEqual([])
    expect(gateway.lines().map(({ msg }) => msg)).toContain('drained')
  })
})
