/**
 * Holds a running gateway to RFC 9449 (DPoP), as the resource server that it is: a test for each clause of §4.3, named
 * by its words, and for what §4.2, §7, §8, §9 and §11.1 ask of a resource server.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  accessTokenHash,
  dpopProof,
  hmacSigner,
  type Members,
  type ProofOptions,
  type ProofSigner,
  proofSigner,
  rawProof,
  signingAs,
  withBadSignature,
} from '../support/dpop-proof.ts'
import { startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { manualTime } from '../support/manual-time.ts'

const BASE = 'https://api.example.com'
const KIOSK = 'http://kiosk.example.com:8080/'
const IPV6 = 'https://[2001:db8::1]:8443'
const MAX_AGE_SECONDS = 60
const TOLERANCE_SECONDS = 5
const NONCE_LIFETIME_MS = 300_000

/** Its time begins with a step of the nonces. */
const time = manualTime(Math.floor(Date.now() / NONCE_LIFETIME_MS) * NONCE_LIFETIME_MS)
const algorithms = ['ES256', 'ES384', 'Ed25519', 'EdDSA', 'PS256', 'RS256'] as const
const signers = new Map<string, ProofSigner>()
let signer: ProofSigner
let stranger: ProofSigner
let stack: TestStack
let noncing: TestStack

beforeAll(async () => {
  for (const alg of algorithms) signers.set(alg, await proofSigner(alg))
  signer = signerOf('ES256')
  stranger = await proofSigner('ES256')
  const routes = [{ id: 'all', path: '/**' }]
  const dpop = { baseUrls: [BASE, `${BASE}/shop`, IPV6, KIOSK] }
  stack = await startTestStack({ dpop, routes }, { clock: time })
  const secret = randomBytes(32).toString('base64')
  noncing = await startTestStack(
    { dpop: { ...dpop, nonce: { secretFile: 'nonce-secret', lifetime: `${NONCE_LIFETIME_MS}ms` } }, routes },
    { clock: time, files: { 'nonce-secret': secret } },
  )
})
afterAll(async () => {
  await stack.close()
  await noncing.close()
})

function signerOf(alg: string): ProofSigner {
  const found = signers.get(alg)
  if (found === undefined) throw new Error(`no key for ${alg}`)
  return found
}

let token: string
beforeEach(async () => {
  token = await mint({ jkt: signer.jkt })
})

function mint(cnf: Members | undefined, from: TestStack = stack): Promise<string> {
  const iat = Math.floor(time.nowMs() / 1000)
  return from.issuer.mint({ cnf, iat, exp: iat + 3600 })
}

let count = 0
interface Asked {
  readonly proofs?: readonly string[]
  readonly path?: string
  readonly method?: string
  readonly scheme?: string
  readonly token?: string
  readonly lines?: readonly string[]
  readonly at?: TestStack
}

/** Sends a request over a socket, and reads the answer and, for a refusal, what the log says of it. */
async function ask({ proofs = [], path = '/orders', method = 'GET', scheme = 'DPoP', ...rest }: Asked) {
  const { lines = [], at = stack, token: presented = token } = rest
  const requestId = `ask-${count++}`
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: gateway.internal',
    `Authorization: ${scheme} ${presented}`,
    ...proofs.map(proof => `DPoP: ${proof}`),
    `X-Request-Id: ${requestId}`,
    'Connection: close',
    ...lines,
  ]
  const [answer = '', body = ''] = (await at.raw(`${head.join('\r\n')}\r\n\r\n`)).split('\r\n\r\n')
  const [statusLine = '', ...fields] = answer.split('\r\n')
  const field = (name: string) =>
    fields.filter(line => line.toLowerCase().startsWith(`${name}: `)).map(line => line.slice(name.length + 2))
  const status = Number(statusLine.split(' ')[1])
  const line = status === 200 ? undefined : await at.logged({ request_id: requestId })
  return {
    status,
    code: status === 200 ? 'passed' : String((JSON.parse(body) as Record<string, unknown>).code),
    evidence: (line?.evidence ?? {}) as Record<string, unknown>,
    challenges: field('www-authenticate'),
    nonces: field('dpop-nonce'),
  }
}

const proof = (options: Partial<ProofOptions> = {}, by: ProofSigner = signer): string =>
  dpopProof(by, { url: `${BASE}/orders`, token, nowMs: time.nowMs(), ...options })

/** The header of a good proof, as text. */
const header = (members: Members = {}): string =>
  JSON.stringify({ typ: 'dpop+jwt', alg: signer.alg, jwk: signer.jwk, ...members })

const judged = async (text: string, asked: Asked = {}) => ask({ proofs: [text], ...asked })

/** Expects that nothing but this is wrong with the proof. */
async function expectInvalid(text: string, reason: string | RegExp, asked: Asked = {}): Promise<void> {
  const { status, code, evidence, challenges } = await judged(text, asked)
  expect({ status, code }).toEqual({ status: 401, code: 'proof_invalid' })
  expect(evidence.reason).toMatch(typeof reason === 'string' ? new RegExp(`^${reason}$`) : reason)
  expect(challenges.find(line => line.startsWith('DPoP '))).toContain('error="invalid_dpop_proof"')
}

test('a good proof passes, with every algorithm that is asked for by default', async () => {
  for (const by of signers.values()) {
    const bound = await mint({ jkt: by.jkt })
    expect((await judged(proof({ token: bound }, by), { token: bound })).code, by.alg).toBe('passed')
  }
})

describe('§4.2', () => {
  test.each(['typ', 'alg', 'jwk'])(
    '"The JOSE Header of a DPoP JWT MUST contain at least the following parameters": %s',
    async name => {
      await expectInvalid(proof({ header: { [name]: undefined } }), name)
    },
  )

  test.each(['jti', 'htm', 'htu', 'iat'])(
    '"The payload of a DPoP proof MUST contain at least the following claims": %s',
    async name => {
      await expectInvalid(proof({ claims: { [name]: undefined } }), name)
    },
  )

  test('"When the DPoP proof is used in conjunction with the presentation of an access token": ath', async () => {
    await expectInvalid(proof({ claims: { ath: undefined } }), 'ath')
  })

  test('"A DPoP proof MAY contain other JOSE Header Parameters or claims"', async () => {
    const more = { header: { kid: '1', 'x-more': { a: [1] } }, claims: { exp: 1, nbf: 9e9, sub: 'x', more: null } }
    expect((await judged(proof(more))).code).toBe('passed')
  })

  test('a public key may have members besides those that are the key', async () => {
    for (const more of [
      { alg: 'ES256', use: 'sig', kid: '1' },
      { key_ops: ['verify'], ext: true },
    ])
      expect((await judged(proof({ header: { jwk: { ...signer.jwk, ...more } } }))).code).toBe('passed')
  })
})

describe('§4.3', () => {
  describe('1. "There is not more than one DPoP HTTP request header field."', () => {
    test('two are refused, be they the same or not, in whatever case their names are', async () => {
      const [one, other] = [proof(), proof()]
      for (const proofs of [
        [one, one],
        [one, other],
        [one, ''],
      ]) {
        const { code, evidence } = await ask({ proofs })
        expect(code).toBe('proof_invalid')
        expect(evidence.reason).toBe('more than one DPoP header')
      }
      expect((await ask({ proofs: [one], lines: [`dPOP: ${other}`] })).code).toBe('proof_invalid')
      // Neither of them was used up.
      expect((await ask({ proofs: [one] })).code).toBe('passed')
    })

    test('two in one line are refused', async () => {
      await expectInvalid(`${proof()}, ${proof()}`, 'not three parts')
      await expectInvalid(`${proof()},`, /canonical/)
    })

    test('none is a proof that is missing', async () => {
      const { code, challenges } = await ask({})
      expect(code).toBe('proof_required')
      expect(challenges.find(line => line.startsWith('DPoP '))).toContain('error="invalid_token"')
      for (const name of ['D-PoP', 'D_PoP', 'DPoP_', 'X-DPoP', 'DPoP-Proof'])
        expect((await ask({ lines: [`${name}: ${proof()}`] })).code, name).toBe('proof_required')
    })
  })

  describe('2. "The DPoP HTTP request header field value is a single and well-formed JWT."', () => {
    test.each([
      ['nothing', () => '', /./],
      ['no JWT', () => 'proof', 'not three parts'],
      ['two parts', () => proof().split('.').slice(0, 2).join('.'), 'not three parts'],
      ['four parts', () => `${proof()}.`, 'not three parts'],
      ['five parts', () => 'a.b.c.d.e', 'not three parts'],
      ['padding', () => proof().replace('.', '=.'), /header is not canonical base64url/],
      ['padding at the end', () => `${proof()}==`, /signature is not canonical base64url/],
      ['base64', () => `${rawProof(signer, '{"a":"???>>>"}', '{}').replaceAll('_', '/')}`, /./],
      ['a foreign character', () => proof().replace('.', '!.'), /header is not canonical base64url/],
      ['a header that is no object', () => rawProof(signer, '[]', '{}'), /header is no JSON object/],
      ['a header that is no JSON', () => rawProof(signer, '{', '{}'), /^header: /],
      ['a payload that is no object', (): string => rawProof(signer, header(), '"a"'), /payload is no JSON object/],
      ['a payload that is no JSON', (): string => rawProof(signer, header(), '{"jti":1,}'), /^payload: /],
      ['a member twice', (): string => rawProof(signer, header(), '{"jti":"a","jti":"b"}'), /^payload: /],
      [
        'a member twice, once escaped',
        (): string => rawProof(signer, header(), '{"htu":"a","ht\\u0075":"b"}'),
        /^payload: /,
      ],
      [
        'a header member twice',
        (): string => rawProof(signer, header().replace('{', '{"typ":"JWT",'), '{}'),
        /^header: /,
      ],
      [
        'a key member twice',
        (): string => rawProof(signer, header().replace('"jwk":{', '"jwk":{"x":"AA",'), '{}'),
        /^header: /,
      ],
    ] satisfies ReadonlyArray<readonly [string, () => string, string | RegExp]>)(
      'refused: %s',
      async (_, text, reason) => {
        await expectInvalid(text(), reason)
      },
    )

    test('stray bits in the last character of a part are refused', async () => {
      const [head = '', payload = '', signature = ''] = proof().split('.')
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
      const last = alphabet.indexOf(signature.at(-1) ?? '')
      const stray = `${signature.slice(0, -1)}${alphabet[last ^ 1]}`
      expect(Buffer.from(stray, 'base64url')).toEqual(Buffer.from(signature, 'base64url'))
      await expectInvalid(`${head}.${payload}.${stray}`, /signature is not canonical base64url/)
    })

    test.each(['crit', 'b64', 'zip', 'jku', 'x5u', 'x5c'])(
      'a header that asks for something else is refused: %s',
      async name => {
        for (const value of [null, false, [], 'DEF', ['b64']])
          await expectInvalid(proof({ header: { [name]: value } }), name)
      },
    )

    test('up to 4 KiB are read', async () => {
      const short = proof({ claims: { pad: '' } })
      const sized = (bytes: number) =>
        proof({ claims: { pad: 'a'.repeat(Math.floor(((bytes - short.length) * 3) / 4)) } })
      expect(sized(4096).length).toBeGreaterThan(4090)
      expect((await judged(sized(4096))).code).toBe('passed')
      await expectInvalid(sized(4100), 'the proof is too long')
    })
  })

  describe('3. "All required claims per Section 4.2 are contained in the JWT."', () => {
    test.each([null, '', 1, true, [], {}, 'a'.repeat(257)])('jti is text of 1 to 256 characters, not %j', async jti => {
      await expectInvalid(proof({ claims: { jti } }), 'jti')
    })

    test('jti of 256 characters passes', async () => {
      expect((await judged(proof({ claims: { jti: randomBytes(128).toString('hex') } }))).code).toBe('passed')
    })

    test.each(['htm', 'htu', 'iat', 'ath'])('%s of another type is refused', async name => {
      for (const value of [null, true, [], {}, name === 'iat' ? '1750000000' : 1])
        await expectInvalid(proof({ claims: { [name]: value } }), name)
    })
  })

  test.each(['DPOP+JWT', 'dpop+JWT', 'JWT', 'at+jwt', 'application/dpop+jwt', 'dpop+jwt ', '', null, 1, ['dpop+jwt']])(
    '4. "The typ JOSE Header Parameter has the value dpop+jwt.", not %j',
    async typ => {
      await expectInvalid(proof({ header: { typ } }), 'typ')
    },
  )

  describe('5. "The alg JOSE Header Parameter indicates a registered asymmetric digital signature algorithm, is not none, is supported by the application, and is acceptable per local policy."', () => {
    test.each(['none', 'None', 'NONE', 'HS256', 'HS512', 'ES256K', 'es256', 'RSA-OAEP', 'dir', '', null, 1, ['ES256']])(
      'refused: %j',
      async alg => {
        await expectInvalid(proof({ header: { alg } }), 'alg')
      },
    )

    test('refused: none without a signature', async () => {
      const [, payload = ''] = proof().split('.')
      const none = Buffer.from(header({ alg: 'none' })).toString('base64url')
      await expectInvalid(`${none}.${payload}.`, 'alg')
    })

    test('refused: the public key as the secret of HS256', async () => {
      await expectInvalid(proof({}, hmacSigner(signer)), 'alg')
      await expectInvalid(proof({ header: { jwk: { kty: 'oct', k: 'c2VjcmV0' } } }, hmacSigner(signer)), 'alg')
    })

    test.each(['ES512', 'PS384', 'RS512'])('refused: %s, which is sound and not configured', async alg => {
      const by = await proofSigner(alg)
      const bound = await mint({ jkt: by.jkt })
      await expectInvalid(proof({ token: bound }, by), 'alg', { token: bound })
    })

    test('an algorithm that is not that of the key is refused', async () => {
      await expectInvalid(proof({ header: { alg: 'RS256' } }), 'jwk')
      await expectInvalid(proof({ header: { alg: 'ES384' } }), 'jwk')
      await expectInvalid(proof({ header: { jwk: { ...signer.jwk, alg: 'ES384' } } }), 'jwk')
      const rsa = signerOf('PS256')
      const bound = await mint({ jkt: rsa.jkt })
      await expectInvalid(
        proof({ token: bound, header: { jwk: { ...rsa.jwk, alg: 'PS256' } } }, signingAs('RS256', rsa)),
        'jwk',
        { token: bound },
      )
    })
  })

  describe('6. "The JWT signature verifies with the public key contained in the jwk JOSE Header Parameter."', () => {
    test.each(algorithms)('a signature that does not hold is refused: %s', async alg => {
      const by = signerOf(alg)
      const bound = await mint({ jkt: by.jkt })
      const asked = { token: bound }
      await expectInvalid(withBadSignature(proof(asked, by)), 'the signature does not hold', asked)
      const [head, , signature] = proof(asked, by).split('.')
      const [, payload] = proof(asked, by).split('.')
      await expectInvalid(`${head}.${payload}.${signature}`, 'the signature does not hold', asked)
      await expectInvalid(`${head}.${payload}.`, 'the signature does not hold', asked)
    })

    test('a signature of another key is refused', async () => {
      await expectInvalid(proof({ header: { jwk: signer.jwk } }, stranger), 'the signature does not hold')
    })

    test('a signature in DER, and one of zeros, are refused', async () => {
      for (const signature of [Buffer.alloc(64), Buffer.alloc(70, 0x30), Buffer.from('3006020101020101', 'hex')])
        await expectInvalid(proof({}, { ...signer, signature: () => signature }), 'the signature does not hold')
    })

    test.each([
      ['another curve', () => ({ ...signer.jwk, crv: 'P-384' })],
      ['a point that is not on the curve', () => ({ ...signer.jwk, y: signer.jwk.x })],
      ['a coordinate that is missing', () => ({ ...signer.jwk, y: undefined })],
      ['no kty', () => ({ ...signer.jwk, kty: undefined })],
      ['a key for encryption', () => ({ ...signer.jwk, use: 'enc' })],
      ['a key that may not verify', () => ({ ...signer.jwk, key_ops: ['sign'] })],
      ['a symmetric key', () => ({ kty: 'oct', k: 'c2VjcmV0' })],
      ['a set of keys', () => ({ keys: [signer.jwk] })],
      ['a list', () => [signer.jwk]],
      ['text', () => JSON.stringify(signer.jwk)],
      ['null', () => null],
    ])('jwk is a key: %s is refused', async (_, jwk) => {
      await expectInvalid(proof({ header: { jwk: jwk() } }), 'jwk')
    })

    test('an RSA key of 1024 bits is refused', async () => {
      const weak = await proofSigner('RS256', { modulusLength: 1024 })
      const bound = await mint({ jkt: weak.jkt })
      await expectInvalid(proof({ token: bound }, weak), 'jwk', { token: bound })
    })

    test('an RSA key with the exponent 1, under which anybody could sign, is refused', async () => {
      const rsa = signerOf('RS256')
      const bound = await mint({ jkt: rsa.jkt })
      await expectInvalid(proof({ token: bound, header: { jwk: { ...rsa.jwk, e: 'AQ' } } }, rsa), 'jwk', {
        token: bound,
      })
    })
  })

  test.each(['ES256', 'Ed25519', 'RS256'])(
    '7. "The jwk JOSE Header Parameter does not contain a private key.": %s',
    async alg => {
      const by = signerOf(alg)
      const bound = await mint({ jkt: by.jkt })
      await expectInvalid(proof({ token: bound, header: { jwk: by.privateJwk } }, by), 'jwk', { token: bound })
      for (const name of ['d', 'p', 'priv', 'k'])
        await expectInvalid(proof({ token: bound, header: { jwk: { ...by.jwk, [name]: '' } } }, by), 'jwk', {
          token: bound,
        })
    },
  )

  describe('8. "The htm claim matches the HTTP method of the current request."', () => {
    test.each(['POST', 'get', 'Get', 'GET ', '', 'HEAD'])('%j is not GET', async htm => {
      await expectInvalid(proof({ claims: { htm } }), 'htm')
    })

    test('every method has proofs of its own', async () => {
      for (const method of ['POST', 'DELETE', 'OPTIONS', 'PROPFIND']) {
        const asked = { method, lines: ['Content-Length: 0'] }
        expect((await judged(proof({ method }), asked)).code, method).toBe('passed')
        await expectInvalid(proof(), 'htm', asked)
      }
    })

    test('no header of the client stands for the method', async () => {
      await expectInvalid(proof({ method: 'DELETE' }), 'htm', { lines: ['X-HTTP-Method-Override: DELETE'] })
    })
  })

  describe('9. "The htu claim matches the HTTP URI value for the HTTP request in which the JWT was received, ignoring any query and fragment parts."', () => {
    test.each([
      ['/orders', `${BASE}/orders`],
      ['/orders?a=1', `${BASE}/orders`],
      ['/orders?a=1', `${BASE}/orders?a=2`],
      ['/orders', `${BASE}/orders?a=1#b`],
      ['/orders', `${BASE}/orders#?`],
      ['/orders?', `${BASE}/orders`],
      ['/', `${BASE}/`],
      ['/', BASE],
      ['/', `${BASE}?a`],
      ['/orders/', `${BASE}/orders/`],
      ['/orders', `${BASE}/shop/orders`],
      ['/', `${BASE}/shop`],
      ['/', `${BASE}/shop/`],
      ['/orders', `${KIOSK}orders`],
      ['/Orders', `${BASE}/Orders`],
    ])('%s is %s', async (path, htu) => {
      expect((await judged(proof({ claims: { htu } }), { path })).code).toBe('passed')
    })

    test.each([
      ['the host in another case', '/orders', 'https://API.Example.COM/orders'],
      ['the scheme in another case', '/orders', 'HTTPS://api.example.com/orders'],
      ['the default port', '/orders', 'https://api.example.com:443/orders'],
      ['an empty port', '/orders', 'https://api.example.com:/orders'],
      ['IPv6', '/orders', `${IPV6}/orders`],
      ['IPv6 in another case', '/orders', 'https://[2001:DB8::1]:8443/orders'],
      ['an unreserved character that is encoded', '/orders/a~b', `${BASE}/orders/%61%7Eb`],
      ['an encoding with small digits', '/orders/a%c3%a9', `${BASE}/orders/a%C3%A9`],
    ])('"servers SHOULD employ syntax-based … and scheme-based normalization": %s', async (_, path, htu) => {
      expect((await judged(proof({ claims: { htu } }), { path })).code).toBe('passed')
    })

    test.each([
      ['another host', 'https://evil.example/orders'],
      ['another scheme', 'http://api.example.com/orders'],
      ['the default port of the other scheme', 'https://api.example.com:80/orders'],
      ['another port', 'https://api.example.com:8443/orders'],
      ['a port with a zero before it', 'https://api.example.com:0443/orders'],
      ['a user', 'https://me@api.example.com/orders'],
      ['an empty user', 'https://@api.example.com/orders'],
      ['the host as a user', 'https://api.example.com@evil.example/orders'],
      ['the host as a user with a password', 'https://api.example.com:443@evil.example/orders'],
      ['the host as a beginning', 'https://api.example.com.evil.example/orders'],
      ['a host with a dot at its end', 'https://api.example.com./orders'],
      ['a host with a blank', 'https://api.example.com /orders'],
      ['a host that is encoded', 'https://api%2Eexample.com/orders'],
      ['a host with a Kelvin sign', `${KIOSK}orders`.replace('k', '\u212a')],
      ['a backslash', 'https://api.example.com\\@evil.example/orders'],
      ['a path that only begins so', `${BASE}/orders/1`],
      ['a path that ends before', `${BASE}/order`],
      ['a slash at the end', `${BASE}/orders/`],
      ['a prefix that is none of ours', `${BASE}/other/orders`],
      ['a prefix that only begins like ours', `${BASE}/shopping/orders`],
      ['a prefix of ours without a slash', `${BASE}/shoporders`],
      ['a path in another case', `${BASE}/Orders`],
      ['dot segments', `${BASE}/a/../orders`],
      ['a dot segment', `${BASE}/./orders`],
      ['encoded dot segments', `${BASE}/a/%2e%2e/orders`],
      ['an encoded slash', `${BASE}%2Forders`],
      ['a slash more', `${BASE}//orders`],
      ['no scheme', '//api.example.com/orders'],
      ['no authority', '/orders'],
      ['an opaque URL', 'https:api.example.com/orders'],
      ['a blank before it', ` ${BASE}/orders`],
      ['a blank after it', `${BASE}/orders `],
      ['nothing', ''],
    ])('refused: %s', async (_, htu) => {
      await expectInvalid(proof({ claims: { htu } }), 'htu')
    })

    test('what the request says of its host counts for nothing', async () => {
      const lines = ['X-Forwarded-Host: evil.example', 'Forwarded: host=evil.example;proto=https']
      const elsewhere = proof({ url: 'https://evil.example/orders' })
      await expectInvalid(elsewhere, 'htu', { lines })
      await expectInvalid(proof({ url: 'http://gateway.internal/orders' }), 'htu')
      expect((await judged(proof(), { lines })).code).toBe('passed')
      expect((await judged(proof(), { path: 'http://gateway.internal/orders' })).code).toBe('passed')
    })

    test('an encoded slash in the path is no slash in the URL', async () => {
      const path = '/orders/a%2Fb'
      const { code } = await judged(proof({ url: `${BASE}/orders/a/b` }), { path })
      expect(['proof_invalid', 'path_invalid']).toContain(code)
    })

    test('the log has neither query nor user of the URL', async () => {
      for (const url of ['https://s3cr3t:s3cr3t@evil.example/a?s3cr3t#s3cr3t', 'https://evil.example/a?s3cr3t']) {
        const { evidence } = await judged(proof({ url }))
        expect(evidence).toMatchObject({ reason: 'htu', seen: 'https://evil.example/a' })
      }
    })
  })

  describe('10. "If the server provided a nonce value to the client, the nonce claim matches the server-provided nonce value."', () => {
    test('a proof without it, or with another one, is sent back with one', async () => {
      token = await mint({ jkt: signer.jkt }, noncing)
      for (const nonce of [undefined, '', 'a', 1, null, ['a'], randomBytes(16).toString('base64url'), 'é'.repeat(22)]) {
        const { status, code, nonces, challenges } = await judged(proof({ claims: { nonce } }), { at: noncing })
        expect({ status, code }).toEqual({ status: 401, code: 'proof_nonce_required' })
        expect(nonces).toHaveLength(1)
        expect(challenges.find(line => line.startsWith('DPoP '))).toContain('error="use_dpop_nonce"')
      }
    })

    test('a proof with it passes, and a nonce does for many proofs', async () => {
      token = await mint({ jkt: signer.jkt }, noncing)
      const nonce = await freshNonce()
      for (let i = 0; i < 3; i += 1) expect((await judged(proof({ nonce }), { at: noncing })).code).toBe('passed')
      const changed = `${nonce.slice(0, -1)}${nonce.endsWith('A') ? 'B' : 'A'}`
      for (const other of [changed, `${nonce}A`, nonce.slice(1), ` ${nonce}`, nonce.toUpperCase()])
        expect((await judged(proof({ nonce: other }), { at: noncing })).code).toBe('proof_nonce_required')
    })

    test('where none is asked for, one is not looked at', async () => {
      expect((await judged(proof({ claims: { nonce: 'of another server' } }))).code).toBe('passed')
    })
  })

  describe('11. "The creation time of the JWT, as determined by either the iat claim or a server managed timestamp via the nonce claim, is within an acceptable window"', () => {
    const iat = (seconds: number) => proof({ claims: { iat: Math.floor(time.nowMs() / 1000) + seconds } })

    test('by iat, both edges included', async () => {
      const oldest = -(MAX_AGE_SECONDS + TOLERANCE_SECONDS)
      for (const seconds of [oldest, oldest + 0.5, 0, TOLERANCE_SECONDS])
        expect((await judged(iat(seconds))).code, `${seconds} s`).toBe('passed')
      for (const seconds of [oldest - 0.001, oldest - 1, TOLERANCE_SECONDS + 0.001, TOLERANCE_SECONDS + 1])
        await expectInvalid(iat(seconds), 'iat')
    })

    test('numbers that are no time are refused', async () => {
      for (const value of [0, -1, 1e12, 1e308]) await expectInvalid(proof({ claims: { iat: value } }), 'iat')
      const [head = ''] = proof().split('.')
      for (const text of ['1e999', '-1e999']) {
        const payload = JSON.stringify({ jti: 'a', htm: 'GET', htu: `${BASE}/orders`, ath: accessTokenHash(token) })
        const decoded = Buffer.from(head, 'base64url').toString()
        await expectInvalid(rawProof(signer, decoded, payload.replace('}', `,"iat":${text}}`)), /./)
      }
    })

    test('a proof gets too old', async () => {
      const text = proof()
      await time.advance((MAX_AGE_SECONDS + TOLERANCE_SECONDS) * 1000 + 1000)
      await expectInvalid(text, 'iat')
    })

    test('by the nonce, whatever the clock of the client says', async () => {
      token = await mint({ jkt: signer.jkt }, noncing)
      const nonce = await freshNonce()
      for (const value of [0, -1, 1, time.nowMs(), 9e9])
        expect((await judged(proof({ nonce, claims: { iat: value } }), { at: noncing })).code).toBe('passed')
      await expectInvalid(proof({ nonce, claims: { iat: 'now' } }), 'iat', { at: noncing })
      await time.advance(NONCE_LIFETIME_MS)
      expect((await judged(proof({ nonce }), { at: noncing })).code).toBe('proof_nonce_required')
    })
  })

  describe('12. "If presented to a protected resource in conjunction with an access token"', () => {
    test('"ensure that the value of the ath claim equals the hash of that access token"', async () => {
      const other = await mint({ jkt: signer.jkt, other: 1 })
      for (const ath of [
        accessTokenHash(other),
        accessTokenHash(`DPoP ${token}`),
        `${accessTokenHash(token)}=`,
        accessTokenHash(token).toUpperCase(),
        Buffer.from(accessTokenHash(token), 'base64url').toString('hex'),
        '',
      ])
        await expectInvalid(proof({ claims: { ath } }), 'ath')
    })

    test('"confirm that the public key to which the access token is bound matches the public key from the DPoP proof"', async () => {
      for (const by of [stranger, signerOf('Ed25519'), signerOf('RS256')]) {
        const { status, code, evidence, challenges } = await judged(proof({}, by))
        expect({ status, code }).toEqual({ status: 401, code: 'proof_mismatch' })
        expect(evidence).toMatchObject({ wanted: signer.jkt, seen: by.jkt })
        expect(challenges.find(line => line.startsWith('DPoP '))).toContain('error="invalid_token"')
      }
    })

    test('a key is only the same when it is written the same', async () => {
      const padded = { ...signer.jwk, x: `${String(signer.jwk.x)}=` }
      expect((await judged(proof({ header: { jwk: padded } }))).status).toBe(401)
    })
  })
})

describe('§7.1', () => {
  test('the scheme is DPoP in any case, and the algorithms are in the challenge', async () => {
    for (const scheme of ['dpop', 'DPOP', 'dPoP']) expect((await judged(proof(), { scheme })).code).toBe('passed')
    const { challenges } = await judged(proof({ claims: { htm: 'POST' } }))
    expect(challenges.find(line => line.startsWith('DPoP '))).toMatch(
      /^DPoP realm="sallyport", error="invalid_dpop_proof", error_description="[^"]+", algs="ES256 ES384 Ed25519 EdDSA PS256 RS256"$/,
    )
  })

  test('"The resource server MUST NOT grant access to the resource unless all checks are successful": an unbound token', async () => {
    token = await mint(undefined)
    const { status, code } = await judged(proof())
    expect({ status, code }).toEqual({ status: 401, code: 'proof_mismatch' })
  })
})

describe('§7.2', () => {
  test('"a protected resource MUST reject a DPoP-bound access token received as a bearer token"', async () => {
    for (const proofs of [[], [proof()]])
      for (const scheme of ['Bearer', 'bearer']) {
        const { status, code, challenges } = await ask({ scheme, proofs })
        expect({ status, code }).toEqual({ status: 401, code: 'proof_required' })
        expect(challenges.find(line => line.startsWith('Bearer '))).toContain('error="invalid_token"')
        expect(challenges.find(line => line.startsWith('DPoP '))).not.toContain('error=')
      }
  })

  test('"indicate support for multiple authentication schemes": both are challenged for, in lines of their own', async () => {
    const { status, headers } = await stack.request('/orders')
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toEqual([
      'Bearer realm="sallyport"',
      'DPoP realm="sallyport", algs="ES256 ES384 Ed25519 EdDSA PS256 RS256"',
    ])
  })

  test('an unbound token passes as a bearer token', async () => {
    token = await mint(undefined)
    expect((await ask({ scheme: 'Bearer' })).code).toBe('passed')
  })
})

async function freshNonce(): Promise<string> {
  const [nonce] = (await judged(proof(), { at: noncing })).nonces
  if (nonce === undefined) throw new Error('there is no nonce')
  return nonce
}

describe('§8, §9', () => {
  beforeEach(async () => {
    // Time begins with a step of the nonces again.
    await time.advance(NONCE_LIFETIME_MS - (time.nowMs() % NONCE_LIFETIME_MS))
    token = await mint({ jkt: signer.jkt }, noncing)
  })

  test('nonce = 1*NQCHAR', async () => {
    expect(await freshNonce()).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+$/)
  })

  test('a nonce comes with every answer in the last third of its life, once, on 200 and on refusals', async () => {
    const nonce = await freshNonce()
    const asked = { at: noncing }
    const good = () => judged(proof({ nonce }), asked)
    expect(await good()).toMatchObject({ code: 'passed', nonces: [] })
    await time.advance((NONCE_LIFETIME_MS * 2) / 3 - 1)
    expect(await good()).toMatchObject({ code: 'passed', nonces: [] })
    await time.advance(1)
    const { code, nonces } = await good()
    expect(code).toBe('passed')
    expect(nonces).toHaveLength(1)
    expect(nonces).not.toContain(nonce)
    const bad = await judged(withBadSignature(proof({ nonce })), asked)
    expect(bad).toMatchObject({ code: 'proof_invalid', nonces })
    expect(await judged(proof({ nonce }, stranger), asked)).toMatchObject({ code: 'proof_mismatch', nonces })
    const twice = proof({ nonce })
    expect((await judged(twice, asked)).code).toBe('passed')
    expect(await judged(twice, asked)).toMatchObject({ code: 'proof_replayed', nonces })
    // The old one is good until its end, and the new one goes on.
    await time.advance(NONCE_LIFETIME_MS / 3 - 1)
    expect((await good()).code).toBe('passed')
    await time.advance(1)
    expect((await good()).code).toBe('proof_nonce_required')
    expect((await judged(proof({ nonce: nonces[0] ?? '' }), asked)).code).toBe('passed')
  })

  test('a nonce of another secret is none', async () => {
    const other = await startTestStack(
      {
        dpop: { baseUrls: [BASE], nonce: { secretFile: 'nonce-secret', lifetime: `${NONCE_LIFETIME_MS}ms` } },
        routes: [{ id: 'all', path: '/**' }],
      },
      { clock: time, files: { 'nonce-secret': randomBytes(32).toString('base64') } },
    )
    try {
      const bound = await mint({ jkt: signer.jkt }, other)
      const [nonce = ''] = (await judged(proof({ token: bound }), { at: other, token: bound })).nonces
      expect((await judged(proof({ token: bound, nonce }), { at: other, token: bound })).code).toBe('passed')
      expect((await judged(proof({ nonce }), { at: noncing })).code).toBe('proof_nonce_required')
    } finally {
      await other.close()
    }
  })

  test('no nonce is handed out where none is asked for', async () => {
    token = await mint({ jkt: signer.jkt })
    expect((await judged(proof())).nonces).toEqual([])
    expect((await judged(withBadSignature(proof()))).nonces).toEqual([])
  })
})

describe('§11.1', () => {
  test('a proof is good once', async () => {
    const text = proof()
    expect((await judged(text)).code).toBe('passed')
    for (let i = 0; i < 2; i += 1) {
      const { status, code, challenges } = await judged(text)
      expect({ status, code }).toEqual({ status: 401, code: 'proof_replayed' })
      expect(challenges.find(line => line.startsWith('DPoP '))).toContain('error="invalid_dpop_proof"')
    }
  })

  test('of proofs that arrive at the same time, one is good', async () => {
    for (const by of [signer, signerOf('ES384')]) {
      const bound = await mint({ jkt: by.jkt })
      const text = proof({ token: bound }, by)
      const codes = await Promise.all(
        Array.from({ length: 10 }, async () => (await judged(text, { token: bound })).code),
      )
      expect(codes.filter(code => code === 'passed')).toHaveLength(1)
      expect(codes.filter(code => code === 'proof_replayed')).toHaveLength(9)
    }
  })

  test('a jti counts for its key: another proof with it is a replay, at another path and with another token, too', async () => {
    const jti = randomBytes(16).toString('hex')
    expect((await judged(proof({ claims: { jti } }))).code).toBe('passed')
    expect((await judged(proof({ claims: { jti }, url: `${BASE}/other` }), { path: '/other' })).code).toBe(
      'proof_replayed',
    )
    const again = await mint({ jkt: signer.jkt, other: 1 })
    expect((await judged(proof({ token: again, claims: { jti } }), { token: again })).code).toBe('proof_replayed')
    const theirs = await mint({ jkt: stranger.jkt })
    expect((await judged(proof({ token: theirs, claims: { jti } }, stranger), { token: theirs })).code).toBe('passed')
  })

  test('a proof is remembered until it is too old, at the edge, too', async () => {
    const text = proof({ claims: { iat: Math.floor(time.nowMs() / 1000) + TOLERANCE_SECONDS } })
    expect((await judged(text)).code).toBe('passed')
    await time.advance((MAX_AGE_SECONDS + 2 * TOLERANCE_SECONDS) * 1000 - 1)
    expect((await judged(text)).code).toBe('proof_replayed')
    await time.advance(2000)
    expect((await judged(text)).code).toBe('proof_invalid')
  })

  test('a replay with a bad signature, and whatever else is refused, is not remembered', async () => {
    const before = (await stack.metrics()).get('sallyport_proof_replay_entries')
    const jti = randomBytes(16).toString('hex')
    for (const text of [
      withBadSignature(proof({ claims: { jti } })),
      proof({ claims: { jti, htm: 'POST' } }),
      proof({ claims: { jti, ath: 'x' } }),
      proof({ claims: { jti } }, stranger),
    ])
      expect((await judged(text)).status).toBe(401)
    expect((await stack.metrics()).get('sallyport_proof_replay_entries')).toBe(before)
    expect((await judged(proof({ claims: { jti } }))).code).toBe('passed')
  })
})
