/** A proxy that the environment names is not used; the start says so once, and a configured one is. */
import { describe, expect, test } from 'vitest'
import { ecJwk } from '../keys/support.ts'
import { atEnd } from '../support/at-end.ts'
import { type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { type ForwardProxy, startForwardProxy } from '../support/services/forward-proxy.ts'
import { json, startKeyServer } from '../support/services/key-server.ts'

const NONE = { HTTP_PROXY: '', HTTPS_PROXY: '', ALL_PROXY: '', http_proxy: '', https_proxy: '', all_proxy: '' }
const WARNING = 'the proxy of the environment is not used; to fetch keys through it, set `egress.proxy`'
const KEYS = 'http://keys.proxied.test/jwks.json'

function configOf(more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const keys = { jwksUri: KEYS, allowInsecureHttp: true }
  return {
    providers: { main: { type: 'jwt', issuer: 'https://issuer.example/', audiences: ['a'], keys } },
    upstreams: { app: 'http://127.0.0.1:1' },
    routes: [{ id: 'all', path: '/**' }],
    ...more,
  }
}

async function startProxy(): Promise<ForwardProxy> {
  const server = await startKeyServer()
  server.answer(json({ keys: [ecJwk('k1')] }))
  return startForwardProxy({ hosts: { 'keys.proxied.test:80': Number(new URL(server.origin).port) } })
}

async function start(config: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string>>) {
  const gateway = await startGatewayOnFile(config, { env: { ...NONE, ...env } })
  atEnd(gateway.stop)
  return gateway
}

const warned = (gateway: GatewayOnFile) => gateway.lines().filter(({ msg }) => msg === WARNING)

describe.each([1, 2])('with workers: %i', workers => {
  test('a proxy of the environment is not used, and one line says so, however often the file changes', async () => {
    const proxy = await startProxy()
    const secret = proxy.url.replace('//', '//user:MARKED@')
    // Node itself obeys the variables when the last one is set.
    const env = { HTTP_PROXY: secret, https_proxy: secret, ALL_PROXY: secret, NODE_USE_ENV_PROXY: '1' }
    const gateway = await start(configOf({ workers }), env)
    await gateway.logged({ provider: 'main', to: 'unavailable' })
    gateway.write('sallyport.yaml', configOf({ workers, log: { access: 'off' } }))
    await gateway.logged({ msg: 'configuration reloaded' }, workers)
    expect(warned(gateway)).toEqual([
      expect.objectContaining({ level: 'warn', variables: ['HTTP_PROXY', 'https_proxy', 'ALL_PROXY'] }),
    ])
    expect(JSON.stringify(gateway.lines())).not.toContain('MARKED')
    expect(proxy.asked).toEqual([])
  })

  test('a configured one is, and nothing is said', async () => {
    const [proxy, other] = [await startProxy(), await startProxy()]
    const gateway = await start(configOf({ workers, egress: { proxy: proxy.url } }), { HTTP_PROXY: other.url })
    await gateway.logged({ provider: 'main', to: 'fresh' }, workers)
    expect(warned(gateway)).toEqual([])
    expect([proxy.asked.length, other.asked.length]).toEqual([workers, 0])
  })
})

test('without such a variable nothing is said', async () => {
  expect(warned(await start(configOf(), {}))).toEqual([])
})

test('a reload brings another proxy into use', async () => {
  const [one, other] = [await startProxy(), await startProxy()]
  const gateway = await start(configOf({ egress: { proxy: one.url } }), {})
  await gateway.logged({ provider: 'main', to: 'fresh' })
  gateway.write('sallyport.yaml', configOf({ egress: { proxy: other.url } }))
  await gateway.logged({ msg: 'configuration reloaded' })
  expect([one.asked.length, other.asked.length]).toEqual([1, 1])
})
