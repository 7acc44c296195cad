/** Tests what `/-/status` and `/readyz` of a running gateway show of the sessions of browsers. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { saysJson, scriptedProvider } from '../oauth/support.ts'
import { logIn, walk } from '../support/clients/login-walk.ts'
import { type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { startLoginStack } from '../support/gateway/login-stack.ts'
import { startStoreServer } from '../support/services/store-server.ts'

/** How long a test asks for what is bound to come, only not when. */
const SOON = { timeout: 20_000 } as const

async function statusOf(gateway: GatewayOnFile | undefined) {
  const { text } = (await gateway?.admin('/-/status')) ?? { text: '{}' }
  return JSON.parse(text)
}

test.skipIf(process.env.WITHOUT_STORES === '1')(
  'it shows how many sessions are known, how renewing goes, and whether the store is up',
  async () => {
    const server = await startStoreServer()
    onTestFinished(() => server.stop())
    const stack = await startLoginStack({
      session: { store: 'shared', lifetime: { refreshBefore: '1h' } },
      config: { store: { url: server.url } },
    })
    onTestFinished(() => stack.close())
    const [gateway] = stack.gateways
    const browser = async () =>
      (await statusOf(gateway)).providers.find(({ id }: { readonly id: string }) => id === 'browser')
    await expect.poll(async () => (await gateway?.admin('/readyz'))?.status, SOON).toBe(200)
    expect(await browser()).toMatchObject({ usable: true, sessions: { held: 0, store: 'unused' } })

    // Tokens are due in the middle of their life, so the first request behind it begins to renew them.
    stack.provider.set({ accessTokenSeconds: 4 })
    const { jar } = await logIn(`${stack.urls[0]}/page`)
    const { sessions } = await browser()
    expect(sessions).toEqual({ held: 1, store: 'up' })
    stack.provider.fail({ kind: 'status', status: 503 }, 'refresh_token')
    await expect
      .poll(async () => {
        await walk(`${stack.urls[0]}/page`, { jar, until: () => true })
        return (await browser()).sessions
      }, SOON)
      .toMatchObject({
        last_refresh_error: expect.stringMatching(/\/token answered 503$/),
        last_refresh_failure: expect.stringMatching(/^\d{4}-.*Z$/),
        refresh_failure_age_seconds: expect.any(Number),
      })

    await server.kill()
    await expect
      .poll(async () => (await browser()).sessions, SOON)
      .toMatchObject({ store: 'down', store_error: expect.stringMatching(/^the store /) })
    // Whoever is known here is served, so the gateway stays ready.
    expect((await browser()).usable).toBe(true)
  },
  60_000,
)

test('a gateway is ready only when it knows where users log in, and finds that by itself', async () => {
  const provider = await scriptedProvider()
  const key = { kty: 'EC', crv: 'P-256', kid: 'a', alg: 'ES256', use: 'sig' }
  const point = {
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  }
  provider.answer('/jwks', saysJson({ keys: [{ ...key, ...point }] }))
  const { authorization_endpoint } = provider.metadata
  provider.metadata.jwks_uri = `${provider.issuer}/jwks`
  provider.metadata.authorization_endpoint = 'https://elsewhere.example.com/authorize'
  const { issuer } = provider
  const gateway = await startGatewayOnFile(folder => {
    for (const name of ['session-key', 'secret'])
      writeFileSync(join(folder, name), randomBytes(32).toString('hex'), { mode: 0o600 })
    return {
      upstreams: { app: 'http://127.0.0.1:9' },
      providers: {
        main: { type: 'jwt', issuer, audiences: ['a'], keys: { jwksUri: `${issuer}/jwks` } },
        browser: {
          ...{ type: 'session', issuer, client: { id: 'shop', auth: 'basic', secretFile: 'secret' } },
          ...{ principal: 'main', publicUrl: 'https://shop.example.com', keyFiles: ['session-key'] },
        },
      },
      routes: [{ id: 'all', path: '/**', providers: ['browser'] }],
    }
  })
  onTestFinished(() => gateway.stop())
  await expect
    .poll(async () => (await statusOf(gateway)).reasons, SOON)
    .toEqual([expect.stringMatching(/^provider browser: cannot log users in: .*authorization_endpoint/)])
  expect((await gateway.admin('/readyz')).status).toBe(503)
  Object.assign(provider.metadata, { authorization_endpoint })
  await expect.poll(async () => (await gateway.admin('/readyz')).status, SOON).toBe(200)
  expect((await statusOf(gateway)).providers).toMatchObject([{}, { id: 'browser', usable: true }])
}, 40_000)
