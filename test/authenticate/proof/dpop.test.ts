/** The order in which a proof is judged, what it may cost and leave behind, and what is told of it. */
import fc from 'fast-check'
import { compactVerify, EmbeddedJWK } from 'jose'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type DpopJudge, dpopJudge } from '../../../src/authenticate/proof/dpop.ts'
import { type Nonces, nonces } from '../../../src/authenticate/proof/nonce.ts'
import type { ReplayGuard } from '../../../src/authenticate/proof/replay-guard.ts'
import { targetUris } from '../../../src/authenticate/proof/target-uri.ts'
import type { ReplayAnswer, UsedProof } from '../../../src/authenticate/proof/used-proof.ts'
import { Denial } from '../../../src/errors.ts'
import type { Principal } from '../../../src/types.ts'
import {
  accessTokenHash,
  dpopProof,
  type ProofOptions,
  type ProofSigner,
  proofSigner,
  withBadSignature,
} from '../../support/dpop-proof.ts'
import { factsOf } from '../../support/facts.ts'
import { manualTime } from '../../support/manual-time.ts'

const BASE = 'https://api.example.com'
const TOKEN = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.${'s'.repeat(86)}`

let signer: ProofSigner
let stranger: ProofSigner
beforeAll(async () => {
  signer = await proofSigner()
  stranger = await proofSigner()
})

let time: ReturnType<typeof manualTime>
let used: UsedProof[]
beforeEach(() => {
  time = manualTime()
  used = []
})

/** A principal of its own for each judge, as a token has one. */
function principal(): Principal {
  return {
    provider: 'main',
    claims: {},
    scopes: new Set(),
    roles: new Set(),
    audiences: [],
    expiresAtSeconds: 0,
    validUntilMs: 0,
    confirmation: { jkt: signer.jkt, certificateThumbprint: undefined },
    standing: { fingerprints: [], reader: undefined, clearAt: -1 },
    kept: { newest: undefined },
    tenure: undefined,
  }
}

interface JudgeOptions {
  readonly replay?: ReplayGuard
  readonly nonces?: Nonces
}

function judge({ replay, nonces: asked }: JudgeOptions = {}): DpopJudge {
  return dpopJudge({
    targetUris: targetUris([BASE]),
    baseUrls: [BASE],
    algorithms: new Set(['ES256', 'ES384']),
    maxAgeSeconds: 60,
    clockToleranceSeconds: 5,
    nonces: asked,
    replay:
      replay ??
      (proof => {
        used.push(proof)
        return 'new'
      }),
    clock: time,
  })
}

const proof = (options: Partial<ProofOptions> = {}, by = signer): string =>
  dpopProof(by, { url: `${BASE}/orders`, token: TOKEN, nowMs: time.nowMs(), ...options })

interface Told {
  readonly code: string
  readonly evidence: Readonly<Record<string, unknown>>
  readonly lines: readonly string[]
}

async function ask(text: string, judged: DpopJudge = judge(), who = principal()): Promise<Told> {
  const notes = { path: '/orders', responseLines: [] as readonly string[], isPrivate: false }
  const facts = factsOf({ rawHeaders: ['Host', 'elsewhere.example', 'DPoP', text] })
  try {
    const code = await judged({ token: TOKEN, principal: who, jkt: signer.jkt }, facts, notes)
    return { code, evidence: {}, lines: notes.responseLines }
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return { code: error.code, evidence: error.evidence ?? {}, lines: notes.responseLines }
  }
}

test('a proof with every fault is refused for the cheapest to find', async () => {
  const faults: ReadonlyArray<readonly [reason: string, Partial<ProofOptions>]> = [
    ['typ', { header: { typ: 'JWT' } }],
    ['alg', { header: { alg: 'none' } }],
    ['jwk', { header: { jwk: {} } }],
    ['htm', { claims: { htm: 'POST' } }],
    ['htu', { claims: { htu: 'https://evil.example/orders' } }],
    ['iat', { claims: { iat: 1 } }],
    ['ath', { claims: { ath: '' } }],
    ['jti', { claims: { jti: '' } }],
  ]
  for (const [index, [reason]] of faults.entries()) {
    const rest = faults.slice(index).map(([, options]) => options)
    const header = Object.assign({}, ...rest.map(options => options.header))
    const claims = Object.assign({}, ...rest.map(options => options.claims))
    // The key is another one, and the signature does not hold, either.
    expect((await ask(withBadSignature(proof({ header, claims }, stranger)))).evidence.reason).toBe(reason)
  }
  expect((await ask(withBadSignature(proof({}, stranger)))).evidence.reason).toBe('the signature does not hold')
  expect((await ask(proof({}, stranger))).code).toBe('proof_mismatch')
  expect(used).toEqual([])
})

test('of all that a good proof can be turned into by changing, leaving out or adding one character, nothing passes', async () => {
  const good = proof({ claims: { jti: 'id' } })
  const judged = judge()
  const character = fc.constantFrom(...'ABab01-_.=+/ ~,\u00e9')
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.constantFrom(0, 1), fc.option(character), async (at, cut, put) => {
      const changed = good.slice(0, at) + (put ?? '') + good.slice(at + cut)
      if (changed === good) return
      expect((await ask(changed, judged)).code).toMatch(/^proof_(?:invalid|mismatch)$/)
    }),
    { numRuns: 1000 },
  )
  expect(used).toEqual([])
})

test('whatever header and payload are, jose verifies what passes, and each claim is as it was wanted', async () => {
  const either = <T>(wanted: T, ...others: readonly unknown[]) =>
    fc.oneof(
      { weight: 6, arbitrary: fc.constant<unknown>(wanted) },
      fc.constantFrom<unknown>(undefined, null, ...others),
    )
  const seconds = Math.floor(time.nowMs() / 1000)
  const header = fc.record({
    typ: either('dpop+jwt', 'JWT', 'DPoP+jwt'),
    alg: either('ES256', 'ES384', 'none', 'HS256'),
    jwk: either(signer.jwk, stranger.jwk, signer.privateJwk, {}),
    crit: fc.constantFrom(undefined, undefined, undefined, []),
  })
  const claims = fc.record({
    htm: either('GET', 'POST', 'get'),
    htu: either(`${BASE}/orders`, `${BASE}/order`, 'https://evil.example/orders'),
    iat: either(seconds, seconds - 66, seconds + 6, '1'),
    ath: either(accessTokenHash(TOKEN), accessTokenHash('other'), ''),
    jti: either('id', '', 1),
  })
  let passed = 0
  await fc.assert(
    fc.asyncProperty(header, claims, async (header, claims) => {
      const text = proof({ header, claims })
      if ((await ask(text)).code !== 'valid') return
      passed += 1
      await compactVerify(text, EmbeddedJWK, { algorithms: ['ES256'] })
      expect(header).toEqual({ typ: 'dpop+jwt', alg: 'ES256', jwk: signer.jwk, crit: undefined })
      const ath = accessTokenHash(TOKEN)
      expect(claims).toEqual({ htm: 'GET', htu: `${BASE}/orders`, iat: seconds, ath, jti: 'id' })
    }),
    { numRuns: 500 },
  )
  expect(passed).toBeGreaterThan(0)
})

describe('only a valid proof is remembered', () => {
  test('by its key and its id, with the time when it was made and the one up to which it is taken', async () => {
    const iat = Math.floor(time.nowMs() / 1000) - 7
    expect((await ask(proof({ claims: { jti: 'id', iat } }))).code).toBe('valid')
    expect(used).toEqual([{ jkt: signer.jkt, jti: 'id', madeAtMs: iat * 1000, expiresAtMs: (iat + 65) * 1000 + 1 }])
  })

  test('with a nonce, by the time of that, whatever iat says', async () => {
    const own = nonces({ secret: Buffer.alloc(32, 1), lifetimeMs: 60_000, clock: time })
    const text = proof({ nonce: own.current(), claims: { jti: 'id', iat: 9e12 } })
    expect((await ask(text, judge({ nonces: own }))).code).toBe('valid')
    const expiresAtMs = Math.floor(time.nowMs() / 30_000) * 30_000 + 60_000
    expect(used).toEqual([{ jkt: signer.jkt, jti: 'id', madeAtMs: expiresAtMs, expiresAtMs }])
  })

  test.each([
    ['valid', 'new'],
    ['valid_local', 'local'],
    ['proof_replayed', 'replayed'],
    ['proof_invalid', 'forgotten'],
    ['overloaded', 'full'],
    ['overloaded', 'full_for_key'],
    ['replay_store_unavailable', 'unavailable'],
  ] as const)('it is %s when the memory says: %s', async (code, answer) => {
    for (const replay of [() => answer, () => Promise.resolve(answer)])
      expect((await ask(proof(), judge({ replay }))).code).toBe(code)
  })

  test('what the memory says is told to the log, with the key where it is about one', async () => {
    const evidenceOf = async (answer: ReplayAnswer) => (await ask(proof(), judge({ replay: () => answer }))).evidence
    expect(await evidenceOf('replayed')).toEqual({ jkt: signer.jkt })
    expect(await evidenceOf('full_for_key')).toEqual({
      jkt: signer.jkt,
      reason: 'the proofs of this key fill half of the memory (dpop.replay.entries)',
    })
    expect(await evidenceOf('full')).toEqual({ reason: 'no further proof can be remembered (dpop.replay.entries)' })
  })

  test('a memory that fails lets nobody in', async () => {
    const replay = () => Promise.reject(new Error('broken'))
    await expect(ask(proof(), judge({ replay }))).rejects.toThrow('broken')
  })
})

describe('the key that is kept with a token', () => {
  test('is that of the token alone: another key is judged anew, and stays another one', async () => {
    const [judged, who] = [judge(), principal()]
    for (let times = 0; times < 2; times += 1) {
      expect((await ask(proof(), judged, who)).code).toBe('valid')
      expect((await ask(proof({}, stranger), judged, who)).code).toBe('proof_mismatch')
      // The header of the one under the signature of the other.
      expect((await ask(proof({ header: { jwk: signer.jwk } }, stranger), judged, who)).code).toBe('proof_invalid')
      expect((await ask(proof({ header: { kid: String(times) } }), judged, who)).code).toBe('valid')
    }
  })

  test('does for slow signatures, too, and nothing else is slow', async () => {
    const facts = factsOf({ rawHeaders: ['DPoP', proof()] })
    const notes = { path: '/orders', responseLines: [], isPrivate: false }
    expect(judge()({ token: TOKEN, principal: principal(), jkt: signer.jkt }, facts, notes)).toBe('valid')
    const slow = await proofSigner('ES384')
    expect((await ask(proof({}, slow))).code).toBe('proof_mismatch')
    expect((await ask(withBadSignature(proof({}, slow)))).code).toBe('proof_invalid')
  })
})

describe('a nonce', () => {
  test('is handed out only to who has got so far, and no proof is remembered for it', async () => {
    const own = nonces({ secret: Buffer.alloc(32, 1), lifetimeMs: 60_000, clock: time })
    const judged = judge({ nonces: own })
    expect((await ask(proof({ claims: { htm: 'POST' } }), judged)).lines).toEqual([])
    expect(await ask(withBadSignature(proof({}, stranger)), judged)).toMatchObject({
      code: 'proof_nonce_required',
      evidence: { reason: 'there is no nonce' },
      lines: ['DPoP-Nonce', own.current()],
    })
    expect(await ask(proof({ nonce: 'a' }), judged)).toMatchObject({
      code: 'proof_nonce_required',
      evidence: { reason: 'the nonce is unknown or too old' },
    })
    expect(used).toEqual([])
  })
})

describe('the evidence', () => {
  test('says what was wanted and what was seen', async () => {
    expect((await ask(proof({ claims: { htm: 'POST' } }))).evidence).toEqual({
      reason: 'htm',
      wanted: 'GET',
      seen: 'POST',
    })
    expect((await ask(proof({ url: 'https://evil.example/a' }))).evidence).toEqual({
      reason: 'htu',
      wanted: `${BASE}, followed by /orders`,
      seen: 'https://evil.example/a',
    })
    expect((await ask(proof({ claims: { iat: Math.floor(time.nowMs() / 1000) - 100 } }))).evidence).toEqual({
      reason: 'iat',
      wanted: 'between 65 s ago and 5 s ahead',
      seen: '100 s ago',
    })
    expect((await ask(proof({}, stranger))).evidence).toEqual({ wanted: signer.jkt, seen: stranger.jkt })
  })

  test('has neither proof nor token, wherever a client has put them', async () => {
    const good = proof()
    const [, payload = '', signature = ''] = good.split('.')
    for (const secret of [TOKEN, good]) {
      for (const text of [
        secret === TOKEN ? TOKEN : withBadSignature(good),
        `${good}.`,
        `${secret}, ${secret}`,
        proof({ claims: { htm: secret } }),
        proof({ claims: { htu: secret } }),
        proof({ claims: { htu: `https://${secret}/orders` } }),
        proof({ claims: { htu: `https://${secret}:${secret}@evil.example/orders` } }),
        proof({ claims: { htu: `https://a@${secret}@evil.example/orders` } }),
        proof({ claims: { htu: `me:${secret}@evil.example/orders` } }),
        proof({ claims: { htu: `https://evil.example/${secret}` } }),
        proof({ claims: { htu: `https://evil.example/a?${secret}#${secret}` } }),
        proof({ claims: { ath: secret } }),
        proof({ claims: { jti: [secret] } }),
        proof({ claims: { iat: secret } }),
        proof({ claims: { jti: secret.repeat(3) } }),
      ]) {
        const { code, evidence } = await ask(text)
        expect(code).toBe('proof_invalid')
        expect(Object.keys(evidence)).toContain('reason')
        const shown = JSON.stringify(evidence)
        for (const part of ['eyJ', payload.slice(0, 20), signature.slice(0, 20), 's'.repeat(20)])
          expect(shown, shown).not.toContain(part)
      }
    }
  })
})
