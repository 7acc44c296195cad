/** Drives each step of the way to a provider into each of its states, by servers that are broken in one way each. */
import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Finding } from '../../../src/tools/doctor/finding.ts'
import { authorityOfFile, type Certificate } from '../../support/certificates.ts'
import { startForwardProxy } from '../../support/services/forward-proxy.ts'
import { type FullBacklog, startFullBacklog } from '../../support/services/full-backlog.ts'
import { startIntrospectionEndpoint } from '../../support/services/introspection-endpoint.ts'
import { folder } from '../support.ts'
import { examiner, type Findings } from './support.ts'

const files = folder()
const examine = examiner(files)
const authority = authorityOfFile()
const sockets = new Set<Socket>()
const servers: Server[] = []
let jwks = ''
let backlog: FullBacklog
let found: Findings
let waited: Findings

const DAY_MS = 86_400_000
/** So long those are waited for who never answer; whoever answers does so earlier, and under load, too. */
const STEP_MS = 1500

async function listening(server: Server): Promise<number> {
  servers.push(server)
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

interface Habits {
  readonly cert?: Certificate
  readonly issuer?: (origin: string) => string
  readonly jwks?: string
  readonly headers?: () => Readonly<Record<string, string>>
  readonly listener?: RequestListener
}

/** An issuer with metadata and keys, and with habits. @returns its origin */
async function issuer({ cert, issuer: named = origin => origin, jwks: keys, headers, listener }: Habits = {}) {
  let origin = ''
  const answer: RequestListener = (request, response) => {
    const isDocument = request.url === '/.well-known/openid-configuration'
    const isKeys = request.url === '/jwks'
    response.writeHead(isDocument || isKeys ? 200 : 404, { 'content-type': 'application/json', ...headers?.() })
    response.end(isKeys ? (keys ?? jwks) : JSON.stringify({ issuer: named(origin), jwks_uri: `${origin}/jwks` }))
  }
  const tls = cert === undefined ? undefined : { key: cert.key, cert: cert.cert }
  const port = await listening(
    tls === undefined ? http.createServer(listener ?? answer) : https.createServer(tls, listener ?? answer),
  )
  origin = `${cert === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  return origin
}

function dated(offsetMs: number, age?: number) {
  return () => ({
    date: new Date(Date.now() + offsetMs).toUTCString(),
    ...(age === undefined ? {} : { age: String(age) }),
  })
}

const HERE = ['IP:127.0.0.1']

beforeAll(async () => {
  const { publicKey } = await generateKeyPair('ES256')
  jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig', kid: 'one' }] })
  files.write('ca.pem', authority.cert)
  const now = Date.now()
  const good = authority.issue('good', HERE)
  const drip: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(timer))
  }
  backlog = await startFullBacklog()
  const closed = await listening(createServer())
  servers.pop()?.close()
  const endpoint = {
    issuer: 'https://as.example.com',
    audiences: ['a'],
    client: { id: 'g', auth: 'basic', secretFile: 'secret' },
  }
  files.write('secret', 'x'.repeat(32))
  files.write('jwks.json', jwks)
  const origins: Readonly<Record<string, string>> = {
    good: await issuer({ cert: good }),
    expired: await issuer({
      cert: authority.issueFor('expired', HERE, new Date(now - 9 * DAY_MS), new Date(now - DAY_MS)),
    }),
    soon: await issuer({
      cert: authority.issueFor('soon', HERE, new Date(now - 60 * DAY_MS), new Date(now + 5 * DAY_MS)),
    }),
    named: await issuer({ cert: authority.issue('named', ['DNS:other.example.com']) }),
    strange: await issuer({ cert: authority.selfSigned('strange', HERE) }),
    plain: (await issuer()).replace('http:', 'https:'),
    slash: await issuer({ issuer: origin => `${origin}/` }),
    keyless: await issuer({ jwks: '{"keys":[]}' }),
    ahead: await issuer({ headers: dated(60_000) }),
    behind: await issuer({ headers: dated(-60_000) }),
    cached: await issuer({ headers: dated(-60_000, 60) }),
    tolerated: await issuer({ headers: dated(60_000) }),
    silent: await issuer({ listener: () => {} }),
    dripping: await issuer({ listener: drip }),
    redirecting: await issuer({
      listener: (_request, response) =>
        void response.writeHead(302, { location: 'https://elsewhere.example.com/' }).end(),
    }),
    broken: await issuer({ listener: (_request, response) => void response.writeHead(200).end('<html>') }),
    refusing: `http://127.0.0.1:${closed}`,
    dropping: `http://127.0.0.1:${backlog.port}`,
    nameless: 'https://no-such-name.invalid',
  }
  const provider = (id: string, timeout: string) => ({
    ...{ type: 'jwt', issuer: origins[id], audiences: ['a'], keys: { caFile: 'ca.pem', timeout } },
    ...(id === 'tolerated' && { clockTolerance: '2m' }),
  })
  const silent = ['silent', 'dripping', 'dropping']
  const answering = Object.keys(origins).filter(id => !silent.includes(id))
  const examined = examine({
    network: 'online',
    stepMs: STEP_MS,
    config: { providers: Object.fromEntries(silent.map(id => [id, provider(id, '300ms')])) },
  })
  found = await examine({
    network: 'online',
    config: {
      providers: {
        ...Object.fromEntries(answering.map(id => [id, provider(id, '10s')])),
        written: {
          type: 'jwt',
          issuer: 'https://written.example.com',
          audiences: ['a'],
          keys: { jwksFile: 'jwks.json' },
        },
        told: {
          ...{ type: 'jwt', issuer: await issuer({ issuer: origin => `${origin}/` }), audiences: ['a'] },
          keys: { caFile: 'ca.pem', jwksUri: `${origins.good}/jwks` },
        },
        asking: {
          ...endpoint,
          type: 'introspection',
          endpoint: `http://127.0.0.1:${closed}/`,
          tokens: { prefixes: ['a_'] },
        },
        login: {
          ...{ type: 'session', issuer: origins.refusing, client: { id: 'g', auth: 'basic', secretFile: 'secret' } },
          ...{ publicUrl: 'https://shop.example.com', keyFiles: ['secret'], principal: 'idToken', scopes: ['openid'] },
        },
      },
    },
  })
  waited = await examined
}, 30_000)

afterAll(() => {
  backlog.close()
  for (const socket of sockets) socket.destroy()
  for (const server of servers) server.close()
})

function of(check: string, provider: string): string {
  return [found, waited].flatMap(each => each.of(check, `provider ${provider}`)).join('\n')
}

describe('the way to a provider', () => {
  test('is good at every step', () => {
    expect(of('tcp', 'good')).toMatch(/^ok: 127\.0\.0\.1:\d+ takes connections$/)
    expect(of('tls', 'good')).toMatch(
      /^ok: TLSv1\.3, a certificate for IP Address:127\.0\.0\.1, which expires at \S+Z \(in \d+ hours\)$/,
    )
    expect(of('discovery', 'good')).toMatch(/^ok: https:.* has the metadata$/)
    expect(of('issuer', 'good')).toMatch(/^ok: the document says https:\/\/127\.0\.0\.1:\d+, byte for byte$/)
    expect(of('clock', 'good')).toBe('ok: its clock and ours agree')
    expect(of('keys', 'good')).toBe('ok: keys one ES256')
  })

  test.each([
    [
      'nameless',
      'dns',
      /^fail: the name no-such-name\.invalid leads nowhere: .*\((?:ENOTFOUND|EAI_AGAIN|ETIMEDOUT)\)$/,
    ],
    ['refusing', 'tcp', /^fail: no connection to 127\.0\.0\.1:\d+: nothing listens there \(ECONNREFUSED\)$/],
    ['dropping', 'tcp', /^fail: no connection to 127\.0\.0\.1:\d+: there was no answer in time \(ETIMEDOUT\)$/],
    [
      'expired',
      'tls',
      /^fail: TLS fails: its certificate has expired \(CERT_HAS_EXPIRED\); it is for IP Address:127\.0\.0\.1/,
    ],
    ['soon', 'tls', /^warn: .*, which expires at \S+Z \(in 4 days\)$/],
    ['named', 'tls', /^fail: TLS fails: its certificate is for another name .*; it is for DNS:other\.example\.com/],
    ['strange', 'tls', /^fail: TLS fails: its certificate is not signed by anybody who is trusted/],
    ['plain', 'tls', /^fail: TLS fails: it does not speak TLS/],
    ['silent', 'discovery', /^fail: http:.*: there was no answer within 1500 ms$/],
    ['dripping', 'discovery', /^fail: http:.*: there was no answer within 1500 ms$/],
    ['redirecting', 'discovery', /^fail: .*answered with a redirect \(302\), which is not followed/],
    ['broken', 'discovery', /^fail: .*did not answer with JSON/],
    [
      'slash',
      'issuer',
      /^fail: the document says http:\/\/127\.0\.0\.1:(\d+)\/, and the configuration http:\/\/127\.0\.0\.1:\1$/,
    ],
    ['told', 'issuer', /^warn: the document says http:.*\/, and the configuration http:.*$/],
    ['keyless', 'keys', /^fail: /],
    ['ahead', 'clock', /^fail: its clock is \d\d s ahead of ours; `clockTolerance` bears 5 s$/],
    ['behind', 'clock', /^warn: its clock is \d\d s behind ours/],
    ['tolerated', 'clock', /^warn: its clock is \d\d s ahead of ours; `clockTolerance` bears 120 s$/],
    ['cached', 'clock', /^ok: /],
    ['written', 'keys', /^ok: keys one ES256$/],
    ['asking', 'asking', /^fail: .*ECONNREFUSED/],
    ['login', 'login', /^fail: .*ECONNREFUSED/],
  ])('%s: %s', (provider, check, seen) => expect(of(check, provider)).toMatch(seen))

  test('says of each step after one that failed that it was skipped, and why', () => {
    for (const [provider, failed] of [
      ['nameless', 'dns'],
      ['refusing', 'tcp'],
      ['expired', 'tls'],
    ] as const)
      for (const check of ['discovery', 'issuer', 'clock'])
        expect(of(check, provider)).toBe(`skipped: the server is not reached (${failed})`)
    expect(of('issuer', 'redirecting')).toBe('skipped: there is no document to compare with')
  })

  test('is not gone where the keys stand in a file', () => {
    expect(found.all.filter(({ subject }) => subject === 'provider written').map(({ check }) => check)).toEqual([
      'keys',
    ])
  })

  test('has a remedy and a link wherever something is not well', () => {
    const isTold = ({ outcome, remedy, link }: Finding) =>
      outcome === 'ok' || outcome === 'skipped' ? remedy === undefined : remedy !== undefined && link !== undefined
    expect(found.all.filter(each => !isTold(each))).toEqual([])
  })
})

describe('the proxy', () => {
  const TARGET = 'keys.proxied.test:80'

  async function proxied(rest: {
    readonly egress?: object
    readonly env?: Record<string, string>
    readonly issuer: string
    readonly stepMs?: number
  }) {
    const provider = {
      type: 'jwt',
      issuer: rest.issuer,
      audiences: ['a'],
      keys: { allowInsecureHttp: true, timeout: '10s' },
    }
    return examine({
      network: 'online',
      stepMs: rest.stepMs,
      env: rest.env ?? {},
      config: { providers: { main: provider }, ...(rest.egress && { egress: rest.egress }) },
    })
  }

  test('leads to the server, or not, and says so', async () => {
    const origin = await issuer({ issuer: () => 'http://keys.proxied.test' })
    const proxy = await startForwardProxy({ hosts: { [TARGET]: Number(new URL(origin).port) } })
    const led = await proxied({ issuer: 'http://keys.proxied.test', egress: { proxy: proxy.url } })
    expect(led.of('proxy')).toEqual([`ok: ${proxy.url} leads to keys.proxied.test`])
    expect(led.of('issuer')).toEqual(['ok: the document says http://keys.proxied.test, byte for byte'])
    const lost = await proxied({ issuer: 'http://other.proxied.test', egress: { proxy: proxy.url } })
    expect(lost.of('proxy').join()).toMatch(/^fail: the proxy .* cannot reach other\.proxied\.test:80 \(502\)/)
  })

  test('of the environment is named when only that leads there', async () => {
    const origin = await issuer()
    const proxy = await startForwardProxy({ hosts: { [TARGET]: Number(new URL(origin).port) } })
    const issuerUrl = 'http://keys.proxied.test'
    const named = await proxied({ issuer: issuerUrl, env: { HTTP_PROXY: proxy.url } })
    expect(named.of('proxy')).toEqual(['warn: the proxy of HTTP_PROXY leads there'])
    const secret = await proxied({ issuer: issuerUrl, env: { http_proxy: 'http://user:hunter2@127.0.0.1:1' } })
    expect(secret.of('proxy')).toEqual(['warn: the proxy of http_proxy is not used by the gateway'])
    expect(JSON.stringify(secret.all)).not.toContain('hunter2')
  })

  test('that says nothing is given up', async () => {
    const silent = await startForwardProxy({ answer: () => {} })
    const { of: seen } = await proxied({
      issuer: 'http://keys.proxied.test',
      egress: { proxy: silent.url },
      stepMs: 300,
    })
    expect(seen('proxy').join()).toMatch(/^fail: http:.*: there was no answer in time \(ETIMEDOUT\)$/)
  })
})

test('a server that answers about tokens is well', async () => {
  const endpoint = await startIntrospectionEndpoint()
  const client = { id: 'g', auth: 'basic', secretFile: 'secret' }
  const { of: seen } = await examine({
    network: 'online',
    config: {
      providers: {
        main: {
          type: 'introspection',
          issuer: endpoint.issuer,
          audiences: ['a'],
          client,
          tokens: { prefixes: ['a_'] },
        },
      },
    },
  })
  expect(seen('asking').join()).toMatch(/^ok: answers at /)
  expect(seen('issuer').join()).toMatch(/^ok: /)
})

test('a configuration without providers has none to go to', async () => {
  const { of: seen } = await examine({ network: 'online', config: {} })
  expect(seen('provider')).toEqual(['skipped: the configuration has no provider'])
})
