/** A call that is refused gets a status of gRPC's, with the reason and the id to ask the operator about. */
import { Metadata, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DENIALS } from '../../../src/errors.ts'
import { testProvider } from '../../support/gateway/gateway.ts'
import { startRawUpstream } from '../../support/services/raw-upstream.ts'
import { startGrpcService } from './services.ts'
import { chat, type GrpcStack, type Outcome, startGrpcStack, TRANSPORTS, unary, upload } from './support.ts'

const HOUR_SECONDS = 3600
const nowSeconds = (): number => Math.floor(Date.now() / 1000)

describe.each(TRANSPORTS)('with %s', transport => {
  let stack: GrpcStack
  let closers: ReadonlyArray<() => unknown>
  beforeAll(async () => {
    const service = await startGrpcService()
    const silent = await startRawUpstream()
    // It speaks HTTP/2 as far as its first word, and never answers.
    const deaf = await startRawUpstream(({ write }) => write(Buffer.from('000000040000000000', 'hex')))
    stack = await startGrpcStack({
      transport,
      service,
      config: issuer => ({
        providers: {
          main: testProvider(issuer),
          away: { ...testProvider(issuer), issuer: 'http://127.0.0.1:1', keys: { jwksUri: 'http://127.0.0.1:1/keys' } },
        },
        upstreams: {
          app: service.url,
          gone: 'h2c://127.0.0.1:1',
          silent: { url: `h2c://127.0.0.1:${silent.port}`, timeouts: { connect: '300ms' } },
          deaf: { url: `h2c://127.0.0.1:${deaf.port}`, timeouts: { headers: '300ms' } },
        },
        limits: { bodyBytes: '64KiB' },
        routes: [
          {
            id: 'orders',
            path: '/shop.Orders/**',
            methods: ['POST'],
            upstream: 'app',
            require: { scopes: ['orders:read'] },
          },
          { id: 'roles', path: '/shop.Roles/**', upstream: 'app', require: { roles: ['admin'] } },
          { id: 'payments', path: '/shop.Payments/**', upstream: 'app', require: { acr: ['mfa'], authAge: '5m' } },
          ...['gone', 'silent', 'deaf'].map(id => ({ id, path: `/shop.${id}/Get`, access: 'public', upstream: id })),
        ],
      }),
    })
    closers = [stack.close, silent.close, deaf.close]
  })
  afterAll(async () => {
    for (const close of closers) await close()
  })

  const call = (metadata: Metadata, path?: string): Promise<Outcome> =>
    unary(stack.client, 'x', metadata, path === undefined ? {} : { path })

  async function withToken(claims: Record<string, unknown>): Promise<Metadata> {
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${await stack.issuer.mint(claims)}`)
    return metadata
  }

  function withCredential(text: string): Metadata {
    const metadata = new Metadata()
    metadata.set('authorization', text)
    return metadata
  }

  const scope = 'orders:read'

  test.each([
    ['token_missing', status.UNAUTHENTICATED, () => call(new Metadata())],
    ['scheme_unsupported', status.UNAUTHENTICATED, () => call(withCredential('Basic YTpi'))],
    ['token_malformed', status.UNAUTHENTICATED, () => call(withCredential('Bearer nonsense'))],
    ['request_malformed', status.INTERNAL, () => call(withCredential('Bearer a b'))],
    [
      'token_expired',
      status.UNAUTHENTICATED,
      async () =>
        call(await withToken({ scope, exp: nowSeconds() - HOUR_SECONDS, iat: nowSeconds() - 2 * HOUR_SECONDS })),
    ],
    [
      'token_not_yet_valid',
      status.UNAUTHENTICATED,
      async () => call(await withToken({ scope, nbf: nowSeconds() + HOUR_SECONDS / 2 })),
    ],
    [
      'audience_mismatch',
      status.UNAUTHENTICATED,
      async () => call(await withToken({ scope, aud: 'https://other.example' })),
    ],
    [
      'issuer_unknown',
      status.UNAUTHENTICATED,
      async () => call(await withToken({ scope, iss: 'https://other.example' })),
    ],
    ['scope_missing', status.PERMISSION_DENIED, async () => call(await withToken({ scope: 'orders:write' }))],
    ['claim_forbidden', status.PERMISSION_DENIED, async () => call(await withToken({ scope }), '/shop.Roles/Get')],
    ['step_up_required', status.UNAUTHENTICATED, async () => call(await withToken({}), '/shop.Payments/Pay')],
    ['route_unknown', status.UNIMPLEMENTED, async () => call(await withToken({ scope }), '/shop.Nobody/Get')],
    ['path_invalid', status.INTERNAL, async () => call(await withToken({ scope }), '/shop.Orders//Get')],
    ['keys_unavailable', status.UNAVAILABLE, async () => call(await withToken({ scope, iss: 'http://127.0.0.1:1' }))],
    ['upstream_unreachable', status.UNAVAILABLE, () => call(new Metadata(), '/shop.gone/Get')],
    ['upstream_timeout', status.UNAVAILABLE, () => call(new Metadata(), '/shop.silent/Get')],
    ['upstream_timeout', status.UNAVAILABLE, () => call(new Metadata(), '/shop.deaf/Get')],
  ] as const)('%s is status %i', async (code, expected, outcome) => {
    const { reply, status: end } = await outcome()
    expect(end).toMatchObject({ code: expected, details: `${code}: ${DENIALS[code].title}` })
    expect(reply).toBeUndefined()
    const [requestId] = end.metadata.get('x-request-id')
    expect(requestId).toMatch(/^[0-9a-f]{32}$/)
    expect(await stack.logged({ request_id: String(requestId) })).toMatchObject({ code, status: 200 })
  })

  test('a refusal says in metadata what a caller over plain HTTP is told: the challenge, and when to come again', async () => {
    const { status: missing } = await call(await withToken({ scope: 'orders:write' }))
    expect(missing.metadata.get('www-authenticate')).toEqual([
      'Bearer realm="sallyport", scope="orders:read", error="insufficient_scope", error_description="The access token lacks a required scope"',
    ])
    const { status: weak } = await call(await withToken({ acr: 'low' }), '/shop.Payments/Pay')
    expect(weak.metadata.get('www-authenticate')).toEqual([
      'Bearer realm="sallyport", error="insufficient_user_authentication", error_description="A stronger or more recent authentication is required", acr_values="mfa", max_age="300"',
    ])
    const { status: unavailable } = await call(await withToken({ scope, iss: 'http://127.0.0.1:1' }))
    expect(Number(unavailable.metadata.get('retry-after')[0])).toBeGreaterThan(0)
  })

  test('a refused call leaves nothing with the service', async () => {
    const before = stack.service.seen.length
    await call(new Metadata())
    expect(stack.service.seen).toHaveLength(before)
  })

  test('too many headers are RESOURCE_EXHAUSTED', async () => {
    const metadata = await withToken({ scope })
    for (let i = 0; i < 101; i++) metadata.set(`x-${i}`, '1')
    expect((await call(metadata)).status).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/^headers_too_large: /),
    })
  })

  describe('messages that are too large together', () => {
    test('are RESOURCE_EXHAUSTED before the answer has begun', async () => {
      const { call: sending, outcome } = upload(stack.client, await withToken({ scope }))
      sending.on('error', () => {})
      for (let i = 0; i < 3; i++) sending.write(Buffer.alloc(32 * 1024))
      sending.end()
      expect((await outcome).error).toMatchObject({
        code: status.RESOURCE_EXHAUSTED,
        details: expect.stringMatching(/^body_too_large: /),
      })
    })

    test('are RESOURCE_EXHAUSTED in the middle of a conversation', async () => {
      const { call: talk, count, status: end } = chat(stack.client, await withToken({ scope }))
      talk.write(Buffer.alloc(32 * 1024))
      await count(1)
      for (let i = 0; i < 2; i++) talk.write(Buffer.alloc(32 * 1024))
      expect(await end).toMatchObject({
        code: status.RESOURCE_EXHAUSTED,
        details: expect.stringMatching(/^body_too_large: /),
      })
    })
  })

  test('a client that streams without end to a route that refuses it hears of it at once', async () => {
    const { call: sending, outcome } = upload(stack.client, new Metadata())
    const more = (): void => void sending.write(Buffer.alloc(16 * 1024), more)
    sending.on('error', () => {})
    more()
    expect((await outcome).error?.code).toBe(status.UNAUTHENTICATED)
  })
})
