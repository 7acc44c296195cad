/** A call passes whole, in both directions: messages, metadata, and how it ends. */
import { randomBytes } from 'node:crypto'
import { type Client, Metadata, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testAuthority } from '../../support/certificates.ts'
import { startGrpcService } from './services.ts'
import { chat, type GrpcStack, ROUTES, startGrpcStack, unary, upload, values, watch } from './support.ts'

const MiB = 1024 * 1024
const SIZES = [0, 5, MiB, 4 * MiB]

const upstreamAuthority = testAuthority()
afterAll(() => upstreamAuthority.remove())

/** Ends as its request says: `code details`, after an answer where the request streams one. */
function failing(request: Buffer) {
  const metadata = new Metadata()
  metadata.set('x-cost', '3')
  metadata.add('x-many', 'a')
  metadata.add('x-many', 'b')
  metadata.set('trace-bin', Buffer.from([0, 255, 10, 13]))
  const [code = '', ...details] = String(request).split(' ')
  return { code: Number(code), details: details.join(' '), metadata }
}

describe.each([
  ['TLS', 'h2c', 'enforce'],
  ['TLS', 'TLS with ALPN', 'enforce'],
  ['TLS', 'h2c', 'report'],
  ['no TLS', 'h2c', 'enforce'],
] as const)(
  'with %s from the client and %s to the service, on a route that is to %s,',
  (transport, toService, mode) => {
    let stack: GrpcStack
    let client: Client
    beforeAll(async () => {
      const certificate = upstreamAuthority.issue(`service-${mode}`, ['IP:127.0.0.1'])
      const service = await startGrpcService(
        {
          get(call, callback) {
            const headers = new Metadata()
            headers.set('x-served-by', 'orders-1')
            headers.set('x-served-by-bin', Buffer.from([1, 0, 254]))
            call.sendMetadata(headers)
            const trailers = new Metadata()
            trailers.set('x-cost', '3')
            trailers.set('x-cost-bin', Buffer.from([3, 0]))
            callback(null, call.request, trailers)
          },
          upload(call, callback) {
            const parts: Buffer[] = []
            call.on('data', (part: Buffer) => parts.push(part))
            call.on('end', () => {
              const whole = Buffer.concat(parts)
              if (/^\d+ /.test(String(whole.subarray(0, 9)))) callback(failing(whole))
              else callback(null, whole)
            })
          },
          chat(call) {
            call.on('data', (part: Buffer) => {
              call.write(part)
              if (/^\d+ /.test(String(part.subarray(0, 9)))) call.emit('error', failing(part))
            })
            call.on('end', () => call.end())
          },
        },
        toService === 'h2c' ? undefined : certificate,
      )
      stack = await startGrpcStack({
        transport,
        service,
        config: () => ({
          upstreams: {
            app: toService === 'h2c' ? service.url : { url: service.url, tls: { caFile: upstreamAuthority.certFile } },
          },
          routes: ROUTES.map(route => ({ ...route, mode })),
        }),
      })
      client = stack.client
    })
    afterAll(() => stack.close())

    test.each(SIZES)('a unary call of %i bytes comes back whole', async size => {
      const message = randomBytes(size)
      const { reply, status: end } = await unary(client, message, await stack.metadata())
      expect(end.code).toBe(status.OK)
      expect(reply?.equals(message)).toBe(true)
    })

    test.each(SIZES)('a stream of answers of %i bytes comes whole and in order', async size => {
      const message = randomBytes(size)
      const answers = watch(client, message, await stack.metadata())
      expect(await answers.status).toMatchObject({ code: status.OK })
      expect(answers.messages.map(each => each.equals(message))).toEqual([true, true, true])
    })

    test.each(SIZES)('a stream of requests of %i bytes arrives whole and in order', async size => {
      const messages = [randomBytes(size), randomBytes(size), randomBytes(size)]
      const { call, outcome } = upload(client, await stack.metadata())
      for (const message of messages) call.write(message)
      call.end()
      const { error, reply } = await outcome
      expect(error).toBeNull()
      expect(reply?.equals(Buffer.concat(messages))).toBe(true)
    })

    test.each(SIZES)('in a conversation each message of %i bytes is answered before the next is sent', async size => {
      const { call, count, messages, status: end } = chat(client, await stack.metadata())
      const sent = [randomBytes(size), randomBytes(size), randomBytes(size)]
      for (const [index, message] of sent.entries()) {
        call.write(message)
        await count(index + 1)
      }
      call.end()
      expect(await end).toMatchObject({ code: status.OK })
      expect(messages.map((each, index) => sent[index]?.equals(each))).toEqual([true, true, true])
    })

    test('metadata passes both ways, text and bytes, before and after the answer', async () => {
      const metadata = await stack.metadata()
      metadata.set('x-tenant', 'acme')
      metadata.add('x-label', 'a')
      metadata.add('x-label', 'b')
      metadata.set('key-bin', Buffer.from([0, 1, 2, 253, 254, 255]))
      const { headers, status: end } = await unary(client, 'x', metadata)
      expect(values(headers)).toMatchObject({ 'x-served-by': 'orders-1', 'x-served-by-bin': Buffer.from([1, 0, 254]) })
      expect(values(end.metadata)).toEqual({ 'x-cost': '3', 'x-cost-bin': Buffer.from([3, 0]) })
      const seen = stack.service.seen.at(-1)
      expect(seen?.get('x-tenant')).toEqual(['acme'])
      expect(String(seen?.get('x-label')).replaceAll(' ', '')).toBe('a,b')
      expect(seen?.get('key-bin')).toEqual([Buffer.from([0, 1, 2, 253, 254, 255])])
    })

    test('the service reads who is calling from metadata that no caller can forge, and gets no token', async () => {
      const metadata = await stack.metadata({ sub: 'alice', scope: 'orders:read', client_id: 'shop' })
      for (const name of ['x-auth-subject', 'x_auth_subject', 'x-auth.subject', 'x-auth-client'])
        metadata.add(name, 'root')
      await unary(client, 'x', metadata)
      const seen = stack.service.seen.at(-1)
      expect(values(seen)).toMatchObject({
        'x-auth-subject': 'alice',
        'x-auth-client': 'shop',
        'x-auth-scope': 'orders:read',
      })
      expect(seen?.get('x-auth-subject')).toEqual(['alice'])
      expect(Object.values(values(seen))).not.toContain('root')
      expect(seen?.get('authorization')).toEqual([])
    })

    const failure = { code: status.NOT_FOUND, details: 'no "order" 7: 50 % nö\n' }
    const asked = Buffer.from(`${failure.code} ${failure.details}`)

    test("the service's own error arrives unchanged when it is the whole answer", async () => {
      const { call, outcome } = upload(client, await stack.metadata())
      call.end(asked)
      const { error } = await outcome
      expect(error).toMatchObject(failure)
      expect(values(error?.metadata)).toMatchObject({ 'x-cost': '3', 'trace-bin': Buffer.from([0, 255, 10, 13]) })
      expect(String(error?.metadata.get('x-many')).replaceAll(' ', '')).toBe('a,b')
    })

    test("the service's own error arrives unchanged behind messages, while the client still sends", async () => {
      const { call, messages, status: end } = chat(client, await stack.metadata())
      call.write(Buffer.from('first'))
      call.write(asked)
      const { metadata, ...rest } = await end
      expect(rest).toMatchObject(failure)
      expect(values(metadata)).toEqual({ 'x-cost': '3', 'x-many': 'a, b', 'trace-bin': Buffer.from([0, 255, 10, 13]) })
      expect(messages.map(String)).toEqual(['first', String(asked)])
    })

    test('a hundred calls at a time on one client each get their own answer', async () => {
      const metadata = await stack.metadata()
      const names = Array.from({ length: 100 }, (_, index) => Buffer.from(`call ${index}`))
      const talks = names.map(name => {
        const talk = chat(client, metadata)
        talk.call.write(name)
        return talk
      })
      // All of them are open before the first one ends.
      await Promise.all(talks.map(({ count }) => count(1)))
      for (const { call } of talks) call.end()
      expect(await Promise.all(talks.map(({ status: end }) => end.then(({ code }) => code)))).toEqual(
        names.map(() => 0),
      )
      expect(talks.map(({ messages }) => messages)).toEqual(names.map(name => [name]))
      expect((await stack.metrics()).get('sallyport_requests_in_flight')).toBe(0)
    })
  },
)
