/**
 * Proofs of possession at a gateway that is reloaded, reports, fills up and is scraped: what was used stays used, and
 * nobody's proof or token gets into the log.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { dpopProof, type ProofOptions, type ProofSigner, proofSigner, withBadSignature } from '../support/dpop-proof.ts'
import { type Reply, startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { manualTime } from '../support/manual-time.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const BASE = 'https://api.example.com'
const ENTRIES = 1000
const dpop = { baseUrls: [BASE], maxAge: '60s', clockTolerance: '5s', replay: { entries: ENTRIES } }
/** Proofs are too old after it, and forgotten. */
const LIFE_MS = 75_000
/** Longer than any proof is remembered by any configuration here. */
const PAUSE_MS = 31 * 60_000

const time = manualTime(Date.now())
let issuer: TestIssuer
let upstream: TestUpstream
let gateway: TestGateway
let signer: ProofSigner
let token: string
/** Everything that the log must not have. */
const sent: string[] = []

const config = (change: Record<string, unknown> = {}): Record<string, unknown> => ({
  listen: '127.0.0.1:0',
  admin: { listen: '127.0.0.1:0' },
  log: { level: 'trace' },
  providers: { main: testProvider(issuer) },
  upstreams: { app: upstream.url },
  routes: [
    { id: 'report', path: '/report/**', mode: 'report', require: { proof: 'dpop' } },
    { id: 'optional', path: '/optional/**', access: 'optional' },
    { id: 'bound', path: '/bound/**', require: { proof: 'dpop' } },
    { id: 'other', path: '/other/**', credentials: [{ header: 'X-Token' }, { query: 'access_token' }] },
    { id: 'all', path: '/**' },
  ],
  dpop,
  ...change,
})

beforeAll(async () => {
  issuer = await startTestIssuer()
  upstream = await startTestUpstream()
  gateway = await startTestGateway(config(), { clock: time })
  signer = await proofSigner()
})
afterAll(async () => {
  await gateway.close()
  await Promise.all([issuer.close(), upstream.close()])
})
beforeEach(async () => {
  await time.advance(PAUSE_MS)
  await reload()
  token = await mint({ jkt: signer.jkt })
})

async function reload(change: Record<string, unknown> = {}): Promise<void> {
  gateway.write('sallyport.yaml', stringify(config(change), { aliasDuplicateObjects: false }))
  const rejected = gateway.logs.filter(({ msg }) => msg === 'configuration rejected, the old one stays').length
  await gateway.running.reload()
  expect(gateway.logs.filter(({ msg }) => msg === 'configuration rejected, the old one stays')).toHaveLength(rejected)
}

async function mint(cnf?: Record<string, unknown>): Promise<string> {
  const iat = Math.floor(time.nowMs() / 1000)
  const minted = await issuer.mint({ cnf, iat, exp: iat + 3600, scope: 'a:read' })
  sent.push(minted)
  return minted
}

function proof(path: string, options: Partial<ProofOptions> = {}, by = signer): string {
  const made = dpopProof(by, { url: BASE + path, token, nowMs: time.nowMs(), ...options })
  sent.push(made)
  return made
}

interface Outcome extends Reply {
  readonly code: string
}

async function send(path: string, headers: Record<string, string>): Promise<Outcome> {
  const reply = await gateway.request(path, { headers })
  return { ...reply, code: reply.status === 200 ? 'passed' : String(reply.json().code) }
}

const use = (text: string, path = '/a', presented = token): Promise<Outcome> =>
  send(path, { authorization: `DPoP ${presented}`, dpop: text })

/** What the service saw of the last request. */
const seen = () => upstream.seen.at(-1)?.headers ?? {}

describe('what was used stays used', () => {
  test('after a reload that changes the rules for proofs', async () => {
    const used = proof('/a')
    expect((await use(used)).code).toBe('passed')
    await reload({ dpop: { ...dpop, baseUrls: [BASE, 'https://b.example'], replay: { entries: 2 * ENTRIES } } })
    expect((await use(used)).code).toBe('proof_replayed')
    await reload({ dpop: { ...dpop, replay: { entries: ENTRIES } } })
    expect((await use(used)).code).toBe('proof_replayed')
  })

  test('after a reload that takes proofs away, and one that brings them back', async () => {
    const used = proof('/a')
    expect((await use(used)).code).toBe('passed')
    await reload({ dpop: undefined, routes: [{ id: 'all', path: '/**' }] })
    expect((await use(used)).code).toBe('scheme_unsupported')
    expect((await send('/a', { authorization: `Bearer ${token}`, dpop: used })).code).toBe('proof_required')
    await reload()
    expect((await use(used)).code).toBe('proof_replayed')
  })

  test('after a reload that lets proofs be older, at once and when it would have been forgotten', async () => {
    const used = proof('/a')
    expect((await use(used)).code).toBe('passed')
    await reload({ dpop: { ...dpop, maxAge: '30m' } })
    expect((await use(used)).code).toBe('proof_replayed')
    await time.advance(LIFE_MS)
    expect((await use(used)).code).toBe('proof_invalid')
    expect((await use(proof('/a'))).code).toBe('passed')
  })

  test('after a reload by which nonces tell the time no longer', async () => {
    gateway.write('nonce-secret', randomBytes(32).toString('base64'))
    await reload({ dpop: { ...dpop, nonce: { secretFile: 'nonce-secret', lifetime: '10s' } } })
    const nonce = String((await use(proof('/a'))).headers['dpop-nonce'])
    const used = proof('/a', { nonce })
    expect((await use(used)).code).toBe('passed')
    await time.advance(12_000)
    await reload()
    expect((await use(used)).code).toBe('proof_invalid')
    expect((await use(proof('/a'))).code).toBe('passed')
  })
})

test('a new secret makes new nonces, and the old ones are good no longer', async () => {
  const nonces = { ...dpop, nonce: { secretFile: 'nonce-secret', lifetime: '5m' } }
  gateway.write('nonce-secret', randomBytes(32).toString('base64'))
  await reload({ dpop: nonces })
  const old = String((await use(proof('/a'))).headers['dpop-nonce'])
  await reload({ dpop: nonces })
  expect((await use(proof('/a', { nonce: old }))).code).toBe('passed')
  gateway.write('nonce-secret', `${randomBytes(32).toString('base64')}\n`)
  await reload({ dpop: nonces })
  const refused = await use(proof('/a', { nonce: old }))
  expect(refused.code).toBe('proof_nonce_required')
  expect((await use(proof('/a', { nonce: String(refused.headers['dpop-nonce']) }))).code).toBe('passed')
})

test('one key fills half of the memory, and a full one refuses everybody until it forgets', async () => {
  const signers = [signer, ...(await Promise.all([proofSigner(), proofSigner(), proofSigner()]))]
  const tokens = await Promise.all(signers.map(({ jkt }) => mint({ jkt })))
  const useBy = (index: number) => {
    const by = signers[index] ?? signer
    const presented = tokens[index] ?? ''
    return use(dpopProof(by, { url: `${BASE}/a`, token: presented, nowMs: time.nowMs() }), '/a', presented)
  }
  const entries = async () => (await gateway.metrics()).get('sallyport_proof_replay_entries')
  expect(await entries()).toBe(0)
  for (let times = 0; times < ENTRIES / 2; times += 1) expect((await useBy(0)).code).toBe('passed')
  const refused = await useBy(0)
  expect(refused).toMatchObject({ status: 503, code: 'overloaded' })
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect(refused.headers).not.toHaveProperty('www-authenticate')
  for (let times = 0; times < ENTRIES / 2; times += 1) expect((await useBy(1)).code).toBe('passed')
  expect(await entries()).toBe(ENTRIES)
  expect((await useBy(2)).code).toBe('overloaded')
  // On a report-only route it is noted, and the caller is nobody.
  const presented = tokens[2] ?? ''
  const own = dpopProof(signers[2] ?? signer, { url: `${BASE}/report/a`, token: presented, nowMs: time.nowMs() })
  expect((await use(own, '/report/a', presented)).code).toBe('passed')
  expect(seen()).not.toHaveProperty('x-auth-subject')
  await time.advance(LIFE_MS)
  expect(await entries()).toBe(0)
  expect((await useBy(2)).code).toBe('passed')
})

describe('a route that reports', () => {
  test('passes a bound token without its proof, as nobody, and notes it', async () => {
    for (const [headers, code] of [
      [{ authorization: `Bearer ${token}` }, 'proof_required'],
      [{ authorization: `DPoP ${token}` }, 'proof_required'],
      [{ authorization: `DPoP ${token}`, dpop: withBadSignature(proof('/report/a')) }, 'proof_invalid'],
      [{ authorization: `DPoP ${token}`, dpop: proof('/report/a', {}, await proofSigner()) }, 'proof_mismatch'],
    ] as const) {
      const requestId = randomBytes(8).toString('hex')
      expect((await send('/report/a', { ...headers, 'x-request-id': requestId })).status).toBe(200)
      expect(await gateway.logged({ request_id: requestId })).toMatchObject({ reported: code })
      expect(seen()).not.toHaveProperty('x-auth-subject')
      expect(seen()).not.toHaveProperty('dpop')
    }
  })

  test('passes a bound token with its proof, as who it is', async () => {
    expect((await use(proof('/report/a'), '/report/a')).code).toBe('passed')
    expect(seen()).toMatchObject({ 'x-auth-subject': 'alice' })
    expect(seen()).not.toHaveProperty('dpop')
  })

  test('notes an unbound token where a proof is asked for, and says who it is', async () => {
    const unbound = await mint()
    expect((await send('/report/a', { authorization: `Bearer ${unbound}` })).code).toBe('passed')
    expect(seen()).toMatchObject({ 'x-auth-subject': 'alice' })
  })
})

test('a route that asks for proofs takes no unbound token, and challenges for DPoP alone', async () => {
  const unbound = await mint()
  const refused = await send('/bound/a', { authorization: `Bearer ${unbound}` })
  expect(refused).toMatchObject({ status: 401, code: 'proof_required' })
  expect(String(refused.headers['www-authenticate'])).toMatch(/^DPoP .*error="invalid_token".*algs="/)
  expect(String(refused.headers['www-authenticate'])).not.toContain('Bearer')
  expect((await use(proof('/bound/a'), '/bound/a')).code).toBe('passed')
})

test('a route that is open to everybody takes nobody for anonymous who brings a bound token without its proof', async () => {
  expect((await send('/optional/a', {})).code).toBe('passed')
  expect((await send('/optional/a', { dpop: proof('/optional/a') })).code).toBe('passed')
  expect(seen()).not.toHaveProperty('dpop')
  expect((await send('/optional/a', { authorization: `Bearer ${token}` })).code).toBe('proof_required')
  expect((await send('/optional/a', { authorization: `DPoP ${token}` })).code).toBe('proof_required')
  expect((await use(proof('/optional/a'), '/optional/a')).code).toBe('passed')
})

test('from other places a bound token is refused, with a good proof, too', async () => {
  const dpopOf = () => proof('/other/a')
  expect((await send('/other/a', { 'x-token': token, dpop: dpopOf() })).code).toBe('proof_required')
  expect((await send(`/other/a?access_token=${token}`, { dpop: dpopOf() })).code).toBe('proof_required')
  const unbound = await mint()
  expect((await send('/other/a', { 'x-token': unbound, dpop: dpopOf() })).code).toBe('passed')
  expect(seen()).not.toHaveProperty('dpop')
})

test('each proof is counted once, by what became of it', async () => {
  const counts = async () => {
    const found = [...(await gateway.metrics())].flatMap(([name, value]) => {
      const [, result] = /^sallyport_proofs_total\{provider="main",kind="dpop",result="(\w+)"\}$/.exec(name) ?? []
      return result === undefined ? [] : [[result, value] as const]
    })
    return new Map(found)
  }
  const before = await counts()
  const used = proof('/a')
  await use(used)
  await use(used)
  await use(withBadSignature(proof('/a')))
  await use(proof('/a', {}, await proofSigner()))
  await send('/a', { authorization: `Bearer ${token}` })
  await send('/a', { authorization: `Bearer ${await mint()}`, dpop: proof('/a') })
  const after = await counts()
  const growth = [...after].map(([result, value]) => [result, value - (before.get(result) ?? 0)] as const)
  const grown = Object.fromEntries(growth.filter(([, value]) => value !== 0))
  expect(grown).toEqual({ valid: 1, replayed: 1, invalid: 1, mismatch: 1, required: 1 })
})

test('the log has no proof and no token, whatever became of them', async () => {
  for (const text of [
    proof('/a'),
    withBadSignature(proof('/a')),
    `${proof('/a')}, ${proof('/a')}`,
    proof('/a').slice(9),
  ])
    await use(text)
  await use(proof('/a', { claims: { htm: token, htu: proof('/b'), jti: token } }))
  await use(proof(`/a/${token}`), `/a/${token}`)
  await send(`/a?dpop=${proof('/a')}`, { authorization: `DPoP ${proof('/a')}`, dpop: token })
  const log = gateway.logText()
  expect(sent.length).toBeGreaterThan(20)
  for (const secret of sent)
    for (const part of secret.split('.').map(text => text.slice(4, 40))) {
      if (part.startsWith(Buffer.from('{"alg":"').toString('base64url').slice(4))) continue
      expect(log).not.toContain(part)
    }
})
