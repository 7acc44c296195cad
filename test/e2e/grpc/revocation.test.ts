/** A call ends with the revocation of its token, with the status that tells its client to get another one. */
import { EventEmitter, once } from 'node:events'
import { status } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { startGrpcService } from './services.ts'
import { chat, startGrpcStack, TRANSPORTS } from './support.ts'

test.each(TRANSPORTS)(
  'with %s a call whose token is revoked ends as UNAUTHENTICATED, although streams are kept, and so does the next',
  async transport => {
    const service = new EventEmitter()
    const stack = await startGrpcStack({
      transport,
      service: await startGrpcService({
        chat(call) {
          call.on('cancelled', () => service.emit('cancelled'))
          call.on('data', (part: Buffer) => call.write(part))
          call.on('end', () => call.end())
        },
      }),
      config: () => ({
        routes: [{ id: 'chat', path: '/shop.Orders/Chat', streams: { onExpiry: 'keep' } }],
        revocation: { file: 'revoked.yaml' },
      }),
      files: { 'revoked.yaml': '' },
    })
    try {
      const metadata = await stack.metadata({ sub: 'alice' })
      const { call, count, status: end } = chat(stack.client, metadata)
      call.write(Buffer.from('one'))
      await count(1)
      const cancelled = once(service, 'cancelled')
      const before = Math.floor(Date.now() / 1000) + 1
      stack.write('revoked.yaml', `- { issuer: "${stack.issuer.issuer}", sub: alice, before: ${before} }`)
      await stack.running.reload()
      const revoked = { code: status.UNAUTHENTICATED, details: 'token_revoked: The access token was revoked' }
      expect(await end).toMatchObject(revoked)
      await cancelled
      const next = chat(stack.client, metadata)
      next.call.end()
      expect(await next.status).toMatchObject(revoked)
    } finally {
      await stack.close()
    }
  },
)
