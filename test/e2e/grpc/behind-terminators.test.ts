/** Whoever ends TLS in front of the gateway brings gRPC calls on in HTTP/2 without it, as the proxies of meshes do. */
import { type Client, Metadata, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authorityOfFile } from '../../support/certificates.ts'
import { startTerminator, type Terminator } from '../../support/services/terminator.ts'
import { WITHOUT_TERMINATORS } from '../../support/services/terminator-programs.ts'
import { startGrpcService } from './services.ts'
import { chat, type GrpcStack, grpcClient, startGrpcStack, unary, upload, values, watch } from './support.ts'

const authority = authorityOfFile()
const server = authority.issue('server', ['DNS:localhost'])

describe.skipIf(WITHOUT_TERMINATORS).for(['envoy', 'haproxy'] as const)('behind %s', kind => {
  let stack: GrpcStack
  let terminator: Terminator
  let client: Client
  beforeAll(async () => {
    const service = await startGrpcService({
      get(call, callback) {
        const trailers = new Metadata()
        trailers.set('x-cost', '3')
        callback(null, call.request, trailers)
      },
    })
    stack = await startGrpcStack({
      service,
      transport: 'no TLS',
      config: () => ({ listen: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] } }),
    })
    terminator = await startTerminator(kind, { server, to: stack.url, onwards: 'HTTP/2' })
    client = grpcClient(terminator.url, authority.cert)
  })
  afterAll(async () => {
    client.close()
    await terminator.stop()
    await stack.close()
  })

  test('a unary call passes, with what stands behind its answer', async () => {
    const { reply, status: end } = await unary(
      client,
      'one',
      await stack.metadata({ sub: 'alice', scope: 'orders:read' }),
    )
    expect([String(reply), end.code, values(end.metadata)['x-cost']]).toEqual(['one', status.OK, '3'])
    const seen = values(stack.service.seen.at(-1))
    expect(seen).toMatchObject({ 'x-auth-subject': 'alice', 'x-forwarded-proto': 'https' })
  })

  test('streams pass, of requests, of answers and of both', async () => {
    const sending = upload(client, await stack.metadata())
    for (const part of ['a', 'b']) sending.call.write(Buffer.from(part))
    sending.call.end()
    expect(String((await sending.outcome).reply)).toBe('ab')
    const answers = watch(client, 'one', await stack.metadata())
    expect((await answers.status).code).toBe(status.OK)
    expect(answers.messages.map(String)).toEqual(['one', 'one', 'one'])
    const talk = chat(client, await stack.metadata())
    for (const [index, part] of ['a', 'b', 'c'].entries()) {
      talk.call.write(Buffer.from(part))
      await talk.count(index + 1)
    }
    talk.call.end()
    expect((await talk.status).code).toBe(status.OK)
  })

  test('a call without a token is UNAUTHENTICATED, and says why', async () => {
    const { status: end } = await unary(client, 'one', new Metadata())
    expect(end).toMatchObject({ code: status.UNAUTHENTICATED, details: expect.stringMatching(/^token_missing: /) })
    expect(end.metadata.get('www-authenticate').join()).toContain('Bearer')
  })

  test('the gateway speaks HTTP/2 alone with it', async () => {
    const talks = await Promise.all(Array.from({ length: 20 }, async () => chat(client, await stack.metadata())))
    for (const talk of talks) talk.call.write(Buffer.from('x'))
    await Promise.all(talks.map(({ count }) => count(1)))
    for (const { call } of talks) call.end()
    expect(await Promise.all(talks.map(async talk => (await talk.status).code))).toEqual(talks.map(() => status.OK))
  })
})
