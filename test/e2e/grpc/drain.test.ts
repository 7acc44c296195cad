/** The gateway stops while calls are running: they end in their own time, new ones are served, and then it goes. */
import { EventEmitter } from 'node:events'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startGrpcService } from './services.ts'
import { chat, type GrpcStack, startGrpcStack, TRANSPORTS, unary, upload, watch } from './support.ts'

describe.each(TRANSPORTS)('with %s', transport => {
  let stack: GrpcStack
  let service: EventEmitter
  beforeEach(async () => {
    service = new EventEmitter()
    stack = await startGrpcStack({
      transport,
      service: await startGrpcService({
        watch(call) {
          call.write(call.request)
          service.once('go', () => {
            call.write(Buffer.from('more'))
            call.end()
          })
        },
      }),
    })
  })
  afterEach(() => stack.close())

  /** Begins to stop. @returns resolves when it has gone */
  async function going(): Promise<{ readonly gone: Promise<void> }> {
    const gone = stack.running.drain()
    await stack.logged({ msg: 'draining' })
    return { gone }
  }

  test('calls of every kind that are running end in their own time, and then the gateway goes', async () => {
    const [answers, talk, sending] = [
      watch(stack.client, 'one', await stack.metadata()),
      chat(stack.client, await stack.metadata()),
      upload(stack.client, await stack.metadata()),
    ]
    talk.call.write(Buffer.from('a'))
    sending.call.write(Buffer.from('x'))
    await Promise.all([answers.count(1), talk.count(1)])
    while (stack.service.seen.length < 3) await unary(stack.client, 'x', await stack.metadata())
    const { gone } = await going()
    talk.call.write(Buffer.from('b'))
    await talk.count(2)
    talk.call.end()
    sending.call.end(Buffer.from('y'))
    service.emit('go')
    expect((await Promise.all([answers.status, talk.status])).map(({ code }) => code)).toEqual([status.OK, status.OK])
    expect(answers.messages.map(String)).toEqual(['one', 'more'])
    expect(String((await sending.outcome).reply)).toBe('xy')
    await gone
    expect(stack.logs.map(({ msg }) => msg)).toContain('drained')
  })

  test('while a call is running new ones are served, on the old connection or a new one', async () => {
    const talk = chat(stack.client, await stack.metadata())
    talk.call.write(Buffer.from('a'))
    await talk.count(1)
    const { gone } = await going()
    for (const client of [stack.client, stack.newClient(), stack.client])
      expect(await unary(client, 'x', await stack.metadata())).toMatchObject({ status: { code: status.OK } })
    talk.call.write(Buffer.from('b'))
    await talk.count(2)
    talk.call.end()
    expect((await talk.status).code).toBe(status.OK)
    await gone
    expect(stack.logs.map(({ msg }) => msg)).toContain('drained')
  })

  // It may take the five seconds that are allowed; `downstream/http2-drain.test.ts` shows the same over both.
  if (transport === 'TLS')
    test('of calls that come without a pause, none is lost while it goes', async () => {
      const metadata = await stack.metadata()
      const clients = Array.from({ length: 5 }, () => stack.newClient())
      const callers = [...clients, ...clients, ...clients, ...clients].map(async client => {
        for (const answers: string[] = []; ; ) {
          const { code, details } = (await unary(client, 'x', metadata)).status
          // The call was never sent, and a client with a choice takes another gateway. The last error is that of
          // whoever came too late: he was refused, or had just been let in.
          if (/^No connection established\./.test(details)) return answers
          // Refused again when it was tried again, so nobody has seen it (RFC 9113 §8.7): it is the client's to repeat.
          if (code === status.UNAVAILABLE && details === 'Stream refused by server') continue
          answers.push(code === status.OK ? 'OK' : `${code} ${details}`)
        }
      })
      await unary(stack.client, 'x', metadata)
      const { gone } = await going()
      await gone
      const answers = (await Promise.all(callers)).flat()
      expect(answers.length).toBeGreaterThan(callers.length)
      expect(new Set(answers)).toEqual(new Set(['OK']))
    })

  test('a call that does not end in time is UNAVAILABLE', async () => {
    const other = await startGrpcStack({
      transport,
      service: stack.service,
      config: () => ({ drain: { timeout: '1s' } }),
    })
    try {
      const talk = chat(other.client, await other.metadata())
      talk.call.write(Buffer.from('a'))
      await talk.count(1)
      await other.running.drain()
      await other.running.close()
      expect((await talk.status).code).toBe(status.UNAVAILABLE)
    } finally {
      await other.close()
    }
  })
})
