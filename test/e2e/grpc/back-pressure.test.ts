/** A client that does not read is not sent more: memory stays bounded, and the other calls of the connection go on. */
import { EventEmitter, once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { methodPath, startGrpcService } from './services.ts'
import { type GrpcStack, startGrpcStack, TRANSPORTS, unary, upload } from './support.ts'

const MiB = 1024 * 1024
const CHUNK = Buffer.alloc(64 * 1024)
/** The windows and buffers of client, gateway and service may hold this much of one call, with room to spare. */
const MOST_HELD_BYTES = 4 * MiB
const ENOUGH_BYTES = 32 * MiB

describe.each(TRANSPORTS)('with %s', transport => {
  let stack: GrpcStack
  /** The bytes sent by all calls of `Watch`. */
  let sentBytes: number
  let takenBytes: number
  const service = new EventEmitter()

  beforeAll(async () => {
    stack = await startGrpcStack({
      transport,
      service: await startGrpcService({
        /** Sends as long as it may, up to {@link ENOUGH_BYTES}. */
        watch(call) {
          call.on('cancelled', () => service.emit('cancelled'))
          let leftBytes = ENOUGH_BYTES
          const more = (): void => {
            while (leftBytes > 0) {
              leftBytes -= CHUNK.length
              sentBytes += CHUNK.length
              if (!call.write(CHUNK)) {
                call.once('drain', more)
                return
              }
            }
            call.end()
          }
          more()
        },
        /** Reads nothing until it is told to. */
        upload(call, callback) {
          service.emit('called')
          service.once('read', () => {
            call.on('data', (part: Buffer) => {
              takenBytes += part.length
            })
            call.on('end', () => callback(null, Buffer.from('taken')))
          })
        },
      }),
    })
  })
  afterAll(() => stack.close())

  /** Resolves when a number has not changed for many turns of the loop in a row, in which bytes could have passed. */
  async function settled(read: () => number): Promise<void> {
    for (let same = 0, last = read(); same < 300; same++) {
      // A call that passes over the same sockets takes as many turns as bytes need.
      if (same % 30 === 0) await unary(stack.client, 'x', await stack.metadata())
      await turn()
      if (read() !== last) {
        last = read()
        same = 0
      }
    }
  }

  /** gRPC's own client reads ahead without end; this one leaves what it is sent on the way. */
  async function unread(session: ClientHttp2Session): Promise<ClientHttp2Stream> {
    const [authorization = ''] = (await stack.metadata()).get('authorization')
    const call = session.request({
      ':method': 'POST',
      ':path': methodPath('Watch'),
      'content-type': 'application/grpc',
      authorization: String(authorization),
    })
    call.pause()
    call.end(Buffer.alloc(5))
    await once(call, 'response')
    return call
  }

  describe('a client that reads nothing', () => {
    let session: ClientHttp2Session
    beforeEach(() => {
      sentBytes = 0
      session = connect(stack.url.replace('127.0.0.1', 'localhost'), { ca: stack.ca ?? [] })
    })
    afterEach(() => session.destroy())

    test('stops the service, and gets everything once it reads', async () => {
      const call = await unread(session)
      await settled(() => sentBytes)
      expect(sentBytes).toBeGreaterThan(0)
      expect(sentBytes).toBeLessThan(MOST_HELD_BYTES)
      let bytes = 0
      call.on('data', (part: Buffer) => {
        bytes += part.length
      })
      call.resume()
      const [trailers] = await once(call, 'trailers')
      expect(trailers).toMatchObject({ 'grpc-status': '0' })
      expect(bytes).toBe(ENOUGH_BYTES + (5 * ENOUGH_BYTES) / CHUNK.length)
    })

    test('does not hold up other calls, neither on its connection nor on the one to the service', async () => {
      for (let i = 0; i < 10; i++) await unread(session)
      await settled(() => sentBytes)
      expect(sentBytes).toBeLessThan(10 * MOST_HELD_BYTES)
      const big = Buffer.alloc(4 * MiB, 'x')
      expect((await unary(stack.client, big, await stack.metadata())).reply?.equals(big)).toBe(true)
      const another = await unread(session)
      another.resume()
      const [trailers] = await once(another, 'trailers')
      expect(trailers).toMatchObject({ 'grpc-status': '0' })
    })

    test('lets go of the service when it goes', async () => {
      await unread(session)
      const cancelled = once(service, 'cancelled')
      session.destroy()
      await cancelled
      expect(await stack.logged({ path: methodPath('Watch'), aborted: true })).toMatchObject({ code: 'ok' })
    })
  })

  test('a service that reads nothing stops the client, and gets everything once it reads', async () => {
    takenBytes = 0
    const called = once(service, 'called')
    const { call, outcome } = upload(stack.client, await stack.metadata())
    let writtenBytes = 0
    const more = (): void => {
      if (writtenBytes === ENOUGH_BYTES) call.end()
      else {
        writtenBytes += CHUNK.length
        call.write(CHUNK, more)
      }
    }
    more()
    await called
    await settled(() => writtenBytes)
    expect(writtenBytes).toBeLessThan(MOST_HELD_BYTES)
    service.emit('read')
    expect(String((await outcome).reply)).toBe('taken')
    expect(takenBytes).toBe(ENOUGH_BYTES)
  })
})
