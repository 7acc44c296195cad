/** Fetches documents through a forward proxy, over real sockets: what passes, and each way in which it fails. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net, { type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Egress } from '../../src/egress/egress.ts'
import { fetchDocument } from '../../src/keys/fetch/fetch-document.ts'
import { FetchFailure } from '../../src/keys/fetch/fetch-failure.ts'
import { privateNetwork } from '../keys/certificates.ts'
import { ecJwk, es256, selectNow, startedKeySet, startKeySet, TUNING } from '../keys/support.ts'
import { type ForwardProxy, startForwardProxy } from '../support/services/forward-proxy.ts'
import { drip, json, type KeyServer, startKeyServer, status } from '../support/services/key-server.ts'

/** The name is known to no resolver, so whoever reaches it has come through the proxy. */
const HOST = 'keys.proxied.test'

interface FetchOptions {
  readonly url?: string
  readonly egress?: Partial<Egress>
  readonly caFile?: string
  readonly bearerFile?: string
  readonly signal?: AbortSignal
}

function fetchThrough(proxy: string, { url = `https://${HOST}/jwks.json`, egress, ...options }: FetchOptions = {}) {
  return fetchDocument({
    url,
    etag: undefined,
    maxBytes: 10_000,
    caFile: undefined,
    bearerFile: undefined,
    signal: new AbortController().signal,
    ...options,
    egress: { proxy, noProxy: [], ...egress },
  })
}

async function failureOf(fetching: Promise<unknown>): Promise<FetchFailure> {
  const error: unknown = await fetching.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof FetchFailure) return error
  throw new Error('no FetchFailure', { cause: error })
}

const portOf = ({ origin }: KeyServer): number => Number(new URL(origin).port)

/** Starts a proxy that knows HOST, on every port that is asked for here. */
function proxyTo(server: KeyServer, options: Omit<Parameters<typeof startForwardProxy>[0], 'hosts'> = {}) {
  const hosts = {
    [`${HOST}:443`]: portOf(server),
    [`${HOST}:80`]: portOf(server),
    '[2001:db8::1]:8443': portOf(server),
  }
  return startForwardProxy({ ...options, hosts })
}

/** Listens without being a proxy. */
async function startRaw(onConnection: (socket: Socket) => void): Promise<{ url: string; open(): number }> {
  const sockets = new Set<Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, open: () => sockets.size }
}

function credentialsFile(folder: string, content: string): string {
  const file = join(folder, 'credentials')
  writeFileSync(file, content)
  return file
}

/** Nobody has come past the proxy, and nothing stays open. */
async function expectClosed(...proxies: ReadonlyArray<Pick<ForwardProxy, 'openSockets'>>): Promise<void> {
  for (const proxy of proxies) await expect.poll(() => proxy.openSockets()).toBe(0)
}

describe('what is fetched', () => {
  test.each(['http', 'https'] as const)('passes a proxy over %s, with TLS to the server inside', async scheme => {
    const target = privateNetwork(`DNS:${HOST}`)
    const front = privateNetwork()
    const server = await startKeyServer(target)
    server.answer(json({ keys: [] }))
    const proxy = await proxyTo(server, scheme === 'https' ? { tls: front } : {})
    const bearerFile = credentialsFile(target.folder, 'MARKED-BEARER')
    const egress = scheme === 'https' ? { caFile: front.caFile } : {}
    const { json: document } = await fetchThrough(proxy.url, { caFile: target.caFile, bearerFile, egress })
    expect(document?.value).toEqual({ keys: [] })
    expect(server.requests[0]?.headers).toMatchObject({ host: HOST, authorization: 'Bearer MARKED-BEARER' })
    expect(proxy.asked).toEqual([
      { target: `${HOST}:443`, headers: expect.objectContaining({ host: `${HOST}:443`, 'user-agent': 'sallyport' }) },
    ])
    expect(JSON.stringify(proxy.asked) + proxy.passed().toString('latin1')).not.toContain('MARKED')
    await expectClosed(proxy)
    expect(server.openSockets()).toBe(0)
  })

  test('passes by CONNECT over http:, too, and what is for the proxy does not reach the server', async () => {
    const { folder } = privateNetwork()
    const server = await startKeyServer()
    server.answer(json({ keys: [] }))
    const proxy = await proxyTo(server)
    const egress = { credentialsFile: credentialsFile(folder, 'user:MARKED') }
    await fetchThrough(proxy.url, { url: `http://${HOST}/jwks.json?x=1`, egress })
    expect(proxy.asked.map(({ target }) => target)).toEqual([`${HOST}:80`])
    expect(server.requests.map(({ path }) => path)).toEqual(['/jwks.json?x=1'])
    expect(server.requests[0]?.headers).not.toHaveProperty('proxy-authorization')
    await expectClosed(proxy)
  })

  test('is asked for by an address of IPv6 in brackets', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [] }))
    const proxy = await proxyTo(server)
    await fetchThrough(proxy.url, { url: 'http://[2001:db8::1]:8443/jwks.json' })
    expect(proxy.asked.map(({ target }) => target)).toEqual(['[2001:db8::1]:8443'])
  })

  test('goes past the proxy where the server is on this machine, or is an exception', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [] }))
    const proxy = await proxyTo(server)
    await fetchThrough(proxy.url, { url: server.url })
    await fetchThrough(proxy.url, { url: server.url.replace('127.0.0.1', 'localhost') }).catch(() => {})
    const excepted = await failureOf(fetchThrough(proxy.url, { egress: { noProxy: ['.proxied.test'] } }))
    expect(excepted.message).toMatch(/could not be fetched: .*(ENOTFOUND|EAI_AGAIN)/)
    expect(proxy.asked).toEqual([])
  })

  test('is shown credentials that are read again for each tunnel', async () => {
    const { folder } = privateNetwork()
    const server = await startKeyServer()
    server.answer(json({ keys: [] }))
    const proxy = await proxyTo(server)
    for (const content of ['user:one\n', 'üser:two words ', 'user:\r\n'])
      await fetchThrough(proxy.url, {
        url: `http://${HOST}/`,
        egress: { credentialsFile: credentialsFile(folder, content) },
      })
    const sent = proxy.asked.map(({ headers }) => headers['proxy-authorization']?.replace('Basic ', ''))
    expect(sent.map(text => Buffer.from(text ?? '', 'base64').toString())).toEqual([
      'user:one',
      'üser:two words ',
      'user:',
    ])
  })

  test.each([
    ['', 'is empty'],
    ['MARKED', 'does not hold `user:password` on one line'],
    [':MARKED', 'does not hold `user:password` on one line'],
    ['user:MARKED\nx: y', 'does not hold `user:password` on one line'],
    ['user:MARKED\0', 'does not hold `user:password` on one line'],
    [`user:MARKED${'x'.repeat(4096)}`, 'is larger than 4096 bytes'],
  ])('is not asked for with credentials like %j', async (content, problem) => {
    const { folder } = privateNetwork()
    const proxy = await startForwardProxy()
    const egress = { credentialsFile: credentialsFile(folder, content) }
    const { result, message } = await failureOf(fetchThrough(proxy.url, { egress }))
    expect([result, message]).toEqual(['local_file', expect.stringContaining(`egress.credentialsFile ${problem}`)])
    expect(message).not.toContain('MARKED')
    expect(proxy.asked).toEqual([])
  })

  test.each(['caFile', 'credentialsFile'])('is not asked for where %s cannot be read', async key => {
    const { result, message } = await failureOf(fetchThrough('https://127.0.0.1:9', { egress: { [key]: '/nowhere' } }))
    expect([result, message]).toEqual([
      'local_file',
      `egress.${key} cannot be read: there is no such file or folder (ENOENT)`,
    ])
  })
})

describe('the server has to prove its name in the tunnel', () => {
  test('by its own CA and not by that of the proxy', async () => {
    const target = privateNetwork(`DNS:${HOST}`)
    const front = privateNetwork()
    const server = await startKeyServer(target)
    const proxy = await proxyTo(server, { tls: front })
    for (const caFile of [undefined, front.caFile]) {
      const options = { egress: { caFile: front.caFile }, ...(caFile === undefined ? {} : { caFile }) }
      const { result, message } = await failureOf(fetchThrough(proxy.url, options))
      expect(result).toBe('connect_error')
      expect(message).toMatch(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED|CERT_SIGNATURE_FAILURE/)
      expect(message).toContain(`https://${HOST}/jwks.json could not be fetched through the proxy ${proxy.url}: `)
    }
    expect(server.requests).toEqual([])
    await expectClosed(proxy)
  })

  test('and the name is that of the URL', async () => {
    const target = privateNetwork('DNS:other.test, IP:127.0.0.1')
    const server = await startKeyServer(target)
    const proxy = await proxyTo(server)
    const { message } = await failureOf(fetchThrough(proxy.url, { caFile: target.caFile }))
    expect(message).toContain('its certificate is for another name (ERR_TLS_CERT_ALTNAME_INVALID)')
    expect(server.requests).toEqual([])
    await expectClosed(proxy)
  })
})

describe('a proxy that gives no tunnel fails the fetch, in words that name it', () => {
  const head = (text: string) => (socket: Socket) => void socket.end(`${text}\r\n\r\n`)

  test.each<readonly [string, (socket: Socket) => void, string]>([
    ['asks for credentials', head('HTTP/1.1 407 No\r\nProxy-Authenticate: Basic'), 'asks for credentials (407); write'],
    [
      'forbids it',
      head('HTTP/1.1 403 MARKED'),
      `does not let us through to ${HOST}:443 (403); allow it there, or list`,
    ],
    ['cannot', head('HTTP/1.1 502 MARKED'), `cannot reach ${HOST}:443 (502); have it lead there, or list the host in`],
    [
      'redirects',
      head('HTTP/1.1 302 x\r\nLocation: http://127.0.0.1/'),
      `does not let us through to ${HOST}:443 (302)`,
    ],
    ['says to go on', head('HTTP/1.1 100 Continue'), `does not let us through to ${HOST}:443 (100)`],
    ['switches protocols', head('HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade'), '(101)'],
    ['has a body for us', head('HTTP/1.1 403 x\r\nContent-Length: 9\r\n\r\nMARKED'), '(403)'],
    ['answers rubbish', socket => socket.end('MARKED rubbish\r\n\r\n'), 'does not answer like an HTTP proxy (HPE_'],
    ['speaks SSH', socket => socket.end('SSH-2.0-MARKED\r\n'), 'does not answer like an HTTP proxy (HPE_'],
    [
      'has a huge head',
      socket => socket.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(17 * 1024)}`),
      'answered with more than 16384 bytes of headers (HPE_HEADER_OVERFLOW)',
    ],
    ['closes', socket => socket.end(), 'gave no answer: the other end dropped the connection (ECONNRESET); see that'],
    ['resets', socket => socket.resetAndDestroy(), 'gave no answer: the other end dropped the connection (ECONNRESET)'],
    [
      'closes in the middle of its head',
      socket => socket.end('HTTP/1.1 200 OK\r\nx: '),
      'gave no answer: the other end dropped',
    ],
    [
      'sends bytes behind its head',
      socket => socket.write('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nMARKED'),
      `sent data of its own into the tunnel to ${HOST}:443`,
    ],
  ])('%s', async (_what, answer, words) => {
    const proxy = await startForwardProxy({ answer })
    const { folder } = privateNetwork()
    const egress = { credentialsFile: credentialsFile(folder, 'user:MARKED') }
    for (const options of words.startsWith('asks') ? [{}] : [{}, { egress }]) {
      const { result, message } = await failureOf(fetchThrough(proxy.url, options))
      expect([result, message]).toEqual(['connect_error', expect.stringContaining(words)])
      expect(message).toContain(`https://${HOST}/jwks.json could not be fetched: the proxy ${proxy.url} `)
      expect(message).not.toMatch(/MARKED|dXNlcjpNQVJLRUQ/)
    }
    await expectClosed(proxy)
  })

  test('over http:, bytes behind the head are not taken for the answer of the server', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"keys":[]}'
    const proxy = await startForwardProxy({ answer: socket => socket.write(`HTTP/1.1 200 OK\r\n\r\n${answer}`) })
    const { message } = await failureOf(fetchThrough(proxy.url, { url: `http://${HOST}/` }))
    expect(message).toContain('sent data of its own into the tunnel')
    await expectClosed(proxy)
  })

  test('does not take the credentials', async () => {
    const { folder } = privateNetwork()
    const proxy = await startForwardProxy({ answer: head('HTTP/1.1 407 No') })
    const egress = { credentialsFile: credentialsFile(folder, 'user:MARKED') }
    const { message } = await failureOf(fetchThrough(proxy.url, { egress }))
    expect(message).toContain('does not take the credentials in `egress.credentialsFile` (407); correct them')
    expect(message).not.toMatch(/MARKED|dXNlcjpNQVJLRUQ/)
  })

  test('is not there', async () => {
    const { message } = await failureOf(fetchThrough('http://127.0.0.1:1'))
    expect(message).toContain('the proxy http://127.0.0.1:1 cannot be used: nothing listens there (ECONNREFUSED); see')
  })

  test('shows a certificate that nobody trusts, and is not shown credentials', async () => {
    const front = privateNetwork('DNS:other.test')
    const proxy = await startForwardProxy({ tls: front })
    const egress = { credentialsFile: credentialsFile(front.folder, 'user:MARKED') }
    const untrusted = await failureOf(fetchThrough(proxy.url, { egress }))
    expect(untrusted.message).toContain('name its CA with `egress.caFile`')
    const misnamed = await failureOf(fetchThrough(proxy.url, { egress: { ...egress, caFile: front.caFile } }))
    expect(misnamed.message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(proxy.asked).toEqual([])
    await expectClosed(proxy)
  })

  test('speaks no TLS where https: is written, or TLS where http: is', async () => {
    const plain = await startForwardProxy()
    const secure = await startForwardProxy({ tls: privateNetwork() })
    const { message } = await failureOf(fetchThrough(plain.url.replace('http:', 'https:')))
    expect(message).toContain('it does not speak TLS')
    const other = await failureOf(fetchThrough(secure.url.replace('https:', 'http:')))
    expect(other.message).toContain(`the proxy ${secure.url.replace('https:', 'http:')} `)
    await expectClosed(plain, secure)
  })

  test('is cut off once it has given a tunnel', async () => {
    const answer = (socket: Socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.once('data', () => socket.resetAndDestroy())
    }
    const proxy = await startForwardProxy({ answer })
    for (const url of [`https://${HOST}/`, `http://${HOST}/`]) {
      const { message } = await failureOf(fetchThrough(proxy.url, { url }))
      expect(message).toContain(`${url} could not be fetched through the proxy ${proxy.url}: the other end dropped`)
    }
    await expectClosed(proxy)
  })

  test('writes rubbish into the tunnel before TLS begins', async () => {
    const answer = (socket: Socket) =>
      void socket.write('HTTP/1.1 200 OK\r\n\r\n', () => setImmediate(() => socket.write('MARKED rubbish')))
    const proxy = await startForwardProxy({ answer })
    const { result, message } = await failureOf(fetchThrough(proxy.url))
    expect([result, message]).toEqual(['connect_error', expect.stringContaining(proxy.url)])
    expect(message).not.toContain('MARKED')
    await expectClosed(proxy)
  })
})

describe('the bounds of a fetch hold for the tunnel', () => {
  const reason = new Error('the end of time')

  test.each<readonly [string, (socket: Socket) => void]>([
    ['takes the connection and says nothing', () => {}],
    ['sends its head one byte at a time', socket => void socket.once('data', () => socket.write('HTTP/1.1 200 O'))],
    [
      'gives a tunnel in which nobody speaks TLS',
      socket => void socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\n')),
    ],
  ])('a proxy that %s is left at the signal', async (_what, behave) => {
    const arrived = Promise.withResolvers<void>()
    const proxy = await startRaw(socket => {
      behave(socket)
      socket.on('data', () => arrived.resolve())
    })
    const controller = new AbortController()
    const fetching = fetchThrough(proxy.url, { signal: controller.signal })
    await arrived.promise
    controller.abort(reason)
    await expect(fetching).rejects.toBe(reason)
    await expect.poll(() => proxy.open()).toBe(0)
  })

  test('a proxy that does not finish its own handshake is left at the signal', async () => {
    const arrived = Promise.withResolvers<void>()
    const proxy = await startRaw(socket => void socket.once('data', () => arrived.resolve()))
    const controller = new AbortController()
    const fetching = fetchThrough(proxy.url.replace('http:', 'https:'), { signal: controller.signal })
    await arrived.promise
    controller.abort(reason)
    await expect(fetching).rejects.toBe(reason)
    await expect.poll(() => proxy.open()).toBe(0)
  })

  test('nothing is begun after the signal', async () => {
    const proxy = await startForwardProxy()
    await expect(fetchThrough(proxy.url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(proxy.asked).toEqual([])
  })

  test.each(['http', 'https'] as const)(
    'a body without an end, by a proxy over %s, is left at the signal',
    async scheme => {
      const target = privateNetwork(`DNS:${HOST}`)
      const front = privateNetwork()
      const server = await startKeyServer(target)
      server.answer(drip)
      const proxy = await proxyTo(server, scheme === 'https' ? { tls: front } : {})
      const controller = new AbortController()
      const egress = scheme === 'https' ? { caFile: front.caFile } : {}
      const fetching = fetchThrough(proxy.url, { caFile: target.caFile, egress, signal: controller.signal })
      await server.received(1)
      controller.abort(reason)
      await expect(fetching).rejects.toBe(reason)
      await expectClosed(proxy)
      await expect.poll(() => server.openSockets()).toBe(0)
    },
  )

  test.each([
    ['a body that is too large', json({ x: 'x'.repeat(20_000) }), 'too_large'],
    ['a redirect', status(302, { location: 'http://127.0.0.1/' }), 'redirect'],
    ['huge headers', status(200, { 'x-big': 'x'.repeat(17 * 1024) }), 'connect_error'],
    ['an error', status(503), 'http_status'],
  ] as const)('%s of the server is refused', async (_what, answer, result) => {
    const server = await startKeyServer()
    server.answer(answer)
    const proxy = await proxyTo(server)
    const failure = await failureOf(fetchThrough(proxy.url, { url: `http://${HOST}/` }))
    expect(failure.result).toBe(result)
    await expectClosed(proxy)
    await expect.poll(() => server.openSockets()).toBe(0)
  })
})

describe('a key set', () => {
  const source = (proxy: string) =>
    ({ type: 'jwksUri', url: `http://${HOST}/jwks.json`, ...TUNING, egress: { proxy, noProxy: [] } }) as const

  test('is fetched and refreshed through the proxy, discovery included', async () => {
    const target = privateNetwork(`DNS:${HOST}`)
    const server = await startKeyServer(target)
    const issuer = `https://${HOST}/`
    server.answerPath('/.well-known/openid-configuration', json({ issuer, jwks_uri: `${issuer}keys` }))
    server.answerPath('/keys', json({ keys: [ecJwk('k1')] }))
    const proxy = await proxyTo(server)
    const egress = { proxy: proxy.url, noProxy: [] }
    const definition = { type: 'discovery', hosts: [], allowInsecureHttp: false, ...TUNING } as const
    const { keySet, advance } = await startedKeySet({ ...definition, caFile: target.caFile, egress }, { issuer })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    server.answerPath('/keys', json({ keys: [ecJwk('k2')] }))
    await advance(TUNING.refreshMs)
    expect(selectNow(keySet, es256('k2'))).toHaveLength(1)
    expect(proxy.asked).toHaveLength(4)
  })

  test('names the proxy when nothing comes in time', async () => {
    const asked = Promise.withResolvers<void>()
    const proxy = await startForwardProxy({ answer: () => asked.resolve() })
    const { keySet, time, seen, lease } = startKeySet(source(proxy.url))
    await asked.promise
    await time.advance(TUNING.timeoutMs)
    await lease.ready()
    expect(seen.fetches[0]?.result).toBe('timeout')
    expect(keySet.status().lastError).toBe(
      `no complete answer within ${TUNING.timeoutMs} ms through the proxy ${proxy.url}; see that it takes CONNECT`,
    )
    await expectClosed(proxy)
  })

  test('is another one when the proxy is', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const [one, other] = [await proxyTo(server), await proxyTo(server)]
    const { registry, lease } = await startedKeySet(source(one.url))
    const acquire = (proxy: string) =>
      registry.acquire({ provider: 'main', issuer: 'https://issuer.example/', source: source(proxy) })
    expect(acquire(one.url).value).toBe(lease.value)
    const changed = acquire(other.url)
    expect(changed.value).not.toBe(lease.value)
    await changed.ready()
    expect([one.asked.length, other.asked.length]).toEqual([1, 1])
  })
})
