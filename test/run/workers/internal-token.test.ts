/** Several processes sign with the keys of one folder, and their one admin listener publishes them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { Agent, request } from 'undici'
import { expect, test } from 'vitest'
import { privateJwk } from '../../signing/support.ts'
import { atEnd } from '../../support/at-end.ts'
import { bearer, testProvider } from '../../support/gateway/gateway.ts'
import { startTestIssuer } from '../../support/services/issuer.ts'
import { startWorkers } from './support.ts'

test('every worker signs with the keys that the admin listener publishes', async () => {
  const keysDir = mkdtempSync(join(tmpdir(), 'sallyport-signing-'))
  atEnd(() => rmSync(keysDir, { recursive: true }))
  writeFileSync(join(keysDir, 'a.jwk'), privateJwk('P-256', { kid: 'a' }), { mode: 0o600 })
  const issuer = await startTestIssuer()
  atEnd(issuer.close)
  const { gateway, upstream } = await startWorkers({
    providers: { main: testProvider(issuer) },
    routes: [{ id: 'all', path: '/**' }],
    identity: { token: { issuer: 'https://orders.internal/', audience: 'orders', keysDir } },
  })
  const published = async () => JSON.parse((await gateway.admin('/-/jwks')).text) as JSONWebKeySet
  expect((await published()).keys.map(({ kid }) => kid)).toEqual(['a'])

  const dispatcher = new Agent()
  atEnd(() => dispatcher.destroy())
  for (let turn = 0; turn < 6; turn += 1) {
    const headers = bearer(await issuer.mint({ sub: `user-${turn}` }))
    const { statusCode, body } = await request(gateway.url, { dispatcher, headers, reset: true })
    await body.dump()
    expect(statusCode).toBe(200)
  }
  const tokens = upstream.seen.map(({ headers }) => String(headers['x-auth-token']))
  const keys = createLocalJWKSet(await published())
  for (const token of tokens) await jwtVerify(token, keys, { issuer: 'https://orders.internal/', audience: 'orders' })
  expect((await gateway.metrics()).get('sallyport_internal_tokens_minted_total')).toBe(6)

  writeFileSync(join(keysDir, 'b.jwk'), privateJwk('P-256', { kid: 'b' }), { mode: 0o600 })
  await expect.poll(async () => (await published()).keys.map(({ kid }) => kid)).toEqual(['a', 'b'])
  expect(JSON.parse((await gateway.admin('/-/status')).text)).toMatchObject({
    signing: { kid: 'a', published: ['a', 'b'] },
  })
})
