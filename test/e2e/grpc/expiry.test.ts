/** A call ends with the token that let it in, with the status that tells its client to get another one. */

import { EventEmitter, once } from 'node:events'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { QUICK_ROUNDS } from '../../support/gateway/gateway.ts'
import { HEAD, MESSAGE, startGrpcService, startHttp2Service } from './services.ts'
import { chat, type GrpcStack, startGrpcStack, TRANSPORTS, values, watch } from './support.ts'

const HOUR_MS = 3_600_000
const EXPIRED = { code: status.UNAUTHENTICATED, details: 'token_expired: The access token expired' }

describe.each(TRANSPORTS)('with %s', transport => {
  let laterMs: number
  let stack: GrpcStack
  let service: EventEmitter
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + laterMs }
  beforeEach(async () => {
    laterMs = 0
    service = new EventEmitter()
    stack = await startGrpcStack({
      transport,
      clock,
      scheduler: QUICK_ROUNDS,
      service: await startGrpcService({
        // Goes on until it is told to end.
        watch(call) {
          call.write(call.request)
          call.on('cancelled', () => service.emit('cancelled'))
          service.on('go', () => call.write(Buffer.from('more')))
          service.on('end', () => call.end())
        },
        chat(call) {
          call.on('cancelled', () => service.emit('cancelled'))
          call.on('data', (part: Buffer) => call.write(part))
          call.on('end', () => call.end())
        },
      }),
      config: () => ({
        routes: [
          { id: 'chat', path: '/shop.Orders/Chat' },
          { id: 'watch', path: '/shop.Orders/Watch', streams: { onExpiry: 'keep' } },
        ],
      }),
    })
  })
  afterEach(() => stack.close())

  describe('when its token expires', () => {
    test('a call ends as UNAUTHENTICATED, told which request it was, and is cancelled at the service', async () => {
      const { call, count, messages, status: end } = chat(stack.client, await stack.metadata())
      const head = once(call, 'metadata')
      call.write(Buffer.from('one'))
      await count(1)
      const cancelled = once(service, 'cancelled')
      laterMs = 2 * HOUR_MS
      expect(await end).toMatchObject(EXPIRED)
      await cancelled
      expect(messages.map(String)).toEqual(['one'])
      const line = await stack.logged({ path: '/shop.Orders/Chat' })
      expect(line).toMatchObject({ closed: 'expired', request_id: expect.any(String) })
      const [metadata] = await head
      expect(values(metadata)).toMatchObject({ 'x-request-id': line.request_id })
      const metrics = await stack.metrics()
      expect(metrics.get('sallyport_streams_closed_total{route="chat",reason="expired"}')).toBe(1)
      expect(metrics.get('sallyport_requests_in_flight')).toBe(0)
    })

    test('a call within a message ends as UNAUTHENTICATED, too', async () => {
      const below = await startGrpcStack({
        transport,
        clock,
        scheduler: QUICK_ROUNDS,
        service: await startHttp2Service(stream => {
          stream.respond(HEAD)
          stream.write(Buffer.concat([MESSAGE, MESSAGE.subarray(0, 7)]))
          stream.on('close', () => service.emit('cancelled'))
        }),
      })
      try {
        const answers = watch(below.client, 'x', await below.metadata())
        await answers.count(1)
        const cancelled = once(service, 'cancelled')
        laterMs = 2 * HOUR_MS
        expect(await answers.status).toMatchObject(EXPIRED)
        await cancelled
        expect(answers.messages.map(String)).toEqual(['hello'])
      } finally {
        await below.close()
      }
    })

    test('the other calls of its connection go on, and so does one that is to be kept', async () => {
      const kept = watch(stack.client, 'one', await stack.metadata())
      const other = chat(stack.client, await stack.metadata({ exp: Math.floor(Date.now() / 1000) + 24 * 3600 }))
      const ended = chat(stack.client, await stack.metadata())
      for (const { call } of [other, ended]) call.write(Buffer.from('one'))
      await Promise.all([kept.count(1), other.count(1), ended.count(1)])
      laterMs = 2 * HOUR_MS
      expect(await ended.status).toMatchObject(EXPIRED)
      service.emit('go')
      other.call.write(Buffer.from('two'))
      await Promise.all([kept.count(2), other.count(2)])
      service.emit('end')
      other.call.end()
      expect(await Promise.all([kept.status, other.status])).toMatchObject([{ code: status.OK }, { code: status.OK }])
      expect(kept.messages.map(String)).toEqual(['one', 'more'])
    })
  })
})
