/** The layer that asks for proofs: which tokens need which, and what is counted and told of them. */
import { describe, expect, test } from 'vitest'
import { confirmationOf } from '../../../src/authenticate/confirmation.ts'
import { boundTokenLayer } from '../../../src/authenticate/proof/bound.ts'
import type { DpopJudge } from '../../../src/authenticate/proof/dpop.ts'
import { invalidProof } from '../../../src/authenticate/proof/refusals.ts'
import { Denial } from '../../../src/errors.ts'
import type { AuthScheme, Claims, Principal, RequestFacts } from '../../../src/types.ts'
import { factsOf } from '../../support/facts.ts'

const JKT = 'A'.repeat(43)
const THUMBPRINT = 'B'.repeat(42).concat('A')
const NOTES = { path: '/', responseLines: [], isPrivate: false }

function principalWith(cnf?: Claims['cnf']): Principal {
  const claims: Claims = cnf === undefined ? {} : { cnf }
  return {
    provider: 'main',
    claims,
    scopes: new Set(),
    roles: new Set(),
    audiences: [],
    expiresAtSeconds: 0,
    validUntilMs: 0,
    confirmation: confirmationOf(claims),
    standing: { fingerprints: [], reader: undefined, clearAt: -1 },
    kept: { newest: undefined },
    tenure: undefined,
  }
}

interface Asked {
  readonly scheme?: AuthScheme
  readonly dpop?: DpopJudge
  readonly certificateOf?: (facts: RequestFacts) => string | undefined
}

interface Judged {
  readonly code: string
  readonly counted: readonly string[]
  readonly evidence: Readonly<Record<string, unknown>>
  readonly provider: string | undefined
}

/** Gives what became of a request: `passed` or the refusal, and what was counted. */
async function ask(principal: Principal, { scheme = 'Bearer', dpop, certificateOf }: Asked = {}): Promise<Judged> {
  const counted: string[] = []
  const layer = boundTokenLayer({
    dpop,
    certificateOf,
    onResult: (provider, kind, result) => counted.push(`${provider} ${kind} ${result}`),
  })
  const authenticate = layer(() => principal)
  try {
    const found = await authenticate({ token: 'the-token', scheme }, factsOf(), NOTES)
    expect(found).toBe(principal)
    return { code: 'passed', counted, evidence: {}, provider: 'main' }
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return { code: error.code, counted, evidence: error.evidence ?? {}, provider: error.provider }
  }
}

const GOOD: DpopJudge = () => 'valid'
const SHOWN = { certificateOf: () => THUMBPRINT }

describe('a token that is bound to nothing', () => {
  test('passes as a bearer token, and nobody looks at a proof', async () => {
    const unasked: DpopJudge = () => {
      throw new Error('asked')
    }
    expect(await ask(principalWith(), { dpop: unasked })).toMatchObject({ code: 'passed', counted: [] })
    expect(await ask(principalWith())).toMatchObject({ code: 'passed', counted: [] })
  })

  test('is refused with scheme DPoP, since a proof proves nothing about it', async () => {
    expect(await ask(principalWith(), { scheme: 'DPoP', dpop: GOOD })).toMatchObject({
      code: 'proof_mismatch',
      provider: 'main',
      evidence: { wanted: 'a token with cnf.jkt', seen: 'none' },
    })
  })
})

describe('a bound token where nothing is configured', () => {
  test.each([
    ['a key', { jkt: JKT }],
    ['a certificate', { 'x5t#S256': THUMBPRINT }],
    ['both', { jkt: JKT, 'x5t#S256': THUMBPRINT }],
    ['what nobody knows', { jwk: {} }],
    ['an empty cnf', {}],
    ['cnf that is no object', 'key'],
    ['a number', { jkt: 1 }],
    ['null', null],
    ['a list', [JKT]],
  ] satisfies ReadonlyArray<readonly [string, Claims['cnf']]>)('is refused: %s', async (_, cnf) => {
    for (const scheme of ['Bearer', 'DPoP'] as const) {
      const { code, provider } = await ask(principalWith(cnf), { scheme })
      expect(['proof_required', 'proof_mismatch']).toContain(code)
      expect(provider).toBe('main')
    }
    expect((await ask(principalWith(cnf))).code).toBe('proof_required')
  })
})

describe('a token that is bound to a key', () => {
  const principal = principalWith({ jkt: JKT })

  test('passes with its proof', async () => {
    expect(await ask(principal, { scheme: 'DPoP', dpop: GOOD })).toMatchObject({
      code: 'passed',
      counted: ['main dpop valid'],
    })
    const slow: DpopJudge = () => Promise.resolve('valid_local')
    expect(await ask(principal, { scheme: 'DPoP', dpop: slow })).toMatchObject({
      code: 'passed',
      counted: ['main dpop valid_local'],
    })
  })

  test('is refused as a bearer token, and its proof is not judged', async () => {
    const unasked: DpopJudge = () => {
      throw new Error('asked')
    }
    expect(await ask(principal, { dpop: unasked })).toMatchObject({
      code: 'proof_required',
      counted: ['main dpop required'],
    })
  })

  test.each(['at once', 'later'])('is counted once by what its refusal is, %s', async when => {
    for (const [code, result] of [
      ['proof_required', 'required'],
      ['proof_invalid', 'invalid'],
      ['proof_nonce_required', 'nonce_required'],
      ['proof_mismatch', 'mismatch'],
      ['proof_replayed', 'replayed'],
      ['overloaded', 'overloaded'],
      ['replay_store_unavailable', 'unavailable'],
    ] as const) {
      const denial = new Denial(code, { evidence: { reason: 'because' } })
      const dpop: DpopJudge = () => {
        if (when === 'later') return Promise.reject(denial)
        throw denial
      }
      expect(await ask(principal, { scheme: 'DPoP', dpop })).toEqual({
        code,
        counted: [`main dpop ${result}`],
        evidence: { reason: 'because' },
        provider: 'main',
      })
    }
  })

  test('a bug stays one, and is not counted', async () => {
    for (const dpop of [
      () => {
        throw new TypeError('bug')
      },
      () => Promise.reject(new TypeError('bug')),
    ] satisfies readonly DpopJudge[])
      await expect(ask(principal, { scheme: 'DPoP', dpop })).rejects.toThrow('bug')
  })

  test('the client may show a certificate besides', async () => {
    expect((await ask(principal, { scheme: 'DPoP', dpop: GOOD, ...SHOWN })).code).toBe('passed')
  })

  test.each([
    ['hexadecimal', 'ab'.repeat(32), /hexadecimal/],
    ['hexadecimal with colons', Array(32).fill('AB').join(':'), /hexadecimal/],
    ['too short', 'A'.repeat(42), /no SHA-256/],
    ['stray bits', 'A'.repeat(42).concat('B'), /no SHA-256/],
    ['padding', JKT.concat('='), /no SHA-256/],
    ['empty', '', /no SHA-256/],
  ])('a certificate of no sound thumbprint is none, and the evidence says so: %s', async (_, thumbprint, reason) => {
    const bound = principalWith({ 'x5t#S256': thumbprint })
    const refused = await ask(bound, SHOWN)
    expect(refused).toMatchObject({ code: 'proof_mismatch', counted: ['main certificate mismatch'] })
    expect(refused.evidence).toMatchObject({ wanted: thumbprint, seen: THUMBPRINT })
    expect(String(refused.evidence.reason)).toMatch(reason)
  })
})

describe('a token that is bound to a certificate', () => {
  const principal = principalWith({ 'x5t#S256': THUMBPRINT })

  test('passes as a bearer token with that certificate, and with no other', async () => {
    expect(await ask(principal, SHOWN)).toMatchObject({ code: 'passed', counted: ['main certificate valid'] })
    expect(await ask(principal, { certificateOf: () => JKT })).toMatchObject({
      code: 'proof_mismatch',
      counted: ['main certificate mismatch'],
      evidence: { wanted: THUMBPRINT, seen: JKT },
    })
    expect(await ask(principal, { certificateOf: () => '' })).toMatchObject({ code: 'proof_mismatch' })
    expect(await ask(principal, { certificateOf: () => undefined })).toMatchObject({
      code: 'proof_required',
      counted: ['main certificate required'],
    })
  })

  test('is refused with scheme DPoP, whatever is shown', async () => {
    expect((await ask(principal, { scheme: 'DPoP', dpop: GOOD, ...SHOWN })).code).toBe('proof_mismatch')
  })

  test('a thumbprint that is no text is equal to nothing', async () => {
    for (const value of [1, null, {}, [THUMBPRINT]]) {
      const bound = principalWith({ 'x5t#S256': value })
      expect((await ask(bound, SHOWN)).code).toBe('proof_mismatch')
      expect((await ask(bound, { certificateOf: () => '' })).code).not.toBe('passed')
    }
  })
})

describe('a token that is bound to both', () => {
  const principal = principalWith({ jkt: JKT, 'x5t#S256': THUMBPRINT })
  const bad: DpopJudge = () => {
    throw invalidProof('htm')
  }

  test('needs both', async () => {
    expect(await ask(principal, { scheme: 'DPoP', dpop: GOOD, ...SHOWN })).toMatchObject({
      code: 'passed',
      counted: ['main certificate valid', 'main dpop valid'],
    })
    expect((await ask(principal, { ...SHOWN, dpop: GOOD })).code).toBe('proof_required')
    expect((await ask(principal, { scheme: 'DPoP', ...SHOWN })).code).toBe('proof_required')
    expect((await ask(principal, { scheme: 'DPoP', dpop: bad, ...SHOWN })).code).toBe('proof_invalid')
  })

  test('the certificate is judged first, so that a proof is not used up without it', async () => {
    let asked = 0
    const dpop: DpopJudge = () => {
      asked += 1
      return 'valid'
    }
    for (const certificateOf of [undefined, () => undefined, () => JKT])
      expect((await ask(principal, { scheme: 'DPoP', dpop, ...(certificateOf && { certificateOf }) })).code).not.toBe(
        'passed',
      )
    expect(asked).toBe(0)
  })

  test('one that is malformed cannot be proven, though the other can', async () => {
    for (const cnf of [
      { jkt: JKT, 'x5t#S256': 1 },
      { jkt: JKT, 'x5t#S256': null },
    ])
      expect((await ask(principalWith(cnf), { scheme: 'DPoP', dpop: GOOD, ...SHOWN })).code).toBe('proof_mismatch')
  })
})

test('beside a binding that is known, an unknown one is not looked at', async () => {
  const principal = principalWith({ jkt: JKT, kid: 'x', jku: 'https://evil.example' })
  expect((await ask(principal, { scheme: 'DPoP', dpop: GOOD })).code).toBe('passed')
})

test('where nothing has to be waited for, nothing is waited for', () => {
  const layer = boundTokenLayer({ dpop: GOOD, certificateOf: undefined, onResult: () => {} })
  const principal = principalWith({ jkt: JKT })
  expect(layer(() => principal)({ token: 't', scheme: 'DPoP' }, factsOf(), NOTES)).toBe(principal)
})
