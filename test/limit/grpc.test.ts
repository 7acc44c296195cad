/** gRPC clients that are over a limit: they are told so in gRPC's own terms, and come again when it helps. */
import { Client, credentials, Metadata, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGrpcService } from '../e2e/grpc/services.ts'
import { type GrpcStack, startGrpcStack, TRANSPORTS, unary, watch } from '../e2e/grpc/support.ts'
import { bearer } from '../support/gateway/gateway.ts'

const INTERVAL_MS = 1_000

/** Left to itself a client with it would have given up after a fiftieth of the interval. */
const RETRY_POLICY = {
  methodConfig: [
    {
      name: [{}],
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: '0.01s',
        maxBackoff: '0.01s',
        backoffMultiplier: 1,
        retryableStatusCodes: ['RESOURCE_EXHAUSTED', 'UNAVAILABLE'],
      },
    },
  ],
}

describe.each(TRANSPORTS)('with %s', transport => {
  let stack: GrpcStack
  let patient: Client
  beforeAll(async () => {
    stack = await startGrpcStack({
      transport,
      service: await startGrpcService(),
      config: () => ({
        rateLimits: {
          brisk: { rate: '1/s', key: ['claims.sub'] },
          strict: { rate: '1/h', key: ['claims.sub'] },
        },
        routes: [
          { id: 'orders', path: '/shop.Orders/Get', rateLimits: ['brisk'] },
          { id: 'watch', path: '/shop.Orders/Watch', rateLimits: ['strict'] },
          { id: 'rare', path: '/shop.Rare/Get', rateLimits: ['strict'] },
        ],
      }),
    })
    const ca = stack.ca === undefined ? undefined : Buffer.from(stack.ca)
    patient = new Client(
      `localhost:${new URL(stack.url).port}`,
      ca === undefined ? credentials.createInsecure() : credentials.createSsl(ca),
      { 'grpc.service_config': JSON.stringify(RETRY_POLICY), 'grpc.use_local_subchannel_pool': 1 },
    )
  })
  afterAll(async () => {
    patient.close()
    await stack.close()
  })

  const caller = () => stack.metadata({ sub: crypto.randomUUID() })

  test('a call over the limit is RESOURCE_EXHAUSTED, and says when to come again', async () => {
    const metadata = await caller()
    const path = '/shop.Rare/Get'
    await unary(stack.client, 'x', metadata, { path })
    const { status: end } = await unary(stack.client, 'x', metadata, { path })
    expect(end).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: 'rate_limited: Too many requests',
    })
    const told = end.metadata.getMap()
    expect(told).toMatchObject({ 'retry-after': '3600', ratelimit: '"strict";r=0;t=3600' })
    const pushBackMs = Number(told['grpc-retry-pushback-ms'])
    expect(pushBackMs).toBeLessThanOrEqual(3_600_001)
    expect(pushBackMs).toBeGreaterThan(3_590_000)
  })

  test('a client with a retry policy waits as long as it was told, and gets in then', async () => {
    const metadata = await caller()
    expect((await unary(patient, 'first', metadata)).status.code).toBe(status.OK)
    const startedMs = performance.now()
    const { reply, status: end } = await unary(patient, 'second', metadata)
    const tookMs = performance.now() - startedMs
    expect(end.code).toBe(status.OK)
    expect(reply?.toString()).toBe('second')
    const subject = String(stack.logs.findLast(({ code }) => code === 'rate_limited')?.subject)
    const [refused, ...others] = stack.logs.filter(line => line.subject === subject && line.code === 'rate_limited')
    expect(others, 'it has come too early').toEqual([])
    const { retry_after_ms: waitMs } = (refused?.evidence ?? {}) as { readonly retry_after_ms: number }
    expect(waitMs).toBeLessThanOrEqual(INTERVAL_MS)
    expect(tookMs).toBeGreaterThanOrEqual(waitMs)
    // What was refused and tried again is known to the service: gRFC A6.
    expect(stack.service.seen.at(-1)?.get('grpc-previous-rpc-attempts')).toEqual(['1'])
  })

  test('a call of many messages is counted once', async () => {
    const metadata = await caller()
    const { messages, status: end } = watch(stack.client, 'x', metadata)
    expect((await end).code).toBe(status.OK)
    expect(messages).toHaveLength(3)
    expect((await watch(stack.client, 'x', metadata).status).code).toBe(status.RESOURCE_EXHAUSTED)
  })

  test('a caller without a token spends nothing', async () => {
    const metadata = await caller()
    for (let times = 0; times < 3; times++)
      expect((await unary(stack.client, 'x', new Metadata())).status.code).toBe(status.UNAUTHENTICATED)
    expect((await unary(stack.client, 'x', metadata)).status.code).toBe(status.OK)
  })

  if (transport === 'no TLS')
    test('a client of gRPC-Web is told the same in the head of the answer', async () => {
      const token = await stack.issuer.mint({ sub: crypto.randomUUID() })
      const call = () =>
        stack.request('/shop.Rare/Get', {
          method: 'POST',
          headers: { ...bearer(token), 'content-type': 'application/grpc-web+proto' },
          body: '\0\0\0\0\0',
        })
      await call()
      const { status: http, headers } = await call()
      expect(http).toBe(200)
      expect(headers).toMatchObject({
        'content-type': 'application/grpc-web',
        'grpc-status': String(status.RESOURCE_EXHAUSTED),
        'grpc-message': 'rate_limited: Too many requests',
        'grpc-retry-pushback-ms': expect.stringMatching(/^36000\d\d$|^35\d{5}$/),
        'ratelimit-policy': '"strict";q=1;w=3600',
      })
    })
})
