/** What a reload leaves alone: keys, verified tokens, connections and counts; and what it renews. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { SignJWT } from 'jose'
import { Agent, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { testAuthority } from '../support/certificates.ts'
import { bearer, testProvider } from '../support/gateway/gateway.ts'
import { type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { AUDIENCE, startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const RELOADED = { msg: 'configuration reloaded' }
const REJECTED = { msg: 'configuration rejected, the old one stays' }

function closing<T>(thing: T, close: (thing: T) => unknown): T {
  atEnd(() => close(thing))
  return thing
}

interface Stack {
  readonly gateway: GatewayOnFile
  readonly issuer: TestIssuer
  readonly upstream: TestUpstream
  config(change?: Record<string, unknown>): Record<string, unknown>
  /** Writes a changed configuration and waits until it is in force. */
  reload(change: Record<string, unknown>): Promise<void>
  /** Status of a request on a connection of its own. */
  get(path: string, token?: string): Promise<number>
}

async function startStack(): Promise<Stack> {
  const issuer = closing(await startTestIssuer(), each => each.close())
  const upstream = closing(await startTestUpstream(), each => each.close())
  const config = (change: Record<string, unknown> = {}) => ({
    providers: { main: testProvider(issuer) },
    upstreams: { app: upstream.url },
    routes: [{ id: 'all', path: '/**' }],
    ...change,
  })
  const gateway = closing(await startGatewayOnFile(config()), each => each.stop())
  await gateway.logged({ provider: 'main', to: 'fresh' })
  let reloads = 0
  return {
    gateway,
    issuer,
    upstream,
    config,
    async reload(change) {
      reloads += 1
      gateway.write('sallyport.yaml', config(change))
      await gateway.logged(RELOADED, reloads)
    },
    get: (path, token) => statusOf(gateway.url + path, token),
  }
}

async function statusOf(url: string, token?: string): Promise<number> {
  const response = await fetch(url, { headers: { connection: 'close', ...(token !== undefined && bearer(token)) } })
  await response.arrayBuffer()
  return response.status
}

const MORE_ROUTES = {
  routes: [
    { id: 'all', path: '/**' },
    { id: 'more', path: '/more/**' },
  ],
}

describe('a reload that does not concern them keeps', () => {
  test('keys, verified tokens, the connections to the service, and all counts', async () => {
    const { gateway, issuer, upstream, get, reload } = await startStack()
    const token = await issuer.mint()
    expect(await get('/a', token)).toBe(200)
    const connections = [...upstream.sockets]
    expect(connections).toHaveLength(1)
    const before = await gateway.metrics()

    await reload(MORE_ROUTES)
    await reload({ ...MORE_ROUTES, log: { access: 'denied' } })
    expect(await get('/more/b', token)).toBe(200)

    const after = await gateway.metrics()
    const fetched = 'sallyport_jwks_fetches_total{provider="main",result="ok"}'
    expect([before.get(fetched), after.get(fetched)]).toEqual([1, 1])
    const cached = (result: string) => after.get(`sallyport_token_cache_total{provider="main",result="${result}"}`)
    expect([cached('miss'), cached('hit'), cached('stale')]).toEqual([1, 1, 0])
    expect([...upstream.sockets]).toEqual(connections)
    expect(after.get('sallyport_requests_total{route="all",method="GET",code="ok"}')).toBe(1)
    expect(after.get('sallyport_requests_total{route="more",method="GET",code="ok"}')).toBe(1)
    expect(after.get('sallyport_request_duration_seconds_count{route="all"}')).toBe(1)
    expect(after.get('sallyport_jwks_fetch_duration_seconds_count{provider="main"}')).toBe(1)
    expect(after.get('sallyport_config_reloads_total{result="success"}')).toBe(2)
  })

  test('the policy of a request that has begun', async () => {
    const { gateway, issuer, reload, get, upstream } = await startStack()
    const token = await issuer.mint({ email: 'a@example.com' })
    const { port } = new URL(gateway.url)
    const body = new TransformStream<Uint8Array, Uint8Array>()
    const writer = body.writable.getWriter()
    const arrival = upstream.arrival()
    const slow = fetch(`http://127.0.0.1:${port}/slow`, {
      method: 'POST',
      headers: bearer(token),
      body: body.readable,
      duplex: 'half',
    })
    await writer.write(Buffer.from('x'))
    await arrival
    await reload({ identity: { headers: { 'X-Email': 'email' } }, upstreams: { other: 'http://127.0.0.1:1' } })
    expect(await get('/now', token)).toBe(502)
    await writer.write(Buffer.from('y'))
    await writer.close()
    const reply = await slow
    expect(reply.status).toBe(200)
    const { headers, bodyBytes } = (await reply.json()) as { headers: Record<string, string>; bodyBytes: number }
    expect(bodyBytes).toBe(2)
    expect(headers).toMatchObject({ 'x-auth-subject': 'alice' })
    expect(headers).not.toHaveProperty('x-email')
  })
})

describe('a reload that changes', () => {
  test('the rules of a provider has its tokens verified anew, and taken back finds them', async () => {
    const { gateway, issuer, get, reload } = await startStack()
    const token = await issuer.mint()
    expect(await get('/', token)).toBe(200)
    const strict = { ...testProvider(issuer), audiences: ['https://other.example'] }
    await reload({ providers: { main: strict } })
    expect(await get('/', token)).toBe(401)
    await reload({})
    expect(await get('/', token)).toBe(200)
    const metrics = await gateway.metrics()
    expect(metrics.get('sallyport_jwks_fetches_total{provider="main",result="ok"}')).toBe(1)
    expect(metrics.get('sallyport_requests_total{route="all",method="GET",code="audience_mismatch"}')).toBe(1)
  })

  test('where keys come from has them in hand before it is in force', async () => {
    const { gateway, issuer, get, reload } = await startStack()
    const second = closing(await startTestIssuer(), each => each.close())
    await reload({ providers: { main: testProvider(issuer), second: testProvider(second) } })
    const lines = gateway.lines().map(({ msg, provider }) => [msg, provider])
    const fresh = lines.findIndex(([, provider]) => provider === 'second')
    expect(fresh).toBeGreaterThan(-1)
    expect(fresh).toBeLessThan(lines.findIndex(([msg]) => msg === RELOADED.msg))
    expect(await get('/', await second.mint())).toBe(200)
  })

  test('a provider to one whose key server hangs is in force all the same, and the others are served', async () => {
    const { issuer, get, reload } = await startStack()
    const hanging = createServer(() => {})
    await new Promise<void>(resolve => hanging.listen(0, '127.0.0.1', resolve))
    closing(hanging, each => each.close() && each.closeAllConnections())
    const url = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}`
    const second = { type: 'jwt', issuer: url, audiences: [AUDIENCE], keys: { jwksUri: `${url}/jwks` } }
    await reload({ providers: { main: testProvider(issuer), second } })
    expect(await get('/', await issuer.mint())).toBe(200)
  })

  test('an upstream gives later requests the new one and no connection of the old', async () => {
    const { issuer, get, reload, upstream } = await startStack()
    const other = closing(await startTestUpstream(), each => each.close())
    const token = await issuer.mint()
    expect(await get('/old', token)).toBe(200)
    await reload({ upstreams: { app: other.url } })
    expect(await get('/new', token)).toBe(200)
    expect([upstream.seen.map(({ url }) => url), other.seen.map(({ url }) => url)]).toEqual([['/old'], ['/new']])
  })

  test('log.level and log.access applies both', async () => {
    const { gateway, get, config } = await startStack()
    await get('/first')
    await gateway.logged({ path: '/first' })
    // At this level a reload is not told; its count is.
    gateway.write('sallyport.yaml', config({ log: { level: 'error', access: 'off' } }))
    while ((await gateway.metrics()).get('sallyport_config_reloads_total{result="success"}') !== 1);
    await get('/second')
    gateway.write('sallyport.yaml', 'routes: 1\n')
    // A rejection is told at any level, and what came before it has been written.
    await gateway.logged(REJECTED)
    expect(gateway.lines().some(({ path }) => path === '/second')).toBe(false)
  })

  test('limits applies them to connections to come', async () => {
    const { gateway, reload } = await startStack()
    const longHead = (bytes: number) =>
      fetch(`${gateway.url}/`, { headers: { connection: 'close', 'x-long': 'x'.repeat(bytes) } }).then(
        ({ status }) => status,
      )
    expect(await longHead(5_000)).toBe(401)
    await reload({ limits: { headerBytes: '4KiB', tokenBytes: '2KiB' } })
    expect(await longHead(5_000)).toBe(431)
    expect(await longHead(1_000)).toBe(401)
  })

  test('the size of the token cache keeps the tokens used last', async () => {
    const { gateway, issuer, get, reload } = await startStack()
    const tokens = await Promise.all(['a', 'b', 'c'].map(sub => issuer.mint({ sub })))
    for (const token of tokens) await get('/', token)
    await reload({ tokenCache: { entries: 2 } })
    expect((await gateway.metrics()).get('sallyport_token_cache_entries')).toBe(2)
    expect(await get('/', tokens[2])).toBe(200)
    expect((await gateway.metrics()).get('sallyport_token_cache_total{provider="main",result="hit"}')).toBe(1)
  })

  test('routes away drops their series with the reload after it', async () => {
    const { gateway, reload } = await startStack()
    const hasSeries = async () =>
      [...(await gateway.metrics()).keys()].filter(series => /"(more|second)"/.test(series)).length > 0
    const second = { type: 'jwt', issuer: 'urn:x', audiences: ['x'], keys: { jwksUri: 'http://127.0.0.1:1/' } }
    await reload({ ...MORE_ROUTES, providers: { second } })
    await reload({})
    expect(await hasSeries()).toBe(true)
    await reload({ log: { access: 'denied' } })
    expect(await hasSeries()).toBe(false)
  })
})

describe('files that the configuration names', () => {
  test('a secret that is replaced is in force, and tokens of the old one are refused', async () => {
    const upstream = closing(await startTestUpstream(), each => each.close())
    const secrets = ['a'.repeat(32), 'b'.repeat(32)] as const
    const mint = (secret: string) =>
      new SignJWT({ iss: 'urn:hs', aud: AUDIENCE, sub: 'alice', exp: Math.floor(Date.now() / 1000) + 600 })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(Buffer.from(secret))
    const gateway = closing(
      await startGatewayOnFile(folder => {
        writeFileSync(join(folder, 'secret'), secrets[0])
        return {
          providers: {
            main: {
              ...{ type: 'jwt', issuer: 'urn:hs', audiences: [AUDIENCE], algorithms: ['HS256'] },
              keys: { secretFile: 'secret' },
            },
          },
          upstreams: { app: upstream.url },
          routes: [{ id: 'all', path: '/**' }],
        }
      }),
      each => each.stop(),
    )
    const statuses = async () =>
      Promise.all(secrets.map(async secret => statusOf(`${gateway.url}/`, await mint(secret))))
    expect(await statuses()).toEqual([200, 401])
    // A token that was verified under the old secret is not remembered for the new one.
    gateway.write('secret', secrets[1])
    await gateway.logged(RELOADED)
    expect(await statuses()).toEqual([401, 200])
    gateway.write('secret', 'short')
    expect(String((await gateway.logged(REJECTED)).problems)).toContain('HS256 needs a secret of at least 32')
    expect(await statuses()).toEqual([401, 200])
    expect(gateway.process.stdout()).not.toContain(secrets[1])
  })

  test('a certificate that is replaced is shown to new connections, and open ones go on', async () => {
    const authority = closing(testAuthority(), each => each.remove())
    const [first, second] = ['first', 'second'].map(id => authority.issue(id, ['IP:127.0.0.1']))
    if (first === undefined || second === undefined) throw new Error('no certificates')
    const upstream = closing(await startTestUpstream(), each => each.close())
    const gateway = closing(
      await startGatewayOnFile(folder => {
        writeFileSync(join(folder, 'tls.crt'), first.cert)
        writeFileSync(join(folder, 'tls.key'), first.key)
        return {
          listen: { address: '127.0.0.1:0', tls: { certFile: 'tls.crt', keyFile: 'tls.key' } },
          upstreams: { app: upstream.url },
          routes: [{ id: 'all', path: '/**', access: 'public' }],
        }
      }),
      each => each.stop(),
    )
    const agent = closing(new Agent({ connections: 1, connect: { ca: authority.cert } }), each => each.destroy())
    const get = async () => {
      const { statusCode, body } = await request(`${gateway.url}/`, { dispatcher: agent })
      await body.dump()
      return statusCode
    }
    const shown = () =>
      new Promise<string>((resolve, reject) => {
        const socket = tlsConnect({ port: Number(new URL(gateway.url).port), host: '127.0.0.1', ca: authority.cert })
        socket.once('secureConnect', () => {
          resolve(String(socket.getPeerCertificate().subject.CN))
          socket.destroy()
        })
        socket.once('error', reject)
      })
    expect([await get(), await shown()]).toEqual([200, 'first'])
    // Half of the pair is no pair.
    gateway.write('tls.crt', second.cert)
    expect(String((await gateway.logged(REJECTED)).problems)).toContain('listen.tls.keyFile: holds a key that does not')
    expect(await shown()).toBe('first')
    gateway.write('tls.key', second.key)
    await gateway.logged(RELOADED)
    expect(await shown()).toBe('second')
    expect(await get()).toBe(200)
  })

  test('the certificates of an upstream are trusted as they are now', async () => {
    const { createServer: createTlsServer } = await import('node:https')
    const [old, now] = [testAuthority(), testAuthority()]
    atEnd(old.remove)
    atEnd(now.remove)
    const { cert, key } = now.issue('service', ['IP:127.0.0.1'])
    const service = createTlsServer({ cert, key }, (_request, response) => response.end())
    await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve))
    closing(service, each => each.close() && each.closeAllConnections())
    const gateway = closing(
      await startGatewayOnFile(folder => {
        writeFileSync(join(folder, 'ca.pem'), old.cert)
        const url = `https://127.0.0.1:${(service.address() as AddressInfo).port}`
        return {
          upstreams: { app: { url, tls: { caFile: 'ca.pem' } } },
          routes: [{ id: 'all', path: '/**', access: 'public' }],
        }
      }),
      each => each.stop(),
    )
    expect(await statusOf(`${gateway.url}/`)).toBe(502)
    gateway.write('ca.pem', now.cert)
    await gateway.logged(RELOADED)
    expect(await statusOf(`${gateway.url}/`)).toBe(200)
  })
})
