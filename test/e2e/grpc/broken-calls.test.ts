/** A call that the service does not bring to its end is never taken for a success by the client. */
import { once } from 'node:events'
import { connect, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { type Client, Metadata, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HEAD, MESSAGE, methodPath, startGrpcService, startHttp2Service } from './services.ts'
import { chat, type GrpcStack, startGrpcStack, TRANSPORTS, unary, watch } from './support.ts'

const UNREACHABLE = { code: status.UNAVAILABLE, details: 'upstream_unreachable: The service is unreachable' }
const PUBLIC = [{ id: 'all', path: '/shop.Orders/**', access: 'public' }]

test('a service that dies in the middle of its calls makes them UNAVAILABLE', async () => {
  const stack = await startGrpcStack({
    service: await startGrpcService({ watch: call => call.write(call.request) }),
    config: () => ({ routes: PUBLIC }),
  })
  try {
    const answers = watch(stack.client, 'one', new Metadata())
    const talk = chat(stack.client, new Metadata())
    talk.call.write(Buffer.from('one'))
    await Promise.all([answers.count(1), talk.count(1)])
    stack.service.kill()
    for (const { status: end, messages } of [answers, talk]) {
      expect(await end).toMatchObject(UNREACHABLE)
      expect(messages.map(String)).toEqual(['one'])
    }
    expect(await stack.logged({ path: '/shop.Orders/Chat' })).toMatchObject({ code: 'upstream_unreachable' })
    // The next call finds nobody.
    expect((await unary(stack.client, 'x', new Metadata())).status).toMatchObject({ code: status.UNAVAILABLE })
  } finally {
    await stack.close()
  }
})

describe.each(TRANSPORTS)('with %s from its clients, a service', transport => {
  let stack: GrpcStack
  let client: Client
  let serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void
  beforeAll(async () => {
    const service = await startHttp2Service((stream, headers) => serve(stream, headers))
    stack = await startGrpcStack({
      transport,
      service,
      config: () => ({ upstreams: { app: { url: service.url, timeouts: { idle: '1s' } } }, routes: PUBLIC }),
    })
    client = stack.client
  })
  afterAll(() => stack.close())

  const parts: ReadonlyArray<[string, Buffer | undefined, number]> = [
    ['before a message', undefined, 0],
    ['between two messages', MESSAGE, 1],
    ['within a message', Buffer.concat([MESSAGE, MESSAGE.subarray(0, 7)]), 1],
  ]

  test.each(parts)('that resets its answer %s is UNAVAILABLE', async (_name, bytes, messages) => {
    serve = stream => {
      stream.respond(HEAD)
      const reset = (): unknown => stream.destroy(new Error('broken'))
      if (bytes === undefined) setImmediate(reset)
      else stream.write(bytes, () => setImmediate(reset))
    }
    const answers = watch(client, 'x', new Metadata())
    expect(await answers.status).toMatchObject(UNREACHABLE)
    expect(answers.messages).toHaveLength(messages)
  })

  // The wait is for the service, and takes a second whichever way the client has come.
  if (transport === 'no TLS')
    test.each(parts)(
      'that falls silent %s is UNAVAILABLE, and its call is cancelled',
      async (_name, bytes, messages) => {
        const cancelled = new Promise<number>(resolve => {
          serve = stream => {
            stream.respond(HEAD)
            stream.write(bytes ?? '')
            stream.on('close', () => resolve(stream.rstCode))
          }
        })
        const answers = watch(client, 'x', new Metadata())
        expect(await answers.status).toMatchObject({
          code: status.UNAVAILABLE,
          details: 'upstream_timeout: The service did not answer in time',
        })
        expect(answers.messages).toHaveLength(messages)
        expect(await cancelled).toBe(8)
      },
    )

  test.each(parts)('that ends its answer without a status %s has not succeeded', async (_name, bytes, messages) => {
    serve = stream => {
      stream.respond(HEAD)
      stream.end(bytes)
    }
    const answers = watch(client, 'x', new Metadata())
    expect((await answers.status).code).not.toBe(status.OK)
    expect(answers.messages).toHaveLength(messages)
  })

  test('that says OK in its head, and then resets, has not succeeded', async () => {
    serve = stream => {
      stream.respond({ ...HEAD, 'grpc-status': '0' })
      stream.write(MESSAGE, () => setImmediate(() => stream.destroy(new Error('broken'))))
    }
    expect((await watch(client, 'x', new Metadata()).status).code).not.toBe(status.OK)
  })

  test('is told of the deadline of a call, and the call is cancelled when it has come', async () => {
    const calls: Array<{ readonly timeout: unknown; readonly closed: Promise<number> }> = []
    serve = (stream, headers) =>
      calls.push({
        timeout: headers['grpc-timeout'],
        closed: new Promise(resolve => stream.on('close', () => resolve(stream.rstCode))),
      })
    // On a busy machine the time may be over before the call is there.
    while (calls.length === 0) {
      const { status: end } = await unary(client, 'x', new Metadata(), { deadline: Date.now() + 500 })
      expect(end.code).toBe(status.DEADLINE_EXCEEDED)
    }
    expect(calls[0]?.timeout).toMatch(/^\d+m$/)
    expect(await calls[0]?.closed).toBe(8)
  })

  if (transport === 'no TLS')
    test('that takes its time is not hurried while it sends now and then', async () => {
      serve = stream => {
        stream.respond(HEAD, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        let left = 12
        const next = (): void => {
          if (left-- === 0) stream.end()
          else stream.write(MESSAGE, () => setTimeout(next, 100))
        }
        next()
      }
      const answers = watch(client, 'x', new Metadata())
      expect((await answers.status).code).toBe(status.OK)
      expect(answers.messages).toHaveLength(12)
    })
})

test('a client that falls silent before it is answered is told so, and its call is cancelled at the service', async () => {
  const { promise: cancelled, resolve } = Promise.withResolvers<void>()
  const stack = await startGrpcStack({
    service: await startGrpcService({
      chat(call) {
        call.on('cancelled', () => resolve())
      },
    }),
    config: () => ({ routes: PUBLIC, limits: { bodyIdleTimeout: '1s' } }),
  })
  try {
    const talk = chat(stack.client, new Metadata())
    talk.call.write(Buffer.from('one'))
    expect(await talk.status).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
      details: 'request_timeout: The request took too long to arrive',
    })
    expect(talk.messages).toEqual([])
    await cancelled
  } finally {
    await stack.close()
  }
})

test('a client that has been answered may be silent for as long as its service is not', async () => {
  const stack = await startGrpcStack({
    service: await startGrpcService({
      chat(call) {
        // It takes longer altogether than the client may be silent before it is answered.
        let left = 12
        const tick = setInterval(() => {
          left -= 1
          call.write(Buffer.from('tick'))
          if (left === 0) clearInterval(tick)
        }, 200)
        call.on('data', (part: Buffer) => call.write(part))
        call.on('end', () => call.end())
      },
    }),
    config: () => ({ routes: PUBLIC, limits: { bodyIdleTimeout: '1s' } }),
  })
  try {
    const talk = chat(stack.client, new Metadata())
    talk.call.write(Buffer.from('one'))
    await talk.count(13)
    talk.call.write(Buffer.from('two'))
    await talk.count(14)
    talk.call.end()
    expect(await talk.status).toMatchObject({ code: status.OK })
    expect(talk.messages.map(String)).toEqual(['one', ...Array(12).fill('tick'), 'two'])
  } finally {
    await stack.close()
  }
})

test('a call that was broken off is over, even if its client does not end its own side', async () => {
  const service = await startHttp2Service(stream => {
    stream.respond(HEAD)
    stream.write(MESSAGE)
  })
  const stack = await startGrpcStack({
    service,
    config: () => ({ routes: PUBLIC, upstreams: { app: { url: service.url, timeouts: { idle: '1s' } } } }),
  })
  const session = connect(stack.url.replace('127.0.0.1', 'localhost'), { ca: stack.ca ?? [] })
  try {
    const call = session.request({ ':method': 'POST', ':path': methodPath('Chat'), 'content-type': 'application/grpc' })
    const closed = new Promise(resolve => call.on('close', resolve))
    call.write(MESSAGE)
    const trailers = once(call, 'trailers')
    call.resume()
    expect((await trailers)[0]).toMatchObject({ 'grpc-status': String(status.UNAVAILABLE) })
    await closed
    await stack.logged({ path: methodPath('Chat') })
    expect((await stack.metrics()).get('sallyport_requests_in_flight')).toBe(0)
  } finally {
    session.destroy()
    await stack.close()
  }
})
