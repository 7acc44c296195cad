/** Headers that name a certificate, byte by byte: whom the gateway believes, what it refuses, what the service sees. */
import { createHash, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { testAuthority } from '../support/certificates.ts'
import { startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const authority = testAuthority()
const { raw } = new X509Certificate(authority.selfSigned('client').cert)
const digest = createHash('sha256').update(raw)
const hash = digest.copy().digest('hex')
const thumbprint = digest.digest('base64url')
const ITEM = `:${raw.toString('base64')}:`
const PEM = encodeURIComponent(`-----BEGIN CERTIFICATE-----\n${raw.toString('base64')}\n-----END CERTIFICATE-----\n`)

const TRUSTED = ['127.0.0.1']
const STRANGERS = ['10.0.0.0/8']

let issuer: TestIssuer
let service: TestUpstream
let token: string
beforeAll(async () => {
  issuer = await startTestIssuer()
  service = await startTestUpstream()
  token = await issuer.mint({ cnf: { 'x5t#S256': thumbprint } })
})
afterAll(async () => {
  await Promise.all([issuer.close(), service.close()])
  authority.remove()
})

/** @param clientCertificate undefined leaves the section out */
async function started(trustedProxies: readonly string[], clientCertificate?: object): Promise<TestGateway> {
  const gateway = await startTestGateway({
    listen: { address: '127.0.0.1:0', trustedProxies },
    providers: { main: testProvider(issuer) },
    upstreams: { app: service.url },
    ...(clientCertificate && { clientCertificate: { from: 'header', ...clientCertificate } }),
    routes: [
      { id: 'bound', path: '/bound' },
      { id: 'public', path: '/public', access: 'public' },
      { id: 'passing', path: '/passing', access: 'public', passAuthorization: true },
    ],
  })
  atEnd(gateway.close)
  return gateway
}

/** Returns the status, the code of a refusal, and the names that the service saw. */
async function ask(gateway: TestGateway, target: string, lines: readonly string[]) {
  const before = service.seen.length
  const authorization = target === '/bound' ? [`Authorization: Bearer ${token}`] : []
  const head = [`GET ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...authorization, ...lines]
  const text = await gateway.raw(`${head.join('\r\n')}\r\n\r\n`)
  const seen = service.seen[before]?.rawHeaders ?? []
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
    code: /"code":"(\w+)"/.exec(text)?.[1],
    seen: seen.filter((_, index) => index % 2 === 0 && /cert/i.test(seen[index] ?? '')),
  }
}

const PASSED = { status: 200, code: undefined, seen: [] }
const REQUIRED = { status: 401, code: 'proof_required', seen: [] }
const MALFORMED = { status: 400, code: 'request_malformed', seen: [] }

const FORMATS = [
  ['Client-Cert', {}, ITEM],
  ['X-Forwarded-Client-Cert', { header: 'X-Forwarded-Client-Cert' }, `Hash=${hash}`],
  ['X-SSL-Cert', { header: { name: 'X-SSL-Cert', format: 'pem' } }, PEM],
] as const

/** Writes a name as lax servers read it, too. */
function aliasesOf(name: string): readonly string[] {
  return ['_', '.', '~', '!'].flatMap(each => [name.replaceAll('-', each), name.replace('-', each).toUpperCase()])
}

describe.each(FORMATS)('%s', (name, block, value) => {
  test('of a trusted proxy proves a binding, in either case, and does not reach the service', async () => {
    const gateway = await started(TRUSTED, block)
    for (const each of [name, name.toLowerCase(), name.toUpperCase()])
      expect(await ask(gateway, '/bound', [`${each}: ${value}`])).toEqual(PASSED)
    expect(await ask(gateway, '/bound', [])).toEqual(REQUIRED)
  })

  test('of anybody else proves nothing, and does not reach the service either', async () => {
    const gateway = await started(STRANGERS, block)
    for (const each of [name, ...aliasesOf(name)]) {
      expect(await ask(gateway, '/bound', [`${each}: ${value}`])).toEqual(REQUIRED)
      expect(await ask(gateway, '/public', [`${each}: ${value}`])).toEqual(PASSED)
    }
    expect(await ask(gateway, '/public', [`${name}: nonsense`, `${name}: ${value}`])).toEqual(PASSED)
  })

  test('in other spellings proves nothing, is no second line, and does not reach the service', async () => {
    const gateway = await started(TRUSTED, block)
    for (const each of aliasesOf(name)) {
      expect(await ask(gateway, '/bound', [`${each}: ${value}`])).toEqual(REQUIRED)
      expect(await ask(gateway, '/bound', [`${each}: other`, `${name}: ${value}`, `${each}: other`])).toEqual(PASSED)
      expect(await ask(gateway, '/passing', [`${each}: ${value}`])).toEqual(PASSED)
    }
  })

  test('in two lines is refused, whatever is asked for', async () => {
    const gateway = await started(TRUSTED, block)
    for (const target of ['/bound', '/public', '/passing', '/no-route'])
      expect(await ask(gateway, target, [`${name}: ${value}`, `${name.toLowerCase()}: ${value}`])).toEqual(MALFORMED)
  })

  test('that is malformed is refused, whatever is asked for, and is not in the log', async () => {
    const gateway = await started(TRUSTED, block)
    for (const target of ['/bound', '/public', '/passing'])
      expect(await ask(gateway, target, [`${name}: marked-${value}-`])).toEqual(MALFORMED)
    await gateway.logged({ code: 'request_malformed', path: '/passing' })
    expect(gateway.logText()).not.toContain('marked')
    expect(gateway.logText()).not.toContain(value.slice(10, 40))
  })

  test('reaches the service with forward, from a trusted proxy and in its own spelling', async () => {
    const forwarding = await started(TRUSTED, { ...block, forward: true })
    expect(await ask(forwarding, '/bound', [`${name}: ${value}`])).toEqual({ ...PASSED, seen: [name] })
    for (const each of aliasesOf(name)) expect(await ask(forwarding, '/public', [`${each}: ${value}`])).toEqual(PASSED)
    const wary = await started(STRANGERS, { ...block, forward: true })
    expect(await ask(wary, '/public', [`${name}: ${value}`])).toEqual(PASSED)
  })
})

test('the chain goes along with its certificate, and never alone', async () => {
  const chain = [`Client-Cert-Chain: ${ITEM}`, `Client_Cert_Chain: ${ITEM}`]
  const forwarding = await started(TRUSTED, { forward: true })
  expect((await ask(forwarding, '/public', [...chain, `Client-Cert: ${ITEM}`])).seen).toEqual([
    'Client-Cert-Chain',
    'Client-Cert',
  ])
  const other = await started(TRUSTED, { header: 'X-Forwarded-Client-Cert', forward: true })
  expect((await ask(other, '/public', chain)).seen).toEqual([])
})

test.each(['Client-Cert', 'Client-Cert-Chain', 'X-Forwarded-Client-Cert'])(
  '%s reaches no service where nothing is said of certificates, in no spelling, from nobody',
  async name => {
    for (const gateway of [await started(TRUSTED), await started(STRANGERS)])
      for (const target of ['/public', '/passing'])
        for (const each of [name, ...aliasesOf(name)])
          expect(await ask(gateway, target, [`${each}: ${ITEM}`])).toEqual(PASSED)
  },
)

test('a WebSocket handshake proves the binding of its token in the same way', async () => {
  const gateway = await started(TRUSTED, {})
  const handshake = (lines: readonly string[]) =>
    [
      ...['GET /bound HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
      ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', `Authorization: Bearer ${token}`, ...lines, '', ''],
    ].join('\r\n')
  expect(await gateway.raw(handshake([]), /\}$/)).toContain('proof_required')
  // The service does not switch protocols, and its own answer says that the handshake has reached it.
  expect(await gateway.raw(handshake([`Client-Cert: ${ITEM}`]), /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 200 /)
})
