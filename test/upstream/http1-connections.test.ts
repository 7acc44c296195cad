/** What a connection to a service is used for, when again, and what becomes of a request whose connection ends. */
import type { Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { beforeEach, describe, expect, test } from 'vitest'
import type { UpstreamConnections } from '../../src/upstream/connections.ts'
import type { UpstreamOptions } from '../../src/upstream/pool.ts'
import { atEnd } from '../support/at-end.ts'
import type { RawClient } from '../support/clients/raw-client.ts'
import { call, startCall } from '../support/gateway/upstream-call.ts'
import { testPool } from '../support/gateway/upstream-pool.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'
import { type RawUpstream, startRawUpstream } from '../support/services/raw-upstream.ts'

const EMPTY = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

const SWITCH = 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'

type Answer = (connection: RawClient, head: string) => void

let service: RawUpstream
let pool: UpstreamConnections
let time: ManualTime
/** The heads of all requests, and on which connection they came, counted from 1. */
let requests: { readonly head: string; readonly connection: number }[]
let answer: Answer

beforeEach(async () => {
  requests = []
  answer = connection => connection.write(OK)
  service = await startRawUpstream(connection => {
    const number = service.connections.length
    connection.socket.on('data', (text: string) => {
      if (!/^[A-Z]+ \/\S* HTTP/.test(text)) return
      requests.push({ head: text, connection: number })
      answer(connection, text)
    })
  })
  atEnd(() => service.close())
  time = manualTime()
  pool = open()
})

function open(change: Partial<UpstreamOptions> = {}): UpstreamConnections {
  const opened = testPool(service.url, change, time)
  atEnd(() => opened.close())
  return opened
}

/** Lets what is on its way arrive: two turns of the loop of both sides. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate)
}

function openTunnel(): Promise<Socket> {
  return new Promise((resolve, reject) =>
    pool.dispatch(
      { path: '/', method: 'GET', headers: ['Host', 'a'], body: null, headersTimeoutMs: 1_000, upgrade: 'websocket' },
      {
        onStart() {},
        onHead() {},
        onData() {},
        onEnd() {},
        onUpgrade: (_rawHeaders, socket) => resolve(socket),
        onError: reject,
      },
    ),
  )
}

function connectionsUsed(): readonly number[] {
  return requests.map(({ connection }) => connection)
}

describe('a connection', () => {
  test('carries one request after the other', async () => {
    for (let i = 0; i < 3; i++) expect(await call(pool, '/')).toMatchObject({ statuses: [200], text: 'ok' })
    expect(connectionsUsed()).toEqual([1, 1, 1])
    expect(requests[0]?.head).toMatch(/^GET \/ HTTP\/1\.1\r\nHost: app\.example\r\nConnection: keep-alive\r\n\r\n$/)
  })

  test('carries one request at a time', async () => {
    answer = () => {}
    const both = [startCall(pool, '/a'), startCall(pool, '/b')]
    while (requests.length < 2) await settled()
    expect(connectionsUsed()).toEqual([1, 2])
    for (const connection of service.connections) connection.write(OK)
    for (const { ended } of both) expect((await ended).text).toBe('ok')
  })

  test.each([
    ['the service says so', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['the service says so among others', 'HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nok'],
    ['the service speaks HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['the service will end it at once', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok'],
    ['a 204 announces content', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n'],
    ['a 304 announces content', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n'],
    ['a trailer says so', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nConnection: close\r\n\r\n'],
    [
      'a trailer says how it is coded',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['a 204 announces chunks', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['more came than the answer', `${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
    ['a line end more came than the answer', `${OK}\r\n`],
  ])('is not used again when %s', async (_name, bytes) => {
    answer = connection => connection.write(bytes)
    expect((await call(pool, '/')).error).toBeUndefined()
    await settled()
    answer = connection => connection.write(EMPTY)
    expect(await call(pool, '/')).toMatchObject({ statuses: [200], text: '', error: undefined })
    expect(connectionsUsed()).toEqual([1, 2])
  })

  test('is not used again when bytes come while it is idle (GHSA-35p6-xmwp-9g52)', async () => {
    await call(pool, '/')
    service.connections[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil')
    await service.connections[0]?.closed
    expect((await call(pool, '/')).text).toBe('ok')
    expect(connectionsUsed()).toEqual([1, 2])
  })

  test.each([
    ['bytes came', (connection: RawClient) => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil')],
    ['it ended', (connection: RawClient) => void connection.socket.end()],
  ])('gives an upload to another when %s before anything of it was sent', async (_name, act) => {
    await call(pool, '/')
    await settled()
    const body = new PassThrough()
    // The turn in which the request is placed is followed by the one in which this arrives.
    await new Promise(resolve => setTimeout(resolve, 1))
    const running = startCall(pool, '/', { method: 'POST', body })
    const used = service.connections[0]
    setImmediate(() => used !== undefined && act(used))
    await used?.closed
    body.end('x')
    expect(await running.ended).toMatchObject({ statuses: [200], text: 'ok', error: undefined })
    expect(connectionsUsed()).toEqual([1, 2])
  })

  test('whose end came while it was idle costs no request of any method', async () => {
    await call(pool, '/')
    service.connections[0]?.socket.end()
    await service.connections[0]?.closed
    expect((await call(pool, '/', { method: 'POST' })).text).toBe('ok')
    expect(connectionsUsed()).toEqual([1, 2])
  })

  test('is kept after an answer that has no content (HEAD, 304, 204)', async () => {
    answer = connection => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n')
    expect(await call(pool, '/', { method: 'HEAD' })).toMatchObject({ statuses: [200], text: '', error: undefined })
    answer = connection => connection.write('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
    expect(await call(pool, '/')).toMatchObject({ statuses: [304], text: '', error: undefined })
    answer = connection => connection.write('HTTP/1.1 204 No Content\r\n\r\n')
    expect(await call(pool, '/')).toMatchObject({ statuses: [204], error: undefined })
    expect(connectionsUsed()).toEqual([1, 1, 1])
  })

  test('is ended by a trailer that announces a length', async () => {
    answer = connection =>
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n')
    expect(await call(pool, '/')).toMatchObject({ text: 'ok', error: { code: 'ANSWER_MALFORMED' } })
    await service.connections[0]?.closed
  })

  test('is ended after its time without a request, and not before', async () => {
    pool = open({ keepAliveMs: 4_000 })
    await call(pool, '/')
    await settled()
    await time.advance(3_999)
    expect(await call(pool, '/')).toMatchObject({ text: 'ok' })
    await settled()
    await time.advance(4_250)
    await service.connections[0]?.closed
    await call(pool, '/')
    expect(connectionsUsed()).toEqual([1, 1, 2])
  })

  test('is ended before the service does, where that says when (Keep-Alive: timeout)', async () => {
    answer = connection =>
      connection.write('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=3, max=100\r\nContent-Length: 0\r\n\r\n')
    pool = open({ keepAliveMs: 60_000 })
    await call(pool, '/')
    await settled()
    await time.advance(1_999)
    await call(pool, '/')
    await settled()
    await time.advance(2_250)
    await service.connections[0]?.closed
    expect(connectionsUsed()).toEqual([1, 1])
  })

  test('is as it was after an upload', async () => {
    for (let i = 0; i < 3; i++) {
      await call(pool, '/', { method: 'POST', body: Readable.from([Buffer.from('x')]) })
      await settled()
    }
    expect(connectionsUsed()).toEqual([1, 1, 1])
  })

  test('is not used again while a part of an upload is still to be sent', async () => {
    answer = connection => {
      connection.socket.pause()
      connection.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig')
    }
    const bytes = Buffer.alloc(32 * 1024 * 1024)
    const headers = ['Host', 'a', 'Content-Length', String(bytes.length)]
    const upload = call(pool, '/', { method: 'POST', headers, body: Readable.from([bytes]) })
    expect(await upload).toMatchObject({ statuses: [413], text: 'big', error: undefined })
    await settled()
    answer = connection => connection.write(OK)
    expect((await call(pool, '/')).text).toBe('ok')
    expect(connectionsUsed()).toEqual([1, 2])
  })

  test('that takes a body nobody may read is the only one to see it, and its last', async () => {
    await call(pool, '/')
    const body = Readable.from([Buffer.from('GET /evil HTTP/1.1\r\n\r\n')])
    await call(pool, '/', { headers: ['Host', 'a', 'Content-Length', '22'], body })
    expect(requests[1]?.head).toMatch(/^GET \/ HTTP\/1\.1\r\n[\s\S]*Connection: close\r\n/)
    await service.connections[1]?.closed
    await call(pool, '/')
    expect(connectionsUsed()).toEqual([1, 2, 1])
  })
})

describe('when all connections are in use', () => {
  beforeEach(() => {
    pool = open({ maxConnections: 1 })
    answer = (connection, head) => {
      if (!head.startsWith('GET /held')) connection.write(OK)
    }
  })

  test('requests wait for their turn, in the order in which they came', async () => {
    const held = startCall(pool, '/held')
    while (requests.length < 1) await settled()
    const waiting = ['/a', '/b', '/c'].map(path => startCall(pool, path))
    await settled()
    expect(requests).toHaveLength(1)
    service.connections[0]?.write(OK)
    for (const { ended } of [held, ...waiting]) expect((await ended).text).toBe('ok')
    expect(requests.map(({ head }) => head.split(' ')[1])).toEqual(['/held', '/a', '/b', '/c'])
    expect(connectionsUsed()).toEqual([1, 1, 1, 1])
  })

  test('one that needs a connection of its own gets the place of one that is idle', async () => {
    await call(pool, '/')
    await settled()
    await call(pool, '/', { method: 'DELETE', body: Readable.from([Buffer.from('x')]) })
    expect(connectionsUsed()).toEqual([1, 2])
  })

  test('one that needs a connection of its own waits for its turn and no longer', async () => {
    const held = startCall(pool, '/held')
    while (requests.length < 1) await settled()
    const body = Readable.from([Buffer.from('x')])
    const own = startCall(pool, '/own', { method: 'DELETE', body })
    await settled()
    const later = ['/a', '/b'].map(path => startCall(pool, path))
    await settled()
    service.connections[0]?.write(OK)
    for (const { ended } of [held, own, ...later]) expect((await ended).text).toBe('ok')
    expect(requests.map(({ head }) => head.split(' ')[1])).toEqual(['/held', '/own', '/a', '/b'])
  })

  test('who waits for too long is turned away, and the others are served', async () => {
    pool = open({ maxConnections: 1, connectTimeoutMs: 1_000 })
    const held = startCall(pool, '/held')
    while (requests.length < 1) await settled()
    const early = startCall(pool, '/early')
    await settled()
    await time.advance(600)
    const late = startCall(pool, '/late')
    await settled()
    await time.advance(600)
    expect((await early.ended).error).toMatchObject({
      code: 'overloaded',
      evidence: { upstream: 'app', connections: 1, waited_ms: 1_000 },
    })
    service.connections[0]?.write(OK)
    expect((await held.ended).text).toBe('ok')
    expect((await late.ended).text).toBe('ok')
  })

  test('who gives up makes room for the next', async () => {
    const held = startCall(pool, '/held')
    while (requests.length < 1) await settled()
    const impatient = startCall(pool, '/impatient')
    const patient = startCall(pool, '/patient')
    await settled()
    impatient.abort()
    expect((await impatient.ended).error?.message).toBe('no longer wanted')
    service.connections[0]?.write(OK)
    for (const { ended } of [held, patient]) expect((await ended).text).toBe('ok')
    expect(requests.map(({ head }) => head.split(' ')[1])).toEqual(['/held', '/patient'])
  })

  test('a tunnel holds its place until it ends', async () => {
    answer = (connection, head) => {
      const isHandshake = /^upgrade: websocket$/im.test(head)
      connection.write(isHandshake ? SWITCH : OK)
    }
    const tunnel = await openTunnel()
    const waiting = startCall(pool, '/a')
    await settled()
    expect(requests).toHaveLength(1)
    tunnel.destroy()
    expect((await waiting.ended).text).toBe('ok')
  })

  test('a probe does not wait, and its connection is not one more for others', async () => {
    const held = startCall(pool, '/held')
    while (requests.length < 1) await settled()
    expect(await call(pool, '/healthz', { isProbe: true })).toMatchObject({ text: 'ok', error: undefined })
    const waiting = startCall(pool, '/a')
    await settled()
    expect(requests).toHaveLength(2)
    service.connections[0]?.write(OK)
    expect([(await held.ended).text, (await waiting.ended).text]).toEqual(['ok', 'ok'])
    expect(connectionsUsed()).toEqual([1, 2, 1])
  })

  test('a probe opens no connection for those that wait already', async () => {
    const held = startCall(pool, '/held')
    while (requests.length < 1) await settled()
    const waiting = startCall(pool, '/a')
    await settled()
    expect((await call(pool, '/healthz', { isProbe: true })).text).toBe('ok')
    for (let i = 0; i < 5; i++) await settled()
    expect(service.connections).toHaveLength(2)
    service.connections[0]?.write(OK)
    expect([(await held.ended).text, (await waiting.ended).text]).toEqual(['ok', 'ok'])
  })
})

describe('a request on a used connection that the service has ended', () => {
  /** The second request of the first connection meets its end; all others are answered. */
  function endingAtSecond(end: (connection: RawClient) => void): Answer {
    return (connection, head) => {
      if (requests.length === 2) end(connection)
      else if (!head.startsWith('HEAD')) connection.write(OK)
      else connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')
    }
  }

  const ENDS = {
    closed: (connection: RawClient): void => void connection.socket.end(),
    reset: (connection: RawClient): void => void connection.socket.resetAndDestroy(),
  }

  test.each(['GET', 'HEAD', 'OPTIONS'])('is sent once more, on a fresh one: %s', async method => {
    for (const end of Object.values(ENDS)) {
      requests = []
      pool = open()
      answer = endingAtSecond(end)
      await call(pool, '/')
      expect(await call(pool, '/', { method })).toMatchObject({ statuses: [200], error: undefined })
      const [first, second, third] = connectionsUsed()
      expect([second === first, third === first, requests.length]).toEqual([true, false, 3])
    }
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'PROPFIND'])('fails otherwise: %s', async method => {
    answer = endingAtSecond(ENDS.reset)
    await call(pool, '/')
    expect((await call(pool, '/', { method })).error).toBeDefined()
    expect(requests).toHaveLength(2)
  })

  test('is not sent again with a body', async () => {
    answer = endingAtSecond(ENDS.reset)
    await call(pool, '/')
    const body = Readable.from([Buffer.from('x')])
    expect((await call(pool, '/', { method: 'POST', body })).error).toBeDefined()
    expect(requests).toHaveLength(2)
  })

  test.each([
    ['a byte of the answer', 'H'],
    ['an interim answer', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  ])('is not sent again after %s', async (_name, bytes) => {
    answer = endingAtSecond(connection => connection.socket.end(bytes))
    await call(pool, '/')
    expect((await call(pool, '/')).error).toMatchObject({ code: 'ANSWER_CUT' })
    expect(requests).toHaveLength(2)
  })

  test('is sent no third time', async () => {
    answer = (connection, _head) => {
      if (requests.length === 1) connection.write(OK)
      else ENDS.reset(connection)
    }
    await call(pool, '/')
    expect((await call(pool, '/')).error).toBeDefined()
    expect(requests).toHaveLength(3)
  })

  test('is not sent again on a connection that was fresh', async () => {
    answer = ENDS.closed
    expect((await call(pool, '/')).error).toMatchObject({ code: 'ANSWER_CUT' })
    expect(requests).toHaveLength(1)
  })

  test('is not sent again on one that only a request had that was given up before it was sent', async () => {
    answer = ENDS.closed
    await new Promise<Error>(resolve =>
      pool.dispatch(
        { path: '/', method: 'GET', headers: ['Host', 'a'], body: null, headersTimeoutMs: 1_000, upgrade: null },
        {
          onStart: started => started.abort(new Error('no longer wanted')),
          onHead() {},
          onData() {},
          onEnd() {},
          onUpgrade() {},
          onError: resolve,
        },
      ),
    )
    await settled()
    expect((await call(pool, '/')).error).toMatchObject({ code: 'ANSWER_CUT' })
    expect(requests).toHaveLength(1)
    expect(service.connections).toHaveLength(1)
  })

  test('takes the place of its own connection and of no other', async () => {
    pool = open({ maxConnections: 2 })
    answer = () => {}
    const both = [startCall(pool, '/a'), startCall(pool, '/b')]
    while (requests.length < 2) await settled()
    for (const connection of service.connections) connection.write(OK)
    for (const { ended } of both) await ended
    await settled()
    answer = connection => (requests.length === 3 ? connection.socket.end() : connection.write(OK))
    expect((await call(pool, '/')).text).toBe('ok')
    await settled()
    answer = () => {}
    const last = [startCall(pool, '/a'), startCall(pool, '/b')]
    while (requests.length < 6) await settled()
    const [closed] = connectionsUsed().slice(2)
    expect(connectionsUsed().slice(4).toSorted()).toEqual([3 - Number(closed), 3])
    for (const { abort } of last) abort()
  })

  test('is not sent again when it was given up while it waited for a connection', async () => {
    pool = open({ maxConnections: 2 })
    await call(pool, '/')
    await settled()
    answer = () => {}
    const stale = startCall(pool, '/stale')
    while (requests.length < 2) await settled()
    const held = [startCall(pool, '/held'), startCall(pool, '/held')]
    while (requests.length < 3) await settled()
    // The second of those that are held waits already, and gets the place.
    service.connections[0]?.socket.resetAndDestroy()
    while (requests.length < 4) await settled()
    stale.abort()
    expect((await stale.ended).error).toMatchObject({ message: 'no longer wanted' })
    answer = connection => connection.write(OK)
    for (const connection of service.connections.slice(1)) connection.write(OK)
    for (const { ended } of held) expect((await ended).text).toBe('ok')
    for (let i = 0; i < 5; i++) await settled()
    await call(pool, '/last')
    expect(requests.map(({ head }) => head.split(' ')[1])).toEqual(['/', '/stale', '/held', '/held', '/last'])
  })

  test('has the time of one request', async () => {
    answer = endingAtSecond(ENDS.closed)
    await call(pool, '/')
    const slow = (connection: RawClient): void => {
      if (requests.length === 2) connection.socket.end()
    }
    answer = slow
    const running = startCall(pool, '/', { headersTimeoutMs: 1_000 })
    while (requests.length < 3) {
      await time.advance(200)
      await settled()
    }
    await time.advance(1_500)
    expect((await running.ended).error).toMatchObject({ code: 'HEADERS_TIMEOUT' })
  })
})

describe('draining', () => {
  test.each(['at the end of the turn', 'once more'])('waits for a request that is sent %s', async when => {
    const ended: string[] = []
    await call(pool, '/')
    await settled()
    answer = connection => {
      if (requests.length === 3) connection.write(OK)
    }
    const running = startCall(pool, '/', { method: when === 'once more' ? 'GET' : 'POST' })
    if (when === 'once more') while (requests.length < 2) await settled()
    else answer = connection => connection.write(OK)
    const drained = pool.drain().then(() => ended.push('drain'))
    if (when === 'once more') service.connections[0]?.socket.resetAndDestroy()
    expect((await running.ended).text).toBe('ok')
    ended.push('request')
    await drained
    expect(ended).toEqual(['request', 'drain'])
  })

  test('ends when the last request was turned away, whatever the tunnels do', async () => {
    answer = connection => connection.write(SWITCH)
    for (const end of ['time', 'close'] as const) {
      pool = open({ maxConnections: 1, connectTimeoutMs: 1_000 })
      const tunnel = await openTunnel()
      const waiting = startCall(pool, '/a')
      await settled()
      const drained = pool.drain()
      if (end === 'time') await time.advance(1_250)
      else await pool.close()
      expect((await waiting.ended).error).toBeDefined()
      await drained
      expect(tunnel.destroyed).toBe(false)
      tunnel.destroy()
    }
  })
})

describe('an answer', () => {
  test('that comes while the upload runs arrives, whatever becomes of the upload', async () => {
    for (const end of ['reset', 'closed', 'open'] as const) {
      answer = connection => {
        connection.socket.pause()
        connection.write('HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig')
        // The kernel resets a connection that is closed with bytes unread.
        if (end === 'reset') setImmediate(() => connection.socket.destroy())
        if (end === 'closed') connection.socket.end()
      }
      const body = new PassThrough()
      const running = startCall(pool, '/', { method: 'POST', body })
      const chunk = Buffer.alloc(256 * 1024)
      const pump = (): void => {
        while (!body.destroyed && body.write(chunk));
      }
      body.on('drain', pump)
      pump()
      expect(await running.ended, end).toMatchObject({ statuses: [413], text: 'big', error: undefined })
      body.off('drain', pump).destroy()
    }
  })

  test('begins before the upload ends, and both go on', async () => {
    answer = connection => connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n')
    const body = new PassThrough()
    const running = startCall(pool, '/', { method: 'POST', body })
    body.write('first')
    const connection = await service.next()
    await connection.until(/5\r\nfirst\r\n/)
    body.end('last')
    await connection.until(/4\r\nlast\r\n0\r\n\r\n/)
    connection.write('0\r\n\r\n')
    expect(await running.ended).toMatchObject({ statuses: [200], text: 'ok', error: undefined })
    answer = connection => connection.write(OK)
    await call(pool, '/')
    expect(connectionsUsed()).toEqual([1, 1])
  })

  test('may follow a 100 that nobody asked for', async () => {
    answer = connection => connection.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}`)
    expect(await call(pool, '/')).toMatchObject({ statuses: [100, 200], text: 'ok', error: undefined })
  })

  test('may follow 32 interim answers and no more', async () => {
    answer = connection => connection.write(`${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(32)}${OK}`)
    expect((await call(pool, '/')).error).toBeUndefined()
    answer = connection => connection.write(`${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(33)}${OK}`)
    expect((await call(pool, '/')).error).toMatchObject({ code: 'ANSWER_MALFORMED' })
  })

  test('has a head within its bounds, together with the interim ones', async () => {
    pool = open({ maxHeadBytes: 1_000 })
    const hint = `HTTP/1.1 103 Early Hints\r\nLink: ${'a'.repeat(400)}\r\n\r\n`
    answer = connection => connection.write(hint + hint + OK)
    expect((await call(pool, '/')).error).toBeUndefined()
    answer = connection => connection.write(hint + hint + hint + OK)
    expect((await call(pool, '/')).error).toMatchObject({ code: 'ANSWER_MALFORMED' })
    answer = connection => connection.write(`HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(1_000)}\r\n\r\n`)
    expect((await call(pool, '/')).error).toMatchObject({ code: 'ANSWER_MALFORMED' })
  })

  test('without a length ends with its connection, and only in good order', async () => {
    answer = connection => connection.socket.end('HTTP/1.1 200 OK\r\n\r\nall of it')
    expect(await call(pool, '/')).toMatchObject({ text: 'all of it', error: undefined })
    answer = connection => connection.write('HTTP/1.1 200 OK\r\n\r\npart')
    const running = startCall(pool, '/')
    const connection = await service.next()
    await connection.until(/GET/)
    while (running.text() === '') await settled()
    connection.socket.resetAndDestroy()
    expect(await running.ended).toMatchObject({ text: 'part', error: { code: 'ECONNRESET' } })
  })

  test.each([
    ['with a length', 'Content-Length: 10\r\n\r\npart'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n'],
    ['in chunks, within one', 'Transfer-Encoding: chunked\r\n\r\n9\r\npart'],
    ['in chunks, within the trailers', 'Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\nX-A: b\r\n'],
  ])('that the connection cuts is no whole one: %s', async (_name, rest) => {
    answer = connection => connection.socket.end(`HTTP/1.1 200 OK\r\n${rest}`)
    expect(await call(pool, '/')).toMatchObject({ text: 'part', error: { code: 'ANSWER_CUT' } })
  })

  test('to another protocol that nobody asked for is none', async () => {
    answer = connection =>
      connection.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    expect((await call(pool, '/')).error).toMatchObject({ code: 'ANSWER_MALFORMED' })
  })
})

describe('what would not be one request', () => {
  test.each([
    ['a value with a line break', { headers: ['Host', 'a', 'X-A', 'b\r\nX-Evil: c'] }],
    ['a value with a line feed', { headers: ['Host', 'a', 'X-A', 'b\nX-Evil: c'] }],
    ['a value with a NUL', { headers: ['Host', 'a', 'X-A', 'b\0c'] }],
    ['a value past octets', { headers: ['Host', 'a', 'X-A', '\u0100\u010d\u010a'] }],
    ['a name with a line break', { headers: ['Host', 'a', 'X-A: b\r\nX-Evil', 'c'] }],
    ['a name with a colon', { headers: ['Host', 'a', 'X-A: b', 'c'] }],
    ['an empty name', { headers: ['Host', 'a', '', 'c'] }],
    ['a method with a blank', { method: 'GET /evil HTTP/1.1\r\nX:' }],
    ['two hosts', { headers: ['Host', 'a', 'HOST', 'b'] }],
    ['two lengths', { method: 'POST', headers: ['Host', 'a', 'Content-Length', '0', 'content-length', '0'] }],
    ['a length without a body', { method: 'POST', headers: ['Host', 'a', 'Content-Length', '5'] }],
    ['a length that is no number', { method: 'POST', headers: ['Host', 'a', 'Content-Length', '+0'] }],
    ['a coding', { method: 'POST', headers: ['Host', 'a', 'Transfer-Encoding', 'chunked'] }],
  ])('is never sent: %s', async (_name, init) => {
    expect((await call(pool, '/', init)).error).toMatchObject({ code: 'REQUEST_UNSENDABLE' })
    expect(requests).toHaveLength(0)
  })

  test.each(['/a b', '/a\r\nX: b', '/\u0120', ''])('is never sent: the path %j', async path => {
    expect((await call(pool, path)).error).toMatchObject({ code: 'REQUEST_UNSENDABLE' })
    expect(requests).toHaveLength(0)
  })

  test.each([
    ['longer', '123456'],
    ['shorter', '1234'],
  ])('is broken off: a body %s than announced', async (_name, text) => {
    const body = Readable.from([Buffer.from(text)])
    const headers = ['Host', 'a', 'Content-Length', '5']
    answer = () => {}
    expect((await call(pool, '/', { method: 'POST', headers, body })).error).toMatchObject({
      code: 'REQUEST_UNSENDABLE',
    })
    await service.connections[0]?.closed
  })
})
