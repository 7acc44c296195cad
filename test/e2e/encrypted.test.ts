/**
 * Encrypted access tokens from end to end: oidc-provider encrypts them for the gateway, whose keys rotate, and an
 * attacker encrypts what he likes, since everybody has the public key (RFC 7519 §5.2, RFC 8725 §2.4 and §3.3).
 */
import { constants, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { decryptionKey } from '../../src/authenticate/encrypted/decryption-keys.ts'
import { base64url, encrypted, privateJwk, withHeader } from '../authenticate/encrypted/support.ts'
import { testAuthority } from '../support/certificates.ts'
import { accessTokenHash, dpopProof, proofSigner } from '../support/dpop-proof.ts'
import { bearer, startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { type OpaqueIssuer, RESOURCES, startOpaqueIssuer } from '../support/services/opaque-issuer.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

interface GatewayKey {
  readonly file: string
  readonly text: string
  readonly key: ReturnType<typeof decryptionKey>
}

function gatewayKey(type: 'P-256' | 'RSA', kid: string): GatewayKey {
  const text = privateJwk(type, { kid })
  return { file: `${kid}.jwk`, text, key: decryptionKey(Buffer.from(text)) }
}

const PUBLIC_URL = 'https://api.example.com'
const OLD = gatewayKey('P-256', 'enc-2026-05')
const NEW = gatewayKey('P-256', 'enc-2026-11')
const RSA = gatewayKey('RSA', 'enc-rsa')
const ALGORITHMS = { [OLD.file]: 'ECDH-ES', [NEW.file]: 'ECDH-ES+A256KW', [RSA.file]: 'RSA-OAEP-256' }

/** For which key oidc-provider encrypts, from now on. */
let sentTo: GatewayKey = OLD
const encryption = {
  enc: 'A256GCM',
  get alg() {
    return ALGORITHMS[sentTo.file] ?? ''
  },
  get kid() {
    return sentTo.key.kid
  },
  get key() {
    return createPublicKey(sentTo.key.key)
  },
}

const authority = testAuthority()
let oidc: OpaqueIssuer
let partner: TestIssuer
let upstream: TestUpstream
beforeAll(async () => {
  oidc = await startOpaqueIssuer(authority, { encryption })
  partner = await startTestIssuer()
  upstream = await startTestUpstream()
})
afterAll(async () => {
  await Promise.all([oidc.close(), partner.close(), upstream.close()])
  authority.remove()
  expect(oidc.errors).toEqual([])
})

function config(keys: readonly GatewayKey[]): Record<string, unknown> {
  const decryption = { keyFiles: keys.map(({ file }) => file) }
  return {
    listen: '127.0.0.1:0',
    admin: { listen: '127.0.0.1:0' },
    providers: {
      oidc: {
        type: 'jwt',
        issuer: oidc.issuer,
        audiences: [RESOURCES.encrypted, RESOURCES.jwt],
        keys: { jwksUri: oidc.jwksUri, caFile: authority.certFile },
        decryption,
      },
      partner: testProvider(partner),
      bound: { ...testProvider(partner), decryption },
    },
    upstreams: { app: upstream.url },
    dpop: { baseUrls: [PUBLIC_URL] },
    routes: [
      { id: 'bound', path: '/bound/**', providers: ['bound'] },
      {
        id: 'orders',
        path: '/orders/**',
        providers: ['oidc', 'partner'],
        require: { scopes: ['orders:read'] },
      },
      { id: 'partner', path: '/partner/**', providers: ['oidc', 'partner'] },
    ],
  }
}

let gateway: TestGateway
beforeEach(async () => {
  sentTo = OLD
  const files = Object.fromEntries([OLD, NEW, RSA].map(({ file, text }) => [file, text]))
  gateway = await startTestGateway(config([OLD, RSA]), { files })
})
afterEach(() => gateway.close())

const oidcToken = (scope = 'orders:read') => oidc.token({ resource: 'encrypted', scope })

async function outcome(token: string, path = '/orders/7'): Promise<string> {
  const { status, json } = await gateway.request(path, { headers: bearer(token) })
  return status === 200 ? '200' : `${status} ${String(json().code)}`
}

async function decryptions(): Promise<Record<string, number>> {
  const all = [...(await gateway.metrics())].flatMap(([name, value]) => {
    const [, provider, result] = /^sallyport_decryptions_total\{provider="(\w+)",result="(\w+)"\}$/.exec(name) ?? []
    return provider === undefined || value === 0 ? [] : [[`${provider} ${result}`, value] as const]
  })
  return Object.fromEntries(all)
}

async function reload(keys: readonly GatewayKey[]): Promise<void> {
  gateway.write('sallyport.yaml', stringify(config(keys), { aliasDuplicateObjects: false }))
  await gateway.running.reload()
}

describe('an encrypted token of oidc-provider', () => {
  test.each([
    ['ECDH-ES', OLD],
    ['RSA-OAEP-256', RSA],
  ])('is let in with its claims as headers, and stays here: %s', async (alg, key) => {
    sentTo = key
    const token = await oidcToken('orders:read orders:write')
    expect(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())).toMatchObject({ alg })
    const from = upstream.bytes().length
    const reply = await gateway.request('/orders/7', { headers: bearer(token) })
    expect(reply.status).toBe(200)
    expect(reply.json().headers).toMatchObject({
      'x-auth-issuer': oidc.issuer,
      'x-auth-subject': oidc.tokenClientId,
      'x-auth-client': oidc.tokenClientId,
      'x-auth-scope': 'orders:read orders:write',
    })
    expect(upstream.bytes().subarray(from).toString()).not.toMatch(/eyJ/)
    expect(gateway.logText()).not.toContain('eyJ')
    expect(await decryptions()).toEqual({ 'oidc ok': 1 })
  })

  test('is judged by what is inside, beside plain ones', async () => {
    expect(await outcome(await oidcToken('orders:write'))).toBe('403 scope_missing')
    expect(await outcome(await oidc.token({ resource: 'jwt' }))).toBe('200')
  })

  test('costs one decryption, however many requests bring it at the same time', async () => {
    const REQUESTS = 1_000
    const token = await oidcToken()
    const outcomes = await Promise.all(Array.from({ length: REQUESTS }, () => outcome(token)))
    expect(new Set(outcomes)).toEqual(new Set(['200']))
    expect(outcomes).toHaveLength(REQUESTS)
    expect(await decryptions()).toEqual({ 'oidc ok': 1 })
    expect(await outcome(token)).toBe('200')
    expect(await decryptions()).toEqual({ 'oidc ok': 1 })
  })

  test('is opened with the old key and the new one while keys rotate, and refused when its key is gone', async () => {
    const before = await oidcToken()
    expect(await outcome(before)).toBe('200')
    await reload([NEW, OLD])
    const unused = await oidcToken()
    sentTo = NEW
    const after = await oidcToken()
    for (const token of [before, unused, after]) expect(await outcome(token)).toBe('200')
    await reload([NEW])
    for (const token of [before, unused]) expect(await outcome(token)).toBe('401 decryption_failed')
    expect(await outcome(after)).toBe('200')
    sentTo = OLD
    expect(await outcome(await oidcToken())).toBe('401 decryption_failed')
    await reload([NEW, OLD])
    expect(await outcome(before)).toBe('200')
  })

  test('is refused under a key file that was exchanged, once the configuration is loaded again', async () => {
    const token = await oidcToken()
    expect(await outcome(token)).toBe('200')
    gateway.write(OLD.file, NEW.text)
    await reload([OLD, RSA])
    expect(await outcome(token)).toBe('401 decryption_failed')
  })
})

describe('an encrypted token that is bound to a key', () => {
  const url = `${PUBLIC_URL}/bound/7`

  test('needs a proof over the token as it was sent, and not over what is inside', async () => {
    const signer = await proofSigner()
    const inner = await partner.mint({ cnf: { jkt: signer.jkt } })
    const token = await encrypted(OLD.key, {}, inner)
    const answered = async (proof: string | undefined) => {
      const headers = { authorization: `DPoP ${token}`, ...(proof === undefined ? {} : { dpop: proof }) }
      const { status, json } = await gateway.request('/bound/7', { headers })
      return status === 200 ? '200' : `${status} ${String(json().code)}`
    }
    expect(await answered(undefined)).toBe('401 proof_required')
    expect(await answered(dpopProof(signer, { url, token: inner }))).toBe('401 proof_invalid')
    expect(await answered(dpopProof(signer, { url }))).toBe('401 proof_invalid')
    expect(await answered(dpopProof(await proofSigner(), { url, token }))).toBe('401 proof_mismatch')
    const seen = upstream.seen.length
    const proof = dpopProof(signer, { url, token })
    expect(await answered(proof)).toBe('200')
    expect(await answered(proof)).toBe('401 proof_replayed')
    expect(await answered(dpopProof(signer, { url, claims: { ath: accessTokenHash(token) } }))).toBe('200')
    expect(upstream.seen.length).toBe(seen + 2)
    expect(await outcome(token, '/bound/7')).toBe('401 proof_required')
  })
})

describe('what an attacker encrypts', () => {
  /** A token that is good, signed by `oidc`, and not encrypted. */
  const signed = () => oidc.token({ resource: 'jwt' })
  const claims = () => JSON.stringify({ iss: oidc.issuer, sub: 'admin', aud: RESOURCES.jwt, exp: 9_999_999_999 })
  const unsigned = () => `${base64url({ alg: 'none' })}.${base64url(claims())}.`
  /** As RFC 7518 §4.2 says, with a key that the gateway has. */
  const rsa15 = () => {
    const padding = constants.RSA_PKCS1_PADDING
    const cek = publicEncrypt({ key: createPublicKey(RSA.key.key), padding }, randomBytes(16)).toString('base64url')
    const header = base64url({ alg: 'RSA1_5', enc: 'A128GCM', cty: 'JWT', kid: RSA.key.kid })
    return [header, cek, base64url('twelve bytes'), base64url('text'), base64url('sixteen bytes ok')].join('.')
  }
  const pbes2 = { alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', cty: 'JWT', p2s: base64url('salt of a stranger') }
  const broken = async () => {
    const parts = (await encrypted(OLD.key, {}, await signed())).split('.')
    return parts.with(4, randomBytes(16).toString('base64url')).join('.')
  }

  const ATTACKS: ReadonlyArray<readonly [name: string, token: () => string | Promise<string>, expected: string]> = [
    ['plain claims', () => encrypted(OLD.key, {}, claims()), 'token_malformed'],
    ['a token that nobody has signed', () => encrypted(OLD.key, {}, unsigned()), 'algorithm_not_allowed'],
    [
      'a token that another provider of the route has signed',
      async () => encrypted(OLD.key, {}, await partner.mint({ scope: 'orders:read' })),
      'issuer_unknown',
    ],
    [
      'a token that a stranger has signed',
      async () => encrypted(OLD.key, {}, await partner.mint({ iss: oidc.issuer, aud: RESOURCES.jwt })),
      'key_unknown',
    ],
    [
      'an encrypted token',
      async () => encrypted(OLD.key, {}, await encrypted(OLD.key, {}, await signed())),
      'token_malformed',
    ],
    [
      'a good token, compressed',
      async () => encrypted(OLD.key, { zip: 'DEF' }, await signed()),
      'algorithm_not_allowed',
    ],
    [
      'a good token that does not say that it is one',
      async () => encrypted(OLD.key, { cty: 'JSON' }, await signed()),
      'token_malformed',
    ],
    [
      'a good token, with keys of his own choice',
      async () => encrypted(OLD.key, { jku: 'http://127.0.0.1:1/' }, await signed()),
      'algorithm_not_allowed',
    ],
    [
      'a good token, for somebody else',
      async () => encrypted(gatewayKey('P-256', 'enc-2026-05').key, {}, await signed()),
      'decryption_failed',
    ],
    [
      'a good token, for a key that nobody has',
      async () => encrypted(OLD.key, { kid: 'no-such-key' }, await signed()),
      'decryption_failed',
    ],
    ['a good token, changed', broken, 'decryption_failed'],
    ['by RSA1_5', rsa15, 'algorithm_not_allowed'],
    ['by a password, 2^31 times', () => withHeader({ ...pbes2, p2c: 2 ** 31 }), 'algorithm_not_allowed'],
    ['by a password', () => withHeader({ ...pbes2, p2c: 1 }), 'algorithm_not_allowed'],
    ['by a secret', () => withHeader({ alg: 'dir', enc: 'A128GCM', cty: 'JWT' }), 'algorithm_not_allowed'],
  ]

  test.each(ATTACKS)('is refused before the service sees it: %s', async (_name, token, expected) => {
    const [presented, seen, bytes] = [await token(), upstream.seen.length, upstream.bytes().length]
    for (const path of ['/orders/7', '/partner/7']) expect(await outcome(presented, path)).toBe(`401 ${expected}`)
    expect([upstream.seen.length, upstream.bytes().length]).toEqual([seen, bytes])
    expect(gateway.logText()).not.toContain(presented.split('.')[3])
    // It harms nobody else.
    expect(await outcome(await oidcToken())).toBe('200')
  })

  test('does not count for what it says outside, where nobody has signed it', async () => {
    const outside = { iss: partner.issuer, sub: 'admin', aud: 'https://api.example.com' }
    const token = await encrypted(OLD.key, outside, await signed())
    const reply = await gateway.request('/orders/7', { headers: bearer(token) })
    expect(reply.json().headers).toMatchObject({
      'x-auth-issuer': oidc.issuer,
      'x-auth-subject': oidc.tokenClientId,
    })
  })

  test('is answered alike, whatever went wrong after its header', async () => {
    const stranger = await encrypted(gatewayKey('P-256', 'enc-2026-05').key, { kid: OLD.key.kid }, await signed())
    const answers = await Promise.all(
      [stranger, await broken(), await encrypted(OLD.key, { kid: 'no-such-key' }, await signed())].map(
        async presented => {
          const { status, headers, json } = await gateway.request('/orders/7', { headers: bearer(presented) })
          return { status, challenge: headers['www-authenticate'], body: { ...json(), request_id: undefined } }
        },
      ),
    )
    expect(answers[0]).toMatchObject({ status: 401, body: { code: 'decryption_failed' } })
    expect(answers).toEqual([answers[0], answers[0], answers[0]])
  })
})
