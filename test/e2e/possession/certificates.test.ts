/** Tokens that oidc-provider has bound to certificates, through real TLS terminators and without any. */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import type { KeyPair } from 'dpop'
import { clientCredentialsGrant, getDPoPHandle, randomDPoPKeyPair } from 'openid-client'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { type Certificate, testAuthority } from '../../support/certificates.ts'
import { boundClient, certificateAgent, proofClient } from '../../support/clients/bound-client.ts'
import { rawClient } from '../../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { type BoundIssuer, startBoundIssuer } from '../../support/services/bound-issuer.ts'
import { startTerminator, type Terminator, type TerminatorOptions } from '../../support/services/terminator.ts'
import {
  TERMINATOR_KINDS,
  type TerminatorKind,
  WITHOUT_TERMINATORS,
} from '../../support/services/terminator-programs.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'

const authority = testAuthority()
const server = authority.issue('server', ['DNS:localhost'])
const other = authority.issue('other', ['DNS:client.example.com'])

let issuer: BoundIssuer
let service: TestUpstream
beforeAll(async () => {
  issuer = await startBoundIssuer(authority)
  service = await startTestUpstream()
})
afterAll(async () => {
  await issuer.close()
  await service.close()
  expect(issuer.errors).toEqual([])
  authority.remove()
})

const scope = 'orders:read'

/** The token of a machine that proves by its certificate who it is. */
async function tokenOf(name: 'tlsMachine' | 'selfSignedMachine'): Promise<string> {
  return (await clientCredentialsGrant(await boundClient(issuer, name), { scope })).access_token
}

function gatewayWith(config: Record<string, unknown>): Promise<TestGateway> {
  return startTestGateway({
    providers: { main: issuer.provider },
    upstreams: { app: service.url },
    routes: [{ id: 'orders', path: '/orders/**', require: { scopes: [scope] } }],
    ...config,
  })
}

type Lines = Readonly<Record<string, string>>

/** Sends a request with a token and a certificate, and gives the status with the code of a refusal. */
async function answer(url: string, token: string, certificate?: Certificate, lines: Lines = {}): Promise<string> {
  const agent = certificateAgent(authority, certificate)
  try {
    const headers = { authorization: `Bearer ${token}`, ...lines }
    const { statusCode, body } = await request(url, { dispatcher: agent, headers })
    return outcome(statusCode, await body.text())
  } finally {
    await agent.destroy()
  }
}

function outcome(status: number, body: string): string {
  const code: unknown = status === 200 ? undefined : JSON.parse(body).code
  return typeof code === 'string' ? `${status} ${code}` : String(status)
}

const SECTIONS: Readonly<Record<TerminatorKind, object>> = {
  nginx: { from: 'header', header: { name: 'X-Client-Cert', format: 'pem' } },
  haproxy: { from: 'header' },
  envoy: { from: 'header', header: 'X-Forwarded-Client-Cert' },
}

describe.skipIf(WITHOUT_TERMINATORS).for(TERMINATOR_KINDS)('behind %s', kind => {
  let gateway: TestGateway
  let terminator: Terminator
  let orders: string
  beforeAll(async () => {
    const listen = { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] }
    gateway = await gatewayWith({ listen, clientCertificate: SECTIONS[kind] })
    terminator = await startTerminator(kind, { server, to: gateway.url, prefix: '/shop' })
    orders = `${terminator.url}/orders/7`
  })
  afterAll(async () => {
    await terminator.stop()
    await gateway.close()
  })

  test('a token is good with its certificate, signed by an authority or by itself', async () => {
    const { signed, selfSigned } = issuer.certificates
    const [ofSigned, ofSelfSigned] = [await tokenOf('tlsMachine'), await tokenOf('selfSignedMachine')]
    expect(await answer(orders, ofSigned, signed)).toBe('200')
    expect(await answer(orders, ofSelfSigned, selfSigned)).toBe('200')
    expect(await answer(orders, ofSigned, selfSigned)).toBe('401 proof_mismatch')
    expect(await answer(orders, ofSigned, other)).toBe('401 proof_mismatch')
    expect(await answer(orders, ofSigned)).toBe('401 proof_required')
  })

  test('the service hears of the caller, and of no certificate', async () => {
    await answer(orders, await tokenOf('tlsMachine'), issuer.certificates.signed)
    const { headers } = service.seen.at(-1) ?? {}
    expect(headers).toMatchObject({ 'x-auth-subject': 'tls-machine' })
    expect(Object.keys(headers ?? {}).filter(name => /cert/.test(name))).toEqual([])
  })

  test('a client cannot name a certificate itself, in whatever spelling', async () => {
    const token = await tokenOf('tlsMachine')
    // This is what the terminator really writes for the certificate that the token is bound to.
    const listener = await startTestUpstream()
    atEnd(listener.close)
    const spy = await startTerminator(kind, { server, to: listener.url })
    atEnd(spy.stop)
    const agent = certificateAgent(authority, issuer.certificates.signed)
    atEnd(() => agent.destroy())
    await (await request(`${spy.url}/`, { dispatcher: agent })).body.dump()
    const value = String(listener.seen[0]?.headers[terminator.header])
    expect(value.length).toBeGreaterThan(300)

    const spellings = [terminator.header, terminator.header.toUpperCase()]
    const aliases = ['_', '.', '~'].map(each => terminator.header.replaceAll('-', each))
    for (const name of [...spellings, ...aliases, 'client-cert', 'x-client-cert', 'x-forwarded-client-cert']) {
      expect([name, await answer(orders, token, undefined, { [name]: value })]).toEqual([name, '401 proof_required'])
      expect([name, await answer(orders, token, other, { [name]: value })]).toEqual([name, '401 proof_mismatch'])
    }
  })

  test.for(['TLSv1.2', 'TLSv1.3'] as const)('a session that is resumed keeps its certificate, %s', async version => {
    const versions = { minVersion: version, maxVersion: version }
    const token = await tokenOf('tlsMachine')
    const ask = async (options: object) => {
      const socket = connect({ port: terminator.port, host: 'localhost', ca: authority.cert, ...versions, ...options })
      atEnd(() => socket.destroy())
      let session: Buffer | undefined
      socket.on('session', (ticket: Buffer) => {
        session = ticket
      })
      await once(socket, 'secureConnect')
      const client = rawClient(socket)
      client.write(`GET /shop/orders/7 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`)
      const status = /^HTTP\/1\.1 (\d+)/.exec(await client.until(/\r\n\r\n[\s\S]*\}/))?.[1]
      return { status, isReused: socket.isSessionReused(), session: session ?? socket.getSession() }
    }
    const { cert, key } = issuer.certificates.signed
    const { session, ...first } = await ask({ cert, key })
    expect(first).toEqual({ status: '200', isReused: false })
    expect(await ask({ session })).toMatchObject({ status: '200', isReused: true })
  })

  test('every request of an HTTP/2 connection has its certificate, whichever host it asks for', async () => {
    const { cert, key } = issuer.certificates.signed
    const session = connectHttp2(terminator.url, { ca: authority.cert, cert, key })
    atEnd(() => session.destroy())
    const [mine, others] = [await tokenOf('tlsMachine'), await tokenOf('selfSignedMachine')]
    const ask = async (host: string, token: string) => {
      const path = new URL(orders).pathname
      const stream = session.request({ ':path': path, ':authority': host, authorization: `Bearer ${token}` })
      const [head] = (await once(stream, 'response')) as [Record<string, unknown>]
      return outcome(Number(head[':status']), await text(stream))
    }
    for (const host of ['localhost', 'other.example.com'])
      expect([await ask(host, mine), await ask(host, others)]).toEqual(['200', '401 proof_mismatch'])
  })
})

describe.skipIf(WITHOUT_TERMINATORS)('Attack: a client of Envoy names the certificate of its victim', () => {
  let token: string
  let victim: string
  const started = async (options: Pick<TerminatorOptions, 'envoyDetails' | 'envoyForwarding'>) => {
    const listen = { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] }
    const gateway = await gatewayWith({ listen, clientCertificate: SECTIONS.envoy })
    atEnd(gateway.close)
    const terminator = await startTerminator('envoy', { server, to: gateway.url, ...options })
    atEnd(terminator.stop)
    return `${terminator.url}/orders/7`
  }
  beforeAll(async () => {
    token = await tokenOf('tlsMachine')
    victim = new X509Certificate(issuer.certificates.signed.cert).fingerprint256.replaceAll(':', '').toLowerCase()
  })

  test('in an alternative name, as an element or as a pair of its own', async () => {
    const url = await started({ envoyDetails: ['subject', 'uri', 'dns'] })
    for (const type of ['URI', 'DNS'])
      for (const name of [
        `a,Hash=${victim}`,
        `a;Hash=${victim}`,
        `a,By=b;Hash=${victim};URI=c`,
        `a,By=b,Hash=${victim}`,
        `"a",Hash=${victim}`,
        `"a";Hash=${victim}`,
      ]) {
        const forger = authority.selfSigned('forger', [`${type}:${name}`])
        expect([name, await answer(url, token, forger)]).toEqual([name, '400 request_malformed'])
      }
    expect(await answer(url, token, issuer.certificates.signed)).toBe('200')
  })

  test('in a subject, with quotes and backslashes', async () => {
    const url = await started({ envoyDetails: ['subject'] })
    for (const subject of [`a",Hash=${victim.slice(0, 40)}`, `a\\\\",Hash=b`, 'a\\\\']) {
      const forger = authority.issue(subject, ['DNS:client.example.com'])
      expect([subject, await answer(url, token, forger)]).toEqual([subject, '401 proof_mismatch'])
    }
  })

  test('in a header of its own, in front of what Envoy appends', async () => {
    const url = await started({ envoyForwarding: 'APPEND_FORWARD', envoyDetails: ['subject'] })
    const forged = (value: string, certificate = other) =>
      answer(url, token, certificate, { 'X-Forwarded-Client-Cert': value })
    expect(await forged(`Hash=${victim}`)).toBe('401 proof_mismatch')
    expect(await forged(`Hash=${victim}`, issuer.certificates.signed)).toBe('200')
    for (const open of [
      `Hash=${victim};Subject="`,
      `Hash=${victim};Subject="\\`,
      `Hash=${victim};Subject=`,
      `Hash=${victim};`,
    ])
      expect([open, (await forged(open)).slice(0, 3)]).not.toEqual([open, '200'])
  })

  test('in a name that closes the quotes of a header of its own', async () => {
    const url = await started({ envoyForwarding: 'APPEND_FORWARD', envoyDetails: ['uri'] })
    const forger = authority.selfSigned('forger', [`URI:y",Hash=${victim}`])
    for (const open of ['X="', `Hash=${victim};X="`])
      expect([open, await answer(url, token, forger, { 'X-Forwarded-Client-Cert': open })]).toEqual([
        open,
        '400 request_malformed',
      ])
  })
})

describe('on connections to the gateway itself', () => {
  const started = async (clientCertificate: 'optional' | 'any', config: Record<string, unknown> = {}) => {
    const { certFile, keyFile } = server
    const tls = { certFile, keyFile, clientCertificate }
    const ca = clientCertificate === 'optional' ? { clientCaFile: authority.certFile } : {}
    const gateway = await gatewayWith({ listen: { address: '127.0.0.1:0', tls: { ...tls, ...ca } }, ...config })
    atEnd(gateway.close)
    return gateway.url.replace('127.0.0.1', 'localhost')
  }

  test('a token is good with its certificate, whoever has signed it, where that is allowed', async () => {
    const { signed, selfSigned } = issuer.certificates
    const [ofSigned, ofSelfSigned] = [await tokenOf('tlsMachine'), await tokenOf('selfSignedMachine')]
    const any = `${await started('any')}/orders/7`
    expect(await answer(any, ofSigned, signed)).toBe('200')
    expect(await answer(any, ofSelfSigned, selfSigned)).toBe('200')
    expect(await answer(any, ofSelfSigned, signed)).toBe('401 proof_mismatch')
    const checked = `${await started('optional')}/orders/7`
    expect(await answer(checked, ofSigned, signed)).toBe('200')
    expect(await answer(checked, ofSelfSigned, selfSigned)).toBe('401 proof_required')
  })

  test('a token that is bound to a certificate and to a key needs both', async () => {
    const baseUrls = ['https://api.example.com']
    const url = await started('any', { dpop: { baseUrls } })
    const client = await boundClient(issuer, 'doublyBoundMachine', { certificate: other })
    const [keyPair, strange] = [await randomDPoPKeyPair('ES256'), await randomDPoPKeyPair('ES256')]
    const { access_token: token } = await clientCredentialsGrant(
      client,
      { scope },
      { DPoP: getDPoPHandle(client, keyPair) },
    )
    const ask = async (key: KeyPair, certificate?: Certificate) => {
      // The proof is for the public name, and the request goes to where the test has its gateway.
      const agent = certificateAgent(authority, certificate)
      const dispatcher = agent.compose(dispatch => (options, handler) => dispatch({ ...options, origin: url }, handler))
      const response = await proofClient(key, dispatcher as typeof agent).request(`${baseUrls[0]}/orders/7`, { token })
      const body = await response.text()
      await agent.destroy()
      return outcome(response.status, body)
    }
    expect(await ask(keyPair, other)).toBe('200')
    expect(await ask(keyPair)).toBe('401 proof_required')
    expect(await ask(keyPair, issuer.certificates.signed)).toBe('401 proof_mismatch')
    expect(await ask(strange, other)).toBe('401 proof_mismatch')
    expect(await answer(`${url}/orders/7`, token, other)).toBe('401 proof_required')
  })
})
