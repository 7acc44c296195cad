/** HTTP/2 to a service ends by refusal, by GOAWAY, in silence, and when it is idle, drained or closed. */
import { PassThrough, Readable } from 'node:stream'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { call, startCall } from '../support/gateway/upstream-call.ts'
import { FRAME, type FrameConnection } from '../support/services/http2-frame-service.ts'
import type { Respond } from '../support/services/http2-service.ts'
import { frames, ok, service, to } from '../support/services/http2-upstreams.ts'

/** Leaves `/held` to the test. */
const answerAllButHeld: Respond = ({ stream, headers }) => {
  if (headers[':path'] !== '/held') stream.respond({ ':status': 204 }, { endStream: true })
}

describe('REFUSED_STREAM', () => {
  const refusingFirst = (count: number) => {
    let refused = 0
    return frames({
      onRequest: (connection, id) => {
        if (refused++ < count) connection.reset(id, 7)
        else ok(connection, id)
      },
    })
  }

  test('is tried once more', async () => {
    const app = await refusingFirst(1)
    expect((await call(to(app.url), '/')).statuses).toEqual([200])
  })

  test('twice is a failure', async () => {
    const app = await refusingFirst(2)
    const upstream = to(app.url)
    expect((await call(upstream, '/')).error).toBeInstanceOf(Error)
    expect((await call(upstream, '/')).statuses).toEqual([200])
  })

  test('of a request with a body is a failure: it is gone', async () => {
    const app = await refusingFirst(1)
    const { error } = await call(to(app.url), '/', { method: 'POST', body: Readable.from(['x']) })
    expect(error).toBeInstanceOf(Error)
  })
})

describe('GOAWAY', () => {
  test('lets requests under way finish, and the next ones get another connection', async () => {
    const app = await service(answerAllButHeld)
    const upstream = to(app.url)
    const arrival = app.next()
    const held = startCall(upstream, '/held')
    const { stream } = await arrival
    app.sessions[0]?.close()
    while ((await call(upstream, '/next')).error === undefined && app.sessions.length < 2);
    expect(app.sessions).toHaveLength(2)
    stream.respond({ ':status': 200 })
    stream.end('finished')
    expect(await held.ended).toMatchObject({ text: 'finished', error: undefined })
  })

  test('sends a request that it did not look at to another connection', async () => {
    const app = await frames({
      onRequest: (connection, id) => {
        if (app.connections.length > 1) ok(connection, id)
        else {
          connection.goAway(0, 0)
          connection.socket.end()
        }
      },
    })
    expect((await call(to(app.url), '/')).statuses).toEqual([200])
    expect(app.connections).toHaveLength(2)
  })

  test('with an error fails what runs, and the next request gets another connection', async () => {
    const app = await frames({
      onRequest: (connection, id) => {
        if (app.connections.length > 1) ok(connection, id)
        else connection.goAway(id, 2)
      },
    })
    const upstream = to(app.url)
    expect((await call(upstream, '/')).error).toBeInstanceOf(Error)
    expect((await call(upstream, '/')).statuses).toEqual([200])
  })
})

describe('a connection whose other end is gone without a word', () => {
  test('gets no more requests once one timed out and nothing proved that it lives', async () => {
    const app = await frames({ onRequest: (connection, id) => app.connections.length > 1 && ok(connection, id) })
    const upstream = to(app.url)
    const first = startCall(upstream, '/', { headersTimeoutMs: 50 })
    while (app.connections[0]?.received.some(({ type }) => type === FRAME.headers) !== true)
      await new Promise(setImmediate)
    app.connections[0].socket.pause()
    expect((await first.ended).error?.code).toBe('HEADERS_TIMEOUT')
    const { socket } = app.connections[0]
    const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
    while ((await call(upstream, '/', { headersTimeoutMs: 100 })).error !== undefined);
    expect(app.connections).toHaveLength(2)
    socket.resume()
    await closed
  })

  test('is found out when it is the clients who give up', async () => {
    const app = await frames({ onRequest: (connection, id) => app.connections.length > 1 && ok(connection, id) })
    const upstream = to(app.url)
    const first = startCall(upstream, '/')
    while (app.connections[0]?.received.some(({ type }) => type === FRAME.headers) !== true)
      await new Promise(setImmediate)
    app.connections[0].socket.pause()
    first.abort()
    for (;;) {
      const next = startCall(upstream, '/')
      const timer = setTimeout(next.abort, 100)
      const { error } = await next.ended
      clearTimeout(timer)
      if (error === undefined) break
    }
    expect(app.connections).toHaveLength(2)
  })

  test('is told from one that is only slow to answer', async () => {
    const app = await service(() => {})
    const upstream = to(app.url)
    for (let i = 0; i < 30; i++)
      expect((await call(upstream, '/', { headersTimeoutMs: 100 })).error?.code).toBe('HEADERS_TIMEOUT')
    expect(app.sessions).toHaveLength(1)
  })
})

describe('an idle connection', () => {
  afterEach(() => void vi.useRealTimers())

  test('is closed after fifty seconds, not while a request is under way', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const app = await service(answerAllButHeld)
    const upstream = to(app.url, { headersTimeoutMs: 1_000_000 })
    await call(upstream, '/first')
    vi.advanceTimersByTime(49_999)
    const arrival = app.next()
    const held = startCall(upstream, '/held', { headersTimeoutMs: 1_000_000 })
    const { stream } = await arrival
    vi.advanceTimersByTime(100_000)
    const closed = new Promise<void>(resolve => app.sockets[0]?.once('close', () => resolve()))
    stream.respond({ ':status': 204 }, { endStream: true })
    expect((await held.ended).statuses).toEqual([204])
    vi.advanceTimersByTime(49_999)
    expect((await call(upstream, '/again')).statuses).toEqual([204])
    expect(app.sockets).toHaveLength(1)
    vi.advanceTimersByTime(50_000)
    await closed
  })
})

describe('an upstream that is drained', () => {
  test('takes no more, finishes what runs, and closes its connections', async () => {
    const app = await service(() => {})
    const upstream = to(app.url)
    const arrival = app.next()
    const held = startCall(upstream, '/held')
    const { stream } = await arrival
    const drained = upstream.drain()
    expect((await call(upstream, '/late')).error?.code).toBe('UPSTREAM_CLOSED')
    stream.respond({ ':status': 200 })
    stream.end('finished')
    expect((await held.ended).text).toBe('finished')
    await drained
    expect(app.sockets.every(({ destroyed }) => destroyed)).toBe(true)
  })

  test('waits for what runs on a connection that is going', async () => {
    const app = await service(answerAllButHeld)
    const upstream = to(app.url)
    const arrival = app.next()
    const held = startCall(upstream, '/held')
    const { stream } = await arrival
    app.sessions[0]?.close()
    while (app.sessions.length < 2) await call(upstream, '/next')
    const order: string[] = []
    const drained = upstream.drain().then(() => order.push('drained'))
    // This gives time enough for a drain that would not wait.
    for (let i = 0; i < 10; i++) await call(to(app.url), '/other')
    order.push('answered')
    stream.respond({ ':status': 204 }, { endStream: true })
    expect((await held.ended).statuses).toEqual([204])
    await drained
    expect(order).toEqual(['answered', 'drained'])
  })

  test('while it connects closes that connection, too', async () => {
    const app = await frames({ onRequest: ok, greet: ({ socket }) => socket.pause() })
    const greet = ({ send, socket }: FrameConnection): void => {
      send({ type: FRAME.settings })
      socket.resume()
    }
    const upstream = to(app.url)
    const running = Array.from({ length: 101 }, () => startCall(upstream, '/'))
    while (app.connections.length < 2) await new Promise(setImmediate)
    const drained = upstream.drain()
    app.connections.slice(0, 1).forEach(greet)
    for (const { ended } of running) expect((await ended).statuses).toEqual([200])
    app.connections.slice(1).forEach(greet)
    await drained
  })

  test('and has nothing to do is done at once', async () => {
    await to('http://127.0.0.1:1').drain()
  })
})

describe('an upstream that is closed', () => {
  test('fails what runs, resets it, and takes no more', async () => {
    const app = await service(({ stream }) => stream.respond({ ':status': 200 }))
    const upstream = to(app.url)
    const arrival = app.next()
    const running = startCall(upstream, '/', { method: 'POST', body: new PassThrough() })
    await arrival
    await upstream.close()
    expect((await running.ended).error).toBeInstanceOf(Error)
    expect((await call(upstream, '/')).error).toBeInstanceOf(Error)
  })

  test('while it connects leaves no connection behind', async () => {
    const app = await service()
    const upstream = to(app.url)
    const running = startCall(upstream, '/')
    await upstream.close()
    expect((await running.ended).error).toBeInstanceOf(Error)
    while (app.sockets.length === 0 || !app.sockets.every(({ destroyed }) => destroyed)) await new Promise(setImmediate)
  })

  test('does not wait for an end that never comes from the other side', async () => {
    const app = await frames({ onRequest: ok })
    const upstream = to(app.url)
    await call(upstream, '/')
    app.connections[0]?.socket.pause()
    const drained = upstream.drain()
    await upstream.close()
    await drained
  })
})
