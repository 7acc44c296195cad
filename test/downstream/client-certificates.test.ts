/** A token that is bound to a certificate is good on the connections of whoever has shown that certificate. */
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type SecureVersion, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { atEnd } from '../support/at-end.ts'
import { type Certificate, testAuthority } from '../support/certificates.ts'
import { http2Client } from '../support/clients/http2-client.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const authority = testAuthority()
const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost', 'DNS:other.localhost'])
const signed = authority.issue('signed', ['DNS:client'])
const signedToo = authority.issue('signed-too', ['DNS:client'])
const selfSigned = authority.selfSigned('self-signed')
const otherAuthority = testAuthority()
const foreign = otherAuthority.issue('foreign', ['DNS:client'])

let issuer: TestIssuer
let service: TestUpstream
beforeAll(async () => {
  issuer = await startTestIssuer()
  service = await startTestUpstream()
})
afterAll(async () => {
  await Promise.all([issuer.close(), service.close()])
  authority.remove()
  otherAuthority.remove()
})

type Mode = 'required' | 'optional' | 'any'

async function started(tls: Record<string, unknown>, config: Record<string, unknown> = {}): Promise<TestGateway> {
  const gateway = await startTestGateway({
    listen: { address: '127.0.0.1:0', tls: { certFile, keyFile, ...tls } },
    providers: { main: testProvider(issuer) },
    upstreams: { app: service.url },
    routes: [{ id: 'all', path: '/**' }],
    ...config,
  })
  atEnd(gateway.close)
  return gateway
}

function tokenFor({ cert }: Certificate): Promise<string> {
  const thumbprint = createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url')
  return issuer.mint({ cnf: { 'x5t#S256': thumbprint } })
}

async function connection({ url }: TestGateway, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: 'localhost', port: Number(new URL(url).port), ca: authority.cert, ...options })
  atEnd(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** Sends one request and returns the status and, of a refusal, its code. */
async function answer(socket: TLSSocket, token: string): Promise<string> {
  const client = rawClient(socket)
  client.write(`GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  const text = await client.until(/\r\n\r\n[\s\S]*\}/)
  return [/^HTTP\/1\.1 (\d+)/.exec(text)?.[1], /"code":"(\w+)"/.exec(text)?.[1]].filter(each => each).join(' ')
}

const shown = (certificate?: Certificate): ConnectionOptions =>
  certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }

describe.each<[Mode, boolean, ReadonlyArray<[string, Certificate | undefined, string]>]>([
  [
    'optional',
    true,
    [
      ['signed', signed, '200'],
      ['of its own making', selfSigned, '401 proof_required'],
    ],
  ],
  [
    'optional',
    false,
    [
      ['signed', signed, '200'],
      ['of its own making', selfSigned, '200'],
    ],
  ],
  [
    'any',
    false,
    [
      ['signed', signed, '200'],
      ['of its own making', selfSigned, '200'],
      ['of strangers', foreign, '200'],
    ],
  ],
])('clientCertificate: %s, with clientCaFile: %s', (clientCertificate, hasCa, cases) => {
  const tls = { clientCertificate, ...(hasCa && { clientCaFile: authority.certFile }) }

  test.each(cases)('a certificate that is %s', async (_which, certificate, expected) => {
    const gateway = await started(tls)
    const own = await tokenFor(certificate ?? signed)
    expect(await answer(await connection(gateway, shown(certificate)), own)).toBe(expected)
  })

  test('a bound token is refused without its certificate, and one that is bound to nothing is not', async () => {
    const gateway = await started(tls)
    const token = await tokenFor(signed)
    expect(await answer(await connection(gateway), token)).toBe('401 proof_required')
    expect(await answer(await connection(gateway, shown(signedToo)), token)).toBe('401 proof_mismatch')
    expect(await answer(await connection(gateway), await issuer.mint())).toBe('200')
  })
})

test('clientCaFile alone lets nobody in without a certificate that it signed, and binds tokens to that', async () => {
  const gateway = await started({ clientCaFile: authority.certFile })
  expect(await answer(await connection(gateway, shown(signed)), await tokenFor(signed))).toBe('200')
  expect(await answer(await connection(gateway, shown(signedToo)), await tokenFor(signed))).toBe('401 proof_mismatch')
  const token = await tokenFor(selfSigned)
  await expect(answer(await connection(gateway, shown(selfSigned)), token)).rejects.toThrow('closed')
})

test('where no certificate is asked for, a bound token is refused', async () => {
  const gateway = await started({})
  expect(await answer(await connection(gateway, shown(signed)), await tokenFor(signed))).toBe('401 proof_required')
})

test('what is counted says how tokens were bound, and what became of them', async () => {
  const gateway = await started({ clientCertificate: 'any' })
  const token = await tokenFor(signed)
  for (const certificate of [signed, signed, selfSigned, undefined])
    await answer(await connection(gateway, shown(certificate)), token)
  const metrics = await gateway.metrics()
  const count = (result: string) =>
    metrics.get(`sallyport_proofs_total{provider="main",kind="certificate",result="${result}"}`)
  expect([count('valid'), count('mismatch'), count('required')]).toEqual([2, 1, 1])
})

test('require.proof: certificate refuses a token that is bound to nothing', async () => {
  const routes = [{ id: 'all', path: '/**', require: { proof: 'certificate' } }]
  const gateway = await started({ clientCertificate: 'any' }, { routes })
  expect(await answer(await connection(gateway, shown(signed)), await tokenFor(signed))).toBe('200')
  expect(await answer(await connection(gateway, shown(signed)), await issuer.mint())).toBe('401 proof_required')
})

test('a thumbprint in hexadecimal is refused, and the log says so', async () => {
  const gateway = await started({ clientCertificate: 'any' })
  const hex = createHash('sha256').update(new X509Certificate(signed.cert).raw).digest('hex')
  const token = await issuer.mint({ cnf: { 'x5t#S256': hex } })
  expect(await answer(await connection(gateway, shown(signed)), token)).toBe('401 proof_mismatch')
  expect(JSON.stringify(await gateway.logged({ code: 'proof_mismatch' }))).toContain('hexadecimal')
})

describe('a header that names a certificate', () => {
  test('means nothing where certificates come from connections, also from a trusted proxy', async () => {
    const listen = {
      address: '127.0.0.1:0',
      tls: { certFile, keyFile, clientCertificate: 'any' },
      trustedProxies: ['127.0.0.1'],
    }
    const gateway = await started({}, { listen })
    const { raw } = new X509Certificate(signed.cert)
    const client = rawClient(await connection(gateway))
    client.write(
      `GET /x HTTP/1.1\r\nHost: a\r\nClient-Cert: :${raw.toString('base64')}:\r\nAuthorization: Bearer ${await tokenFor(signed)}\r\n\r\n`,
    )
    expect(await client.until(/\}$/)).toContain('proof_required')
  })

  test('is the only source where it is one: the certificate of the connection is the proxy’s', async () => {
    const listen = {
      address: '127.0.0.1:0',
      tls: { certFile, keyFile, clientCaFile: authority.certFile },
      trustedProxies: ['127.0.0.1'],
    }
    const gateway = await started({}, { listen, clientCertificate: { from: 'header' } })
    const proxy = await connection(gateway, shown(signed))
    expect(await answer(proxy, await tokenFor(signed))).toBe('401 proof_required')
  })
})

describe.each<[SecureVersion]>([['TLSv1.2'], ['TLSv1.3']])('%s', version => {
  const versions = { minVersion: version, maxVersion: version }

  /** Connects, is answered, and returns the session that the next connection can resume. */
  async function sessionOf(gateway: TestGateway, certificate: Certificate, token: string) {
    const socket = await connection(gateway, { ...shown(certificate), ...versions })
    const offered = version === 'TLSv1.3' ? once(socket, 'session') : Promise.resolve([socket.getSession()])
    const status = await answer(socket, token)
    const [session] = (await offered) as [Buffer]
    return { status, session }
  }

  test.each([
    ['signed', signed, { clientCertificate: 'optional', clientCaFile: authority.certFile }],
    ['signed', signed, { clientCaFile: authority.certFile }],
    ['of its own making', selfSigned, { clientCertificate: 'any' }],
    ['of its own making', selfSigned, { clientCertificate: 'optional' }],
  ])('a resumed session keeps a certificate that is %s, with %j', async (_which, certificate, tls) => {
    const gateway = await started(tls)
    const token = await tokenFor(certificate)
    const { status, session } = await sessionOf(gateway, certificate, token)
    // The client has no certificate any more, so only the session can bring it.
    const again = await connection(gateway, { ...versions, session })
    expect([status, again.isSessionReused(), await answer(again, token)]).toEqual(['200', true, '200'])
    const other = await connection(gateway, { ...versions, session })
    expect(await answer(other, await tokenFor(signedToo))).toBe('401 proof_mismatch')
  })

  test('a resumed session does not make a certificate count that did not', async () => {
    const gateway = await started({ clientCertificate: 'optional', clientCaFile: authority.certFile })
    const token = await tokenFor(selfSigned)
    const { status, session } = await sessionOf(gateway, selfSigned, token)
    const again = await connection(gateway, { ...versions, session })
    expect([status, again.isSessionReused(), await answer(again, token)]).toEqual([
      '401 proof_required',
      true,
      '401 proof_required',
    ])
  })

  test('no session outlives the authority that its certificate was judged by', async () => {
    const caFile = join(authority.certFile, '..', `clients-${version}.pem`)
    copyFileSync(authority.certFile, caFile)
    const gateway = await started({ clientCertificate: 'optional', clientCaFile: caFile })
    const token = await tokenFor(signed)
    const { status, session } = await sessionOf(gateway, signed, token)
    copyFileSync(otherAuthority.certFile, caFile)
    await gateway.running.reload()
    const again = await connection(gateway, { ...shown(signed), ...versions, session })
    expect([status, again.isSessionReused(), await answer(again, token)]).toEqual(['200', false, '401 proof_required'])
    expect(await answer(await connection(gateway, { ...shown(foreign), ...versions }), await tokenFor(foreign))).toBe(
      '200',
    )
  })
})

describe('renegotiation', () => {
  const tls12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const

  test.each([
    ['where certificates are asked for', { clientCertificate: 'any' }],
    ['where none is asked for', {}],
  ])('is refused %s', async (_where, tls) => {
    const socket = await connection(await started(tls), { ...shown(signed), ...tls12 })
    const refused = Promise.withResolvers<string>()
    socket.on('error', error => refused.resolve(String(error)))
    socket.renegotiate({}, error => refused.resolve(String(error)))
    expect(await refused.promise).toMatch(/no.renegotiation/i)
  })
})

test('a reload changes where certificates come from, on connections that are open, too', async () => {
  const config = {
    listen: {
      address: '127.0.0.1:0',
      tls: { certFile, keyFile, clientCaFile: authority.certFile },
      trustedProxies: ['127.0.0.1'],
    },
    admin: { listen: '127.0.0.1:0' },
    providers: { main: testProvider(issuer) },
    upstreams: { app: service.url },
    routes: [{ id: 'all', path: '/**' }],
  }
  const gateway = await started({}, config)
  const token = await tokenFor(signed)
  const client = rawClient(await connection(gateway, shown(signed)))
  const ask = async (nth: number) => {
    client.write(`GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    const text = await client.until(new RegExp(`(?:HTTP/1\\.1 [\\s\\S]*?\\}[\\s\\S]*?){${nth}}$`))
    return [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].at(-1)?.[1]
  }
  expect(await ask(1)).toBe('200')
  gateway.write('sallyport.yaml', stringify({ ...config, clientCertificate: { from: 'header' } }))
  await gateway.running.reload()
  expect(await ask(2)).toBe('401')
  gateway.write('sallyport.yaml', stringify(config))
  await gateway.running.reload()
  expect(await ask(3)).toBe('200')
})

test('what is asked of clients cannot be changed by a reload', async () => {
  const tls = { certFile, keyFile, clientCertificate: 'any' }
  const config = {
    listen: { address: '127.0.0.1:0', tls },
    admin: { listen: '127.0.0.1:0' },
    upstreams: { app: service.url },
  }
  const routes = [{ id: 'all', path: '/**', access: 'public' }]
  const gateway = await started({}, { ...config, routes })
  const listen = { ...config.listen, tls: { ...tls, clientCertificate: 'optional' } }
  gateway.write('sallyport.yaml', stringify({ ...config, listen, routes }))
  await gateway.running.reload()
  expect(gateway.logText()).toContain('needs a restart')
})

describe('HTTP/2', () => {
  test('every request of a connection has its certificate, whichever host it asks for', async () => {
    const gateway = await started({ clientCertificate: 'any' })
    const ask = async (client: ReturnType<typeof http2Client>, host: string, of: Certificate) => {
      const lines = ['authorization', `Bearer ${await tokenFor(of)}`]
      const { status, body } = await client.request('/x', { authority: host, lines })
      return status === 200 ? status : JSON.parse(body).code
    }
    const mine = http2Client(gateway.url, authority.cert, shown(signed))
    const other = http2Client(gateway.url, authority.cert, shown(selfSigned))
    const none = http2Client(gateway.url, authority.cert)
    for (const client of [mine, other, none]) atEnd(client.destroy)
    for (const host of ['localhost', 'other.localhost', 'a.example'])
      expect([
        await ask(mine, host, signed),
        await ask(mine, host, selfSigned),
        await ask(other, host, selfSigned),
        await ask(other, host, signed),
        await ask(none, host, signed),
      ]).toEqual([200, 'proof_mismatch', 200, 'proof_mismatch', 'proof_required'])
  })
})
