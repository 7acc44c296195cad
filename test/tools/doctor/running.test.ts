/** Drives the checks of ports, probes, services, the store, traces and a running gateway into each of their states. */

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import http, { type IncomingMessage, type RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { doctorCommand } from '../../../src/cli/doctor.ts'
import { runCommand } from '../../support/gateway/command.ts'
import { startTestGateway, type TestGateway, testProvider } from '../../support/gateway/gateway.ts'
import { freePort } from '../../support/services/free-port.ts'
import { type FullBacklog, startFullBacklog } from '../../support/services/full-backlog.ts'
import { startTestIssuer, type TestIssuer } from '../../support/services/issuer.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { echo, startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import { folder } from '../support.ts'
import { examiner } from './support.ts'

const files = folder()
const examine = examiner(files)
const servers: Server[] = []
const sockets = new Set<Socket>()
let issuer: TestIssuer
let service: TestUpstream
let gateway: TestGateway
let config: Readonly<Record<string, unknown>>
let backlog: FullBacklog
let store: StoreServer
let replica: StoreServer

const PASSWORD = 'marked-store-password'

async function listening(server: Server, ...where: readonly [host?: string, port?: number] | readonly [path: string]) {
  servers.push(server)
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  const [host = '127.0.0.1', port = 0] = where
  if (host.startsWith('/')) server.listen(host)
  else server.listen(port, host)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function serving(listener: RequestListener): Promise<number> {
  return listening(http.createServer(listener))
}

beforeAll(async () => {
  ;[issuer, service, backlog, store] = await Promise.all([
    startTestIssuer(),
    // It says what it was told, and one of its probes fails.
    startTestUpstream((request, response) =>
      request.url === '/broken' ? void response.writeHead(500).end() : echo(request, response),
    ),
    startFullBacklog(),
    startStoreServer({
      password: PASSWORD,
      users: [`narrow on >${PASSWORD} ~* resetchannels -@all +ping +xinfo +xread +xrange`],
      persistence: 'appendonly',
    }),
  ])
  config = {
    listen: `127.0.0.1:${await freePort()}`,
    admin: { listen: `127.0.0.1:${await freePort()}`, appProbes: ['/healthz', '/broken'] },
    providers: { main: testProvider(issuer) },
    upstreams: { app: service.url },
    routes: [
      { id: 'private', path: '/private/**' },
      { id: 'public', path: '/public/**', access: 'public' },
    ],
  }
  ;[gateway, replica] = await Promise.all([
    startTestGateway(config),
    startStoreServer({ password: PASSWORD, replicaOf: store, config: [`masterauth ${PASSWORD}`] }),
  ])
  files.write('password', PASSWORD)
  files.write('wrong', 'hunter2-is-wrong')
}, 30_000)

afterAll(async () => {
  backlog.close()
  for (const socket of sockets) socket.destroy()
  for (const server of servers) server.close()
  await Promise.all([gateway.close(), issuer.close(), service.close(), replica.stop(), store.stop()])
})

describe('ports', () => {
  test('are free', async () => {
    const { of: seen } = await examine({ config: { admin: { listen: '127.0.0.1:0' } } })
    expect(seen('port')).toEqual(['ok: 127.0.0.1:0 is free', 'ok: 127.0.0.1:0 is free'])
  })

  test('are taken by a gateway with this configuration', async () => {
    const { of: seen } = await examine({ config })
    expect(seen('port')).toEqual([
      `ok: ${config.listen} is taken by Sallyport 0.0.0-test with this configuration`,
      expect.stringMatching(/^ok: .* with this configuration$/),
    ])
  })

  test('are taken by a gateway with another configuration', async () => {
    const { of: seen } = await examine({ config: { ...config, workers: 2 } })
    expect(seen('port', 'listen').join()).toMatch(
      /^warn: .* with another configuration \(\w{12}, this file is \w{12}\)$/,
    )
  })

  test('are taken by another program', async () => {
    const port = await serving((_request, response) => void response.end('{}'))
    const { of: seen } = await examine({
      config: { listen: `127.0.0.1:${port}`, admin: { listen: `127.0.0.1:${port + 1}` } },
    })
    expect(seen('port', 'listen').join()).toMatch(
      /^fail: .*something else listens there already \(EADDRINUSE\), and no gateway answers/,
    )
  })

  test('belong to no address of this machine', async () => {
    const { of: seen } = await examine({ config: { listen: '203.0.113.7:8080' } })
    expect(seen('port', 'listen').join()).toMatch(/^fail: .*does not have that address \(EADDRNOTAVAIL\)$/)
  })

  test('are sockets: free, left over, or taken', async () => {
    const at = async (path: string) =>
      (await examine({ config: { listen: `unix:${path}` } })).of('port', 'listen').join()
    const path = join(files.path, 'own.sock')
    expect(await at(path)).toMatch(/^ok: .* is free$/)
    const server = createServer()
    await listening(server, path)
    expect(await at(path)).toMatch(/^fail: .*EADDRINUSE/)
    expect(await at(files.write('plain', ''))).toMatch(/^fail: .*EADDRINUSE/)
    const left = join(files.path, 'left.sock')
    const leaving = `require('net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', leaving])
    expect(await at(left)).toMatch(/^ok: .* is free$/)
  })
})

describe('the admin listener', () => {
  test('answers, and its probes say what they are for', async () => {
    const { of: seen } = await examine({ config })
    expect(seen('admin')).toEqual(['ok: Sallyport 0.0.0-test answers, and is ready'])
    expect(seen('probe', '/livez')).toEqual(['ok: answers 200'])
    expect(seen('probe', '/readyz')).toEqual(['ok: answers 200'])
    expect(seen('probe', '/-/app/healthz')).toEqual(['ok: answers 200'])
    expect(seen('probe', '/-/app/broken')).toEqual(['fail: answers 500'])
  })

  test('is missing, or nobody answers there, or somebody else does', async () => {
    expect((await examine({ config: {} })).of('admin').join()).toMatch(/^warn: the configuration has no `admin`/)
    const closed = await examine({ config: { admin: { listen: '127.0.0.1:1' } } })
    expect(closed.of('admin')).toEqual(['skipped: no gateway answers at the admin listener'])
    for (const body of ['not JSON', '{}', '"'.repeat(17 * 1024 * 1024)]) {
      const port = await serving((_request, response) => void response.end(body))
      const other = await examine({ config: {}, admin: { host: '127.0.0.1', port } })
      expect(other.of('admin')).toEqual(['skipped: no gateway answers at the admin listener'])
    }
  })

  test('that is not ready says why', async () => {
    const status = { version: '1', config_hash: 'x', ready: false, reasons: ['provider main: no usable keys'] }
    const port = await serving((request, response) => {
      response.statusCode = request.url === '/readyz' ? 503 : 200
      response.end(JSON.stringify(status))
    })
    const { of: seen } = await examine({ config: {}, admin: { host: '127.0.0.1', port } })
    expect(seen('admin')).toEqual(['fail: Sallyport 1 answers, and is not ready: provider main: no usable keys'])
    expect(seen('probe', '/readyz')).toEqual(['fail: answers 503'])
  })

  test('that accepts and says nothing is given up', async () => {
    const port = await listening(createServer(() => {}))
    const { of: seen } = await examine({ config: {}, admin: { host: '127.0.0.1', port }, stepMs: 200 })
    expect(seen('admin')).toEqual(['skipped: no gateway answers at the admin listener'])
  })

  test('is reached by a kubelet, or not', async () => {
    const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }
    const of = async (listen: string) =>
      (await examine({ config: { admin: { listen } }, env })).of('probe', 'kubelet').join()
    expect(await of('127.0.0.1:0')).toMatch(/^fail: /)
    expect(await of('unix:/tmp/absent.sock')).toMatch(/^fail: /)
    expect(await of('0.0.0.0:0')).toMatch(/^ok: /)
    expect(await of('[::]:0')).toMatch(/^ok: /)
  })
})

describe('a service', () => {
  async function served(url: string, machine: { readonly addresses?: readonly string[] } = {}, rest: object = {}) {
    const app = { url, timeouts: { connect: '300ms' }, ...rest }
    return examine({ network: 'online', config: { upstreams: { app } }, machine })
  }

  test('takes connections, or not', async () => {
    expect((await served(service.url)).of('upstream')).toEqual(['ok: takes connections'])
    expect((await served('http://127.0.0.1:1')).of('upstream').join()).toMatch(/^fail: .*ECONNREFUSED/)
    expect((await served(`http://127.0.0.1:${backlog.port}`)).of('upstream').join()).toMatch(
      /^fail: .*no answer in time/,
    )
    const silent = await listening(createServer(() => {}))
    expect((await served(`h2c://127.0.0.1:${silent}`)).of('upstream').join()).toMatch(/^fail: .*no HTTP\/2/)
  })

  test('has tokens exchanged for it, or not', async () => {
    const answer = { error: 'invalid_grant' }
    const endpoint = await startTestUpstream(
      (_request, response) =>
        void response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(answer)),
    )
    const exchange = {
      provider: 'main',
      endpoint: `${endpoint.url}/token`,
      audience: 'billing',
      timeout: '30s',
      client: { id: 'gateway', auth: 'basic', secretFile: files.write('exchange-secret', 's3cret') },
    }
    const issuer = { issuer: endpoint.url, audiences: ['a'], keys: { jwksUri: `${endpoint.url}/keys` } }
    const exchanged = (stepMs?: number) =>
      examine({
        stepMs,
        network: 'online',
        config: { providers: { main: { type: 'jwt', ...issuer } }, upstreams: { app: { url: service.url, exchange } } },
      })
    expect((await exchanged()).of('upstream')).toEqual([
      'ok: takes connections',
      expect.stringMatching(/^ok: tokens can be exchanged at /),
    ])
    answer.error = 'invalid_client'
    expect((await exchanged()).of('upstream')[1]).toMatch(/^fail: .*does not take our credentials/)
    const silent = createServer(socket => socket.resume())
    exchange.endpoint = `http://127.0.0.1:${await listening(silent)}/token`
    const { all, of: seen } = await exchanged(300)
    expect(seen('upstream')).toEqual([
      'ok: takes connections',
      'fail: exchanging tokens: there was no answer within 300 ms',
    ])
    expect(all.find(({ seen }) => seen.startsWith('exchanging'))?.remedy).toMatch(/^correct `exchange`/)
    await expect.poll(() => promisify(silent.getConnections.bind(silent))()).toBe(0)
    await endpoint.close()
  })

  test('is reached by loopback alone, or past the gateway, too', async () => {
    const addresses = ['127.0.0.2']
    expect((await served(service.url, { addresses })).of('bypass')).toEqual(['ok: it is reached by loopback alone'])
    expect((await served(service.url)).of('bypass')).toEqual(['ok: this machine has no other address'])
    const open = await listening(createServer(), '0.0.0.0')
    expect((await served(`http://127.0.0.1:${open}`, { addresses })).of('bypass')).toEqual([
      `warn: the service also takes connections at 127.0.0.2:${open}, past the gateway`,
    ])
    expect((await served(`http://localhost:${open}`, { addresses })).of('bypass').join()).toMatch(/^warn: /)
    expect((await served(`http://127.0.0.2:${open}`, { addresses })).of('bypass').join()).toMatch(/^warn: /)
  })

  test('is not looked for where that says nothing', async () => {
    expect((await served('http://192.0.2.1:80')).of('bypass').join()).toMatch(
      /^skipped: 192\.0\.2\.1 is on another machine/,
    )
    expect((await served('unix:/tmp/absent.sock')).of('bypass').join()).toMatch(/^ok: a Unix socket/)
    const { of: seen } = await examine({
      network: 'online',
      config: { listen: '127.0.0.2:7777', upstreams: { app: 'http://127.0.0.1:7777' } },
    })
    expect(seen('bypass').join()).toMatch(/^skipped: the gateway listens on the same port/)
  })
})

describe('the store', () => {
  async function stored(block: object) {
    return (
      await examine({
        network: 'online',
        stepMs: 3_000,
        config: {
          store: { passwordFile: 'password', ...block },
          revocation: { store: {}, whenStale: 'allow' },
        },
      })
    ).of('store')
  }

  test('is good', async () => {
    expect(await stored({ url: store.url })).toEqual([
      expect.stringMatching(/^ok: redis \d+\.\d+[\d.]* answers$/),
      'ok: allows reading the stream of revocations',
    ])
    expect((await examine({ network: 'online', config: {} })).of('store')).toEqual([
      'skipped: the configuration has no store',
    ])
  })

  test.each([
    [
      'wants a password',
      () => ({ url: store.url, passwordFile: undefined }),
      /^fail: the store wants a password; set `passwordFile`/,
    ],
    [
      'refuses ours',
      () => ({ url: store.url, passwordFile: 'wrong' }),
      /^fail: the store refuses `username` and `passwordFile`/,
    ],
    ['is not there', () => ({ url: 'redis://127.0.0.1:1' }), /^fail: the store cannot be reached: .*ECONNREFUSED/],
    [
      'takes no connection',
      () => ({ url: `redis://127.0.0.1:${backlog.port}`, timeout: '200ms' }),
      /^fail: the store .*in time/,
    ],
    ['is a replica', () => ({ url: replica.url }), /fail: it is a replica, which takes no writes/],
    [
      'does not say how it is set up',
      () => ({ url: store.url, username: 'narrow' }),
      /^skipped: this user may not ask/,
    ],
  ])('%s', async (_name, block, expected) => {
    const seen = (await stored(block())).join('\n')
    expect(seen).toMatch(expected)
    expect(seen).not.toContain(PASSWORD)
    expect(seen).not.toContain('hunter2')
  })

  test('drops keys, or writes nothing down', async () => {
    await store.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    await store.command('CONFIG', 'SET', 'appendonly', 'no')
    const seen = await stored({ url: store.url })
    await store.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    expect(seen).toContainEqual(expect.stringMatching(/^warn: its policy is allkeys-lru/))
    expect(seen).toContainEqual(expect.stringMatching(/^warn: it writes nothing down at once/))
  })

  test('is loading, too old, or somebody else', async () => {
    const answering = async (reply: string) => {
      const port = await listening(createServer(socket => socket.on('data', () => socket.write(reply))))
      return (await stored({ url: `redis://127.0.0.1:${port}`, passwordFile: undefined })).join('\n')
    }
    expect(await answering('-LOADING Redis is loading the dataset in memory\r\n')).toMatch(
      /^fail: the store is loading its data/,
    )
    const info = 'redis_version:5.0.14\r\naof_enabled:1\r\nmaxmemory_policy:noeviction\r\n'
    expect(await answering(`$${info.length}\r\n${info}\r\n`)).toMatch(/^fail: redis 5\.0\.14 is too old/)
    expect(await answering('+whatever\r\n')).toMatch(/^skipped: the store does not say which version it has/)
    expect(await answering('HTTP/1.1 400 Bad Request\r\n\r\n')).toMatch(/^fail: /)
  })
})

describe('the collector of traces', () => {
  const taken: Array<{ readonly url: string | undefined; readonly key: string | undefined; readonly body: string }> = []

  async function collected(status: number, traces: object = {}, env: Readonly<Record<string, string>> = {}) {
    const port = await serving((request: IncomingMessage, response) => {
      void text(request).then(body => {
        taken.push({ url: request.url, key: request.headers['api-key'] as string | undefined, body })
        response.writeHead(status, { location: 'https://elsewhere.example.com/' }).end('{}')
      })
    })
    const origin = `http://127.0.0.1:${port}`
    const variables = Object.fromEntries(Object.entries(env).map(([name, path]) => [name, origin + path]))
    const named = Object.keys(env).length === 0 ? { endpoint: `${origin}/v1/traces` } : {}
    const found = await examine({ network: 'online', env: variables, config: { traces: { ...named, ...traces } } })
    return found.of('traces').join()
  }

  test('takes an empty batch, with the headers of the file', async () => {
    files.write('headers', 'API-Key: marked-key\n\n')
    expect(await collected(200, { headersFile: 'headers' })).toMatch(/^ok: http:.*\/v1\/traces takes an empty batch$/)
    expect(taken.at(-1)).toEqual({ url: '/v1/traces', key: 'marked-key', body: '{"resourceSpans":[]}' })
  })

  test('is named by the environment', async () => {
    expect(await collected(200, {}, { OTEL_EXPORTER_OTLP_ENDPOINT: '/base' })).toMatch(/^ok: /)
    expect(taken.at(-1)?.url).toBe('/base/v1/traces')
    expect(await collected(200, {}, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: '/own' })).toMatch(/^ok: /)
    expect(taken.at(-1)?.url).toBe('/own')
  })

  test.each([
    [401, /^fail: .* answered 401/],
    [404, /^fail: .* answered 404/],
    [302, /^fail: .* answered 302/],
    [415, /^fail: .* answered 415/],
    [503, /^warn: .* answered 503/],
  ])('answers %i', async (status, expected) => expect(await collected(status)).toMatch(expected))

  test('is not there, says nothing, or there is none', async () => {
    const asked = async (endpoint: string) =>
      (await examine({ network: 'online', stepMs: 300, config: { traces: { endpoint } } })).of('traces').join()
    expect(await asked('http://127.0.0.1:1/v1/traces')).toMatch(/^fail: .*ECONNREFUSED/)
    expect(await asked(`http://127.0.0.1:${backlog.port}/v1/traces`)).toMatch(/^fail: .*no answer within 300 ms/)
    expect((await examine({ network: 'online', config: {} })).of('traces')).toEqual([
      'skipped: the configuration makes no traces',
    ])
  })

  test('gets what the environment says, and what cannot be used is named', async () => {
    const headers = { OTEL_EXPORTER_OTLP_HEADERS: 'api-key=marked%20variable' }
    const port = await serving((request, response) => {
      taken.push({ url: request.url, key: request.headers['api-key'] as string, body: '' })
      response.end()
    })
    const traces = { endpoint: `http://127.0.0.1:${port}/v1/traces` }
    const { of: seen } = await examine({ network: 'online', env: headers, config: { traces } })
    expect(seen('traces').join()).toMatch(/^ok: /)
    expect(taken.at(-1)?.key).toBe('marked variable')
    const odd = { OTEL_EXPORTER_OTLP_ENDPOINT: 'no URL with hunter2', OTEL_EXPORTER_OTLP_CERTIFICATE: '/absent.pem' }
    const lost = await examine({ network: 'online', env: odd, config: { traces } })
    expect(lost.of('traces').join('\n')).toMatch(/^fail: .*cannot be read: there is no such file/)
    const unnamed = await examine({
      network: 'online',
      env: { ...odd, OTEL_EXPORTER_OTLP_CERTIFICATE: '' },
      config: { traces: {} },
    })
    expect(unnamed.of('traces')[0]).toBe('warn: OTEL_EXPORTER_OTLP_ENDPOINT cannot be used, and is ignored')
    expect(JSON.stringify(unnamed.all)).not.toContain('hunter2')
  })
})

describe('a request through the gateway', () => {
  test('is refused with a challenge, and nothing that was forged comes back', async () => {
    const { all, of: seen } = await examine({ config, through: gateway.url })
    expect(seen('through')).toEqual(['ok: Sallyport answers 401 token_missing, with a challenge'])
    expect(
      all.filter(({ check }) => check === 'forged').map(({ outcome, subject }) => `${outcome} ${subject}`),
    ).toEqual([`ok ${gateway.url}/private`, `ok ${gateway.url}/public`])
    expect(service.seen.map(({ url }) => url)).toContain('/public')
  })

  test('goes to the path of the URL', async () => {
    const { all } = await examine({ config, through: `${gateway.url}/private/x` })
    expect(all.find(({ check }) => check === 'through')).toMatchObject({
      outcome: 'ok',
      subject: `${gateway.url}/private/x`,
    })
    const unknown = await examine({ config, through: `${gateway.url}/elsewhere` })
    expect(unknown.of('through').join()).toMatch(/^ok: Sallyport answers 404 route_unknown$/)
  })

  test('went past the gateway, so that what was forged came back', async () => {
    const { of: seen } = await examine({ config, through: service.url })
    expect(seen('through')).toEqual(['fail: it answered 200, and not as Sallyport does'])
    expect(seen('forged').join()).toMatch(/^fail: a forged identity header came back/)
  })

  test('meets a gateway that does not do as the file says', async () => {
    const routes = [{ id: 'all', path: '/**', access: 'public' }]
    const { of: seen } = await examine({ config: { ...config, routes }, through: `${gateway.url}/private` })
    expect(seen('through').join()).toMatch(
      /^fail: Sallyport answers 401 token_missing, with a challenge; this configuration would say nothing, and let it pass$/,
    )
  })

  test('loses its challenge on the way', async () => {
    const port = await serving((request, response) => {
      http.get(`${gateway.url}${request.url}`, { headers: { accept: 'application/json' } }, answer => {
        const { 'www-authenticate': _challenge, ...headers } = answer.headers
        answer.pipe(response.writeHead(answer.statusCode ?? 0, headers))
      })
    })
    const { of: seen } = await examine({ config, through: `http://127.0.0.1:${port}` })
    expect(seen('through')).toEqual(['warn: Sallyport answers 401 token_missing, but the challenge does not arrive'])
  })

  test('is not answered, or nothing is there to ask', async () => {
    expect((await examine({ config, through: 'http://127.0.0.1:1' })).of('through').join()).toMatch(
      /^fail: .*ECONNREFUSED/,
    )
    const silent = await examine({ config, through: `http://127.0.0.1:${backlog.port}`, stepMs: 300 })
    expect(silent.of('through').join()).toMatch(/^fail: there was no answer within 300 ms$/)
    expect((await examine({ config: {}, through: gateway.url })).of('through')).toEqual([
      'skipped: no route asks for a token',
    ])
    expect((await examine({ config })).of('through')).toEqual(['skipped: no gateway is named by --through'])
  })
})

describe('sallyport doctor', () => {
  test('goes on when a check ends with a bug', async () => {
    const { of: seen } = await examine({ network: 'online', config, machine: { addresses: null as never } })
    expect(seen('upstream')).toEqual(['fail: the check itself ended with TypeError, which is a mistake in Sallyport'])
    expect(seen('memory').join()).toMatch(/^ok: /)
  })

  test('prints each finding with its remedy and its link, and fails when one does', async () => {
    const file = files.write('cli.yaml', stringify({ ...config, upstreams: { app: 'http://127.0.0.1:1' } }))
    const { code, stdout } = await runCommand(doctorCommand, ['-c', file, '--online', '--timeout', '2.5'])
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^fail +upstream +upstream app: does not take connections: .*\(ECONNREFUSED\)\n +→ start the service.* \(config\/README\.md#upstreamsid\)$/m,
    )
    expect(stdout).toMatch(/\n\d+ ok, \d+ warn, \d+ fail, \d+ skipped\n$/)
  })

  test('leaves out what is ignored, which then fails nothing', async () => {
    const text = stringify({
      ...config,
      listen: '127.0.0.1:0',
      admin: { listen: '127.0.0.1:0' },
      upstreams: { app: 'http://127.0.0.1:1' },
    })
    const args = ['-c', files.write('ignored.yaml', text), '--online']
    expect((await runCommand(doctorCommand, args)).code).toBe(1)
    const { code, stdout } = await runCommand(doctorCommand, [...args, '--ignore', 'upstream'])
    expect(stdout).not.toMatch(/^\w+ +upstream /m)
    expect(code).toBe(0)
  })

  test('says as JSON what it found, asks no network by itself, and is content with a good configuration', async () => {
    const file = files.write(
      'good.yaml',
      stringify({ ...config, listen: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' } }),
    )
    const { code, stdout } = await runCommand(doctorCommand, ['-c', file, '--json'])
    const { findings, counts } = JSON.parse(stdout)
    expect(findings.find(({ check }: { readonly check: string }) => check === 'upstream')).toEqual({
      ...{ check: 'upstream', outcome: 'skipped', seen: 'only with --online' },
    })
    expect(counts.fail).toBe(0)
    expect(code).toBe(0)
  })

  test.each([
    ['--admin', 'https://127.0.0.1:1'],
    ['--admin', 'nonsense'],
    ['--through', 'ftp://127.0.0.1'],
    ['--through', 'http://user:secret@127.0.0.1'],
    ['--ignore', 'nothing'],
    ['--timeout', '0'],
    ['--timeout', '61'],
    ['--nonsense'],
  ])('does not take %s %s', async (...args) => {
    const { code, stderr } = await runCommand(doctorCommand, args)
    expect(code).toBe(2)
    expect(stderr).not.toBe('')
    expect(stderr).not.toContain('secret@')
  })

  test('asks the admin listener that is named, by address or socket', async () => {
    const file = files.write('cli.yaml', stringify({ ...config, admin: undefined }))
    const { stdout } = await runCommand(doctorCommand, ['-c', file, '--admin', gateway.adminUrl])
    expect(stdout).toContain('Sallyport 0.0.0-test answers, and is ready')
    const socket = join(files.path, 'admin.sock')
    const status = JSON.stringify({ version: '9', config_hash: 'x', ready: true, reasons: [] })
    await listening(
      http.createServer((_request, response) => void response.end(status)),
      socket,
    )
    const asked = await runCommand(doctorCommand, ['-c', file, '--admin', `unix:${socket}`])
    expect(asked.stdout).toContain('Sallyport 9 answers, and is ready')
  })
})
