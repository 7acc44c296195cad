/** Tests what `/-/status` of a running gateway shows of a provider that asks a server, and of decryption keys. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { privateJwk } from '../authenticate/encrypted/support.ts'
import { bearer, startTestGateway } from '../support/gateway/gateway.ts'
import { FAULTS } from '../support/services/answer-faults.ts'
import { startIntrospectionEndpoint } from '../support/services/introspection-endpoint.ts'
import { AUDIENCE } from '../support/services/issuer.ts'

const SECRET = 'marked-secret'
const TOKEN = 'marked-opaque-token-0123456789'

test('it shows how asking goes, and the names of the keys, and no token, secret or key', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-status-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [secretFile, keyFile] = [join(folder, 'secret'), join(folder, 'enc.jwk')]
  writeFileSync(secretFile, SECRET)
  const jwk = privateJwk('P-256', { kid: 'enc-2026-11' })
  writeFileSync(keyFile, jwk)
  const server = await startIntrospectionEndpoint()
  const gateway = await startTestGateway({
    providers: {
      opaque: {
        type: 'introspection',
        issuer: server.issuer,
        audiences: [AUDIENCE],
        client: { auth: 'basic', id: 'orders-gateway', secretFile },
      },
      encrypted: {
        type: 'jwt',
        issuer: 'https://auth.example.com/',
        audiences: [AUDIENCE],
        keys: { jwksUri: server.jwksUri },
        decryption: { keyFiles: [keyFile] },
      },
    },
    upstreams: { app: 'http://127.0.0.1:9' },
    routes: [{ id: 'all', path: '/**', require: { scopes: ['nobody'] } }],
  })
  onTestFinished(() => gateway.close())
  const shown = async () => {
    const reply = await gateway.admin('/-/status')
    for (const secret of [SECRET, TOKEN, JSON.parse(jwk).x, JSON.parse(jwk).d]) expect(reply.text).not.toContain(secret)
    return reply.json()
  }

  server.tokens.set(TOKEN, { active: true, aud: AUDIENCE, sub: 'alice' })
  expect((await gateway.request('/', { headers: bearer(TOKEN) })).status).toBe(403)
  expect((await shown()).providers).toMatchObject([
    {
      id: 'opaque',
      usable: true,
      age_seconds: expect.any(Number),
      introspection: { endpoint: server.url, breaker: 'closed', in_flight: 0, queued: 0, active_tokens: 1 },
    },
    { id: 'encrypted', decryption: { kids: ['enc-2026-11'] } },
  ])

  server.answerWith(FAULTS.tooMany)
  expect((await gateway.request('/', { headers: bearer('another-token-of-somebody') })).status).toBe(503)
  expect((await shown()).providers).toMatchObject([
    {
      last_error: expect.stringContaining('429'),
      introspection: {
        breaker: 'open',
        next_try: expect.stringMatching(/^\d{4}-.*Z$/),
        failure_age_seconds: expect.any(Number),
      },
    },
    {},
  ])
})
