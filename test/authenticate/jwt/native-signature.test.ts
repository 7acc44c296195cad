import {
  constants,
  createHash,
  createHmac,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  randomBytes,
  sign,
} from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CompactJws, parseCompactJws } from '../../../src/authenticate/jwt/compact-jws.ts'
import { joseRefusal } from '../../../src/authenticate/jwt/jose-signature.ts'
import { nativeVerifier } from '../../../src/authenticate/jwt/native-signature.ts'
import { signatureRefusal } from '../../../src/authenticate/jwt/signature.ts'
import type { VerificationKey } from '../../../src/types.ts'
import { base64url, rsaPair, type Signer, signer } from '../support.ts'

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const HMAC = ['HS256', 'HS384', 'HS512']
const NATIVE = [...RSA, 'ES256', 'EdDSA', 'Ed25519', 'ML-DSA-44', 'ML-DSA-65', ...HMAC]

const signers = new Map(await Promise.all(NATIVE.map(async alg => [alg, await signer(alg)] as const)))

function signerOf(alg: string): Signer {
  const found = signers.get(alg)
  if (found === undefined) throw new Error(`no signer for ${alg}`)
  return found
}

const inputOf = (alg: string, payload = 'payload') => `${base64url(JSON.stringify({ alg }))}.${base64url(payload)}`
const jwsOf = (input: string, signature: Uint8Array): CompactJws => parseCompactJws(`${input}.${base64url(signature)}`)

function keyFor(alg: string, key: KeyObject): VerificationKey {
  return { kid: undefined, algorithms: new Set([alg]), key }
}

/**
 * What both judges say; fails when they differ in whether, in code or in reason, or when it was `jose` who was asked.
 */
async function agreed(jws: CompactJws, key: VerificationKey): Promise<'holds' | 'does not hold'> {
  const ours = signatureRefusal(jws, key)
  expect(ours).not.toBeInstanceOf(Promise)
  expect(ours).toEqual(await joseRefusal(jws, key))
  return ours === undefined ? 'holds' : 'does not hold'
}

describe.each(NATIVE)('%s: node:crypto and jose agree', alg => {
  const { key, signature } = signerOf(alg)

  test('on a signature that holds, and on each bit of it', async () => {
    const input = inputOf(alg)
    const good = signature(input)
    expect(await agreed(jwsOf(input, good), key)).toBe('holds')
    // Every bit where that is quick, a tenth of a long one.
    for (let bit = 0; bit < good.length * 8; bit += good.length > 256 ? 131 : good.length > 64 ? 11 : 1) {
      const flipped = Buffer.from(good)
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(await agreed(jwsOf(input, flipped), key)).toBe('does not hold')
    }
  })

  test('on any change of the signature, of what was signed, or of both', async () => {
    const seen = new Set<string>()
    const change = fc.oneof(
      fc.constant((bytes: Buffer) => bytes),
      fc.nat().map(at => (bytes: Buffer) => bytes.subarray(0, at % (bytes.length + 1))),
      fc.nat().map(at => (bytes: Buffer) => bytes.subarray(at % (bytes.length + 1))),
      fc.uint8Array({ maxLength: 80 }).map(more => (bytes: Buffer) => Buffer.concat([bytes, more])),
      fc.uint8Array({ maxLength: 80 }).map(more => (bytes: Buffer) => Buffer.concat([more, bytes])),
      fc.uint8Array({ maxLength: 600 }).map(other => () => Buffer.from(other)),
      fc.nat({ max: 255 }).map(byte => (bytes: Buffer) => Buffer.alloc(bytes.length, byte)),
      fc.constant((bytes: Buffer) => Buffer.from(bytes).reverse()),
      fc
        .infiniteStream(fc.nat({ max: 255 }))
        .map(stream => (bytes: Buffer) => Buffer.from(bytes.map(() => Number(stream.next().value)))),
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.string(), change, async (payload, other, changed) => {
        const input = `${base64url(JSON.stringify({ alg }))}.${base64url(payload)}`
        const bytes = changed(signature(input))
        seen.add(await agreed(jwsOf(input, bytes), key))
        seen.add(await agreed(jwsOf(inputOf(alg, other), bytes), key))
      }),
      { numRuns: 150 },
    )
    expect(seen).toEqual(new Set(['holds', 'does not hold']))
  })

  test('on the signature of every other key and algorithm', async () => {
    const input = inputOf(alg)
    const twin = await signer(alg)
    expect(await agreed(jwsOf(input, twin.signature(input)), key)).toBe('does not hold')
    for (const other of signers.values()) {
      const sameKind = other.key === key || (alg.startsWith('Ed') && other.alg === alg)
      if (!sameKind) expect(await agreed(jwsOf(input, other.signature(input)), key)).toBe('does not hold')
    }
  })
})

describe('ECDSA: node:crypto and jose agree', () => {
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
  const bytes32 = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = keyFor('ES256', publicKey)
  const input = inputOf('ES256')
  const good = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  const [r, s] = [good.subarray(0, 32), good.subarray(32)]

  test('on r and s at the edges of what they may be', async () => {
    const edges = [0n, 1n, order - 1n, order, order + 1n, 2n ** 256n - 1n].map(bytes32)
    for (const first of [r, s, ...edges])
      for (const second of [r, s, ...edges]) {
        const expected = first === r && second === s ? 'holds' : 'does not hold'
        expect(await agreed(jwsOf(input, Buffer.concat([first, second])), key)).toBe(expected)
      }
  })

  test('on the other signature with the same r, which holds: both take n - s for s', async () => {
    const negated = bytes32(order - BigInt(`0x${s.toString('hex')}`))
    expect(await agreed(jwsOf(input, Buffer.concat([r, negated])), key)).toBe('holds')
  })

  test('on DER, also of the length of the right encoding', async () => {
    const lengths = new Set<number>()
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const der = sign('sha256', Buffer.from(input), privateKey)
      lengths.add(der.length)
      expect(await agreed(jwsOf(input, der), key)).toBe('does not hold')
    }
    expect(lengths.size).toBeGreaterThan(1)
    const short = Buffer.concat([Buffer.from([0x30, 62, 0x02, 29]), Buffer.alloc(29, 1), Buffer.from([0x02, 29])])
    expect(await agreed(jwsOf(input, Buffer.concat([short, Buffer.alloc(64 - short.length, 1)])), key)).toBe(
      'does not hold',
    )
  })

  test('on halves that were padded or stripped of zeros', async () => {
    const zero = Buffer.alloc(1)
    for (const parts of [[zero, r, s], [r, s, zero], [zero, r, zero, s], [r, zero, s], [r], [s], [r.subarray(1), s]])
      expect(await agreed(jwsOf(input, Buffer.concat(parts)), key)).toBe('does not hold')
  })
})

describe('RSA: node:crypto and jose agree', () => {
  const { privateKey, publicKey } = rsaPair(2048)
  const raw = (message: Buffer) => privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, message)

  test('on PKCS #1 v1.5 paddings, right and wrong (RFC 8017 §9.2)', async () => {
    const key = keyFor('RS256', publicKey)
    const input = inputOf('RS256')
    const hash = createHash('sha256').update(input).digest()
    const info = Buffer.from('3031300d060960864801650304020105000420', 'hex')
    const withoutNull = Buffer.from('302f300b0609608648016503040201', 'hex')
    const padded = (digestInfo: Buffer, tail = Buffer.alloc(0), type = 1, fill = 0xff, first = 0) => {
      const padding = Buffer.alloc(256 - 3 - digestInfo.length - tail.length, fill)
      return raw(Buffer.concat([Buffer.from([first, type]), padding, Buffer.alloc(1), digestInfo, tail]))
    }
    const right = Buffer.concat([info, hash])
    expect(await agreed(jwsOf(input, padded(right)), key)).toBe('holds')
    const bleichenbacher = raw(
      Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(8, 0xff), Buffer.alloc(1), right, Buffer.alloc(256 - 62)]),
    )
    const wrong = {
      bleichenbacher,
      'block type 2': padded(right, undefined, 2),
      'block type 0': padded(right, undefined, 0, 0),
      'padding of zeros': padded(right, undefined, 1, 0),
      'padding of other bytes': padded(right, undefined, 1, 0xfe),
      'first byte': padded(right, undefined, 1, 0xff, 1),
      'trailing byte': padded(right, Buffer.alloc(1)),
      'hash alone': padded(hash),
      'hash cut': padded(right.subarray(0, -1)),
      'no NULL': padded(Buffer.concat([withoutNull, Buffer.from('0420', 'hex'), hash])),
      'another hash': padded(Buffer.concat([Buffer.from('3031300d060960864801650304020205000420', 'hex'), hash])),
      'BER length': padded(Buffer.concat([Buffer.from('308131300d060960864801650304020105000420', 'hex'), hash])),
    }
    for (const [name, signature] of Object.entries(wrong))
      expect([name, await agreed(jwsOf(input, signature), key)]).toEqual([name, 'does not hold'])
  })

  test.each(['PS256', 'PS384', 'PS512'])('on salts of any length for %s, of which one is right', async alg => {
    const key = keyFor(alg, publicKey)
    const input = inputOf(alg)
    const bits = Number(alg.slice(2))
    for (const saltLength of [0, 1, 20, 31, 32, 33, 48, 64, 100, constants.RSA_PSS_SALTLEN_MAX_SIGN]) {
      const padding = constants.RSA_PKCS1_PSS_PADDING
      const signature = sign(`sha${bits}`, Buffer.from(input), { key: privateKey, padding, saltLength })
      expect(await agreed(jwsOf(input, signature), key)).toBe(saltLength === bits / 8 ? 'holds' : 'does not hold')
    }
  })

  test.each(['RS256', 'PS256'])('on signatures outside the modulus, or of another length, for %s', async alg => {
    const key = keyFor(alg, publicKey)
    const modulus = BigInt(`0x${Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url').toString('hex')}`)
    const padding = alg === 'PS256' ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {}
    const signatureOf = (input: string) => sign('sha256', Buffer.from(input), { key: privateKey, ...padding })
    const value = BigInt(`0x${signatureOf(inputOf(alg)).toString('hex')}`)
    for (const other of [0n, 1n, modulus - 1n, modulus, modulus + 1n, value + modulus, modulus - value]) {
      const hex = other.toString(16)
      const bytes = Buffer.from(hex.padStart(hex.length > 512 ? 514 : 512, '0'), 'hex')
      expect(await agreed(jwsOf(inputOf(alg), bytes), key)).toBe('does not hold')
    }
    // A signature that starts with a zero is the same number without it.
    let [input, zeroed] = ['', Buffer.alloc(0)]
    for (let attempt = 0; zeroed[0] !== 0; attempt += 1) {
      input = inputOf(alg, String(attempt))
      zeroed = signatureOf(input)
    }
    expect(await agreed(jwsOf(input, zeroed), key)).toBe('holds')
    await agreed(jwsOf(input, zeroed.subarray(1)), key)
    await agreed(jwsOf(input, Buffer.concat([Buffer.alloc(1), zeroed])), key)
  })

  test.each([2048, 2056, 3072, 4096])('on a key of %i bits', async bits => {
    const pair = rsaPair(bits)
    const input = inputOf('RS256')
    const signature = sign('sha256', Buffer.from(input), pair.privateKey)
    expect(await agreed(jwsOf(input, signature), keyFor('RS256', pair.publicKey))).toBe('holds')
    expect(await agreed(jwsOf(input, signature), keyFor('RS256', publicKey))).toBe('does not hold')
  })
})

describe('Ed25519: node:crypto and jose agree', () => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const little = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const input = inputOf('EdDSA')
  const good = sign(null, Buffer.from(input), privateKey)
  const [r, s] = [good.subarray(0, 32), good.subarray(32)]
  const scalar = BigInt(`0x${Buffer.from(s).reverse().toString('hex')}`)

  test('on s beyond the order of the curve, which names the same number (RFC 8032 §5.1.7)', async () => {
    const key = keyFor('EdDSA', publicKey)
    for (const other of [scalar + order, scalar + 2n * order, 0n, order, order - scalar])
      expect(await agreed(jwsOf(input, Buffer.concat([r, little(other)])), key)).toBe('does not hold')
  })

  test('on points of small order as key and as r, and on other spellings of them', async () => {
    const points = [
      '0100000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000080',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0000000000000000000000000000000000000000000000000000000000000080',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    ].map(hex => Buffer.from(hex, 'hex'))
    for (const point of points) {
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') }
      const key = keyFor('EdDSA', createPublicKey({ format: 'jwk', key: jwk }))
      for (const other of [...points, r])
        for (const second of [0n, 1n, scalar]) await agreed(jwsOf(input, Buffer.concat([other, little(second)])), key)
    }
  })
})

describe('left to jose, which judges in the thread pool, is', () => {
  const { privateKey, publicKey } = rsaPair(2048)
  const der = (key: KeyObject) => key.export({ format: 'der', type: 'spki' })
  const rsaJwk = (modulusBits: number, e: string): KeyObject => {
    const n = randomBytes(modulusBits / 8)
    n.writeUInt8(n.readUInt8(0) | 0x80, 0)
    n.writeUInt8(n.readUInt8(n.length - 1) | 1, n.length - 1)
    return createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: n.toString('base64url'), e } })
  }
  const ODD: ReadonlyArray<readonly [name: string, alg: string, key: KeyObject]> = [
    ['a modulus below 2048 bits', 'RS256', rsaPair(1024).publicKey],
    ['a modulus above 4096 bits', 'RS256', rsaJwk(4104, 'AQAB')],
    ['a large exponent', 'PS256', rsaJwk(2048, 'AQAAAAAAAAAB')],
    ['a private key', 'RS256', privateKey],
    ['a key for PSS alone', 'PS256', generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey],
    ['an RSA key for ECDSA', 'ES256', publicKey],
    ['a P-384 key for ES256', 'ES256', generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey],
    ['a secp256k1 key for ES256', 'ES256', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey],
    ['an Ed448 key for EdDSA', 'EdDSA', generateKeyPairSync('ed448').publicKey],
    ['an X25519 key for EdDSA', 'EdDSA', generateKeyPairSync('x25519').publicKey],
    ['an EC key for EdDSA', 'EdDSA', generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey],
    ['an ML-DSA-65 key for ML-DSA-44', 'ML-DSA-44', generateKeyPairSync('ml-dsa-65').publicKey],
    ['a secret for RS256', 'RS256', createSecretKey(randomBytes(32))],
    ['a public key for HS256', 'HS256', publicKey],
    ['a secret shorter than the hash', 'HS256', createSecretKey(randomBytes(31))],
    ['an empty secret', 'HS512', createSecretKey(Buffer.alloc(0))],
    ['an algorithm without a name', '', publicKey],
    ['a name of Object', 'constructor', publicKey],
  ]

  test.each(ODD)('%s', async (_name, alg, key) => {
    expect(nativeVerifier(alg, key)).toBeUndefined()
    const input = inputOf(alg)
    const secret = key.type === 'public' ? der(key) : Buffer.alloc(0)
    for (const signature of [Buffer.alloc(0), randomBytes(256), createHmac('sha256', secret).update(input).digest()])
      expect(await signatureRefusal(jwsOf(input, signature), keyFor(alg, key))).toMatchObject({
        reason: expect.any(String),
      })
  })

  test.each(['ES384', 'ES512', 'ML-DSA-87'])('%s, which takes its time', async alg => {
    const by = await signer(alg)
    expect(nativeVerifier(alg, by.key.key)).toBeUndefined()
    const input = inputOf(alg)
    expect(await signatureRefusal(jwsOf(input, by.signature(input)), by.key)).toBeUndefined()
  })

  test('not the key of an earlier algorithm: one key serves each of its algorithms in its own way', async () => {
    for (const alg of RSA) {
      const input = inputOf(alg)
      const hash = `sha${alg.slice(2)}`
      const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(alg.slice(2)) / 8 }
      const signature = sign(hash, Buffer.from(input), { key: privateKey, ...(alg.startsWith('PS') ? pss : {}) })
      expect(await agreed(jwsOf(input, signature), keyFor(alg, publicKey))).toBe('holds')
      for (const other of RSA.filter(name => name !== alg))
        expect(await agreed(jwsOf(inputOf(other), signature), keyFor(other, publicKey))).toBe('does not hold')
    }
  })
})
