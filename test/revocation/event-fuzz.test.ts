/**
 * Whatever is sent as a logout token or a security event: it is refused and changes nothing, or it was signed by the
 * provider for us and revokes what it names, up to its own time, once.
 */
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { statementVerifier } from '../../src/authenticate/jwt/statement-verifier.ts'
import type { RevocationEntry } from '../../src/revocation/entry.ts'
import { eventMemory } from '../../src/revocation/event-answers.ts'
import { logoutResponder } from '../../src/revocation/logout-endpoint.ts'
import { revocations } from '../../src/revocation/revocations.ts'
import { revoker } from '../../src/revocation/revoker.ts'
import { signalsResponder } from '../../src/revocation/signals-endpoint.ts'
import type { RequestFacts, Responder } from '../../src/types.ts'
import { ISSUER, NOW, rawToken, type Signer, signer, TestKeySet } from '../authenticate/support.ts'
import { endpointContext } from '../support/facts.ts'
import { manualTime } from '../support/manual-time.ts'

const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout'
const REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const SECRET = 'x'.repeat(32)

let by: Signer
let stranger: Signer
beforeAll(async () => {
  by = await signer('ES256')
  stranger = await signer('ES256', 'stranger')
})

const facts = (type: string): RequestFacts => ({
  method: 'POST',
  target: '/events',
  httpVersion: '1.1',
  rawHeaders: ['Content-Type', type, 'Authorization', `Bearer ${SECRET}`],
  peer: { address: '127.0.0.1', protocol: 'http' },
  hasBody: undefined,
  headBytes: 0,
})

/** An endpoint of its own each, with a table of its own. */
function endpoints() {
  const time = manualTime(NOW * 1000)
  const known = revocations({ clock: time, scheduler: time, onEvent() {}, onState() {} })
  known.configure({ entries: 1_000_000, maxStaleMs: undefined, fileEntries: [] })
  const revoked: RevocationEntry[] = []
  const inner = revoker({ revocations: known, tellSiblings() {}, writer: () => undefined })
  const shared = {
    provider: 'main',
    events: statementVerifier({ issuer: ISSUER, keySet: new TestKeySet(by.key), clockToleranceSeconds: 5 }),
    keepSeconds: 3600,
    clock: time,
    memory: eventMemory(time),
    revocations: known,
    onRefused() {},
    revoker: {
      revoke(entry: RevocationEntry, source: 'logout' | 'signals') {
        revoked.push(entry)
        return inner.revoke(entry, source)
      },
    },
  } as const
  const send = async (respond: Responder, type: string, body: string): Promise<number> => {
    const answer = respond(facts(type), ...endpointContext())
    if (!('answer' in answer)) throw new Error('the endpoint wants no body')
    return (await answer.answer(Buffer.from(body))).status
  }
  const logout = logoutResponder({ ...shared, clientId: 'shop', covers: 'session' })
  const signals = signalsResponder({ ...shared, audience: 'shop', secrets: [Buffer.from(SECRET)] })
  return {
    known,
    revoked,
    logOut: (token: string) =>
      send(logout, 'application/x-www-form-urlencoded', new URLSearchParams({ logout_token: token }).toString()),
    signal: (token: string) => send(signals, 'application/secevent+jwt', token),
  }
}

const ours = {
  logOut: {
    typ: 'logout+jwt',
    claims: { iss: ISSUER, aud: 'shop', iat: NOW, exp: NOW + 60, events: { [LOGOUT]: {} } },
  },
  signal: {
    typ: 'secevent+jwt',
    claims: {
      iss: ISSUER,
      aud: 'shop',
      iat: NOW,
      events: { [REVOKED]: { event_timestamp: NOW - 3 } },
      sub_id: { format: 'iss_sub', iss: ISSUER, sub: 'alice' },
    },
  },
} as const
const KINDS = ['logOut', 'signal'] as const
type Kind = (typeof KINDS)[number]
const good = (kind: Kind, jti: string, more: object = {}): string =>
  rawToken(
    by,
    JSON.stringify({ alg: 'ES256', kid: 'k1', typ: ours[kind].typ }),
    JSON.stringify({ ...ours[kind].claims, jti, ...(kind === 'logOut' ? { sid: 's1' } : {}), ...more }),
  )

const kindOf = fc.constantFrom(...KINDS)
const ACCEPTED = { logOut: 200, signal: 202 } as const

test('a token that is changed anywhere changes nothing', async () => {
  const { known, logOut, signal } = endpoints()
  const send = { logOut, signal }
  const { generation } = known
  await fc.assert(
    fc.asyncProperty(kindOf, fc.nat(), fc.stringMatching(/^[A-Za-z0-9_.-]{0,3}$/), async (kind, at, put) => {
      const token = good(kind, 'changed')
      const place = at % token.length
      const changed = token.slice(0, place) + put + token.slice(place + 1)
      // The last character of a signature may hold bits that count for nothing.
      fc.pre(
        Buffer.from(changed.split('.')[2] ?? '', 'base64url').compare(
          Buffer.from(token.split('.')[2] ?? '', 'base64url'),
        ) !== 0 || changed.split('.').slice(0, 2).join() !== token.split('.').slice(0, 2).join(),
      )
      expect(await send[kind](changed)).toBe(400)
      expect(known.generation).toBe(generation)
    }),
    { numRuns: 400 },
  )
})

test('a token of anybody else changes nothing', async () => {
  const { known, logOut, signal } = endpoints()
  const { generation } = known
  for (const kind of KINDS) {
    const { typ, claims } = ours[kind]
    const token = rawToken(
      stranger,
      JSON.stringify({ alg: 'ES256', kid: 'k1', typ }),
      JSON.stringify({ ...claims, jti: 'x', sid: 's1' }),
    )
    expect(await (kind === 'logOut' ? logOut : signal)(token)).toBe(400)
  }
  expect(known.generation).toBe(generation)
})

test('whatever claims the provider signs, only what is well-formed and for us revokes, and only up to its own time', async () => {
  const { known, revoked, logOut, signal } = endpoints()
  const send = { logOut, signal }
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>('shop', ISSUER, NOW, NOW + 1e9, -1, '', 'alice', { [LOGOUT]: {} }, { [REVOKED]: {} }),
  )
  const members = ['iss', 'aud', 'iat', 'exp', 'events', 'sid', 'sub', 'sub_id', 'nonce', 'toe', 'jti'] as const
  let count = 0
  await fc.assert(
    fc.asyncProperty(
      kindOf,
      fc.subarray([...members], { maxLength: 3 }),
      fc.array(odd, { minLength: 3, maxLength: 3 }),
      async (kind, changed, values) => {
        const more = Object.fromEntries(changed.map((member, index) => [member, values[index]]))
        const before = { generation: known.generation, entries: revoked.length }
        const status = await send[kind](good(kind, `id-${count++}`, more))
        if (status !== ACCEPTED[kind]) {
          expect(status).toBe(400)
          expect([known.generation, revoked.length]).toEqual([before.generation, before.entries])
          return
        }
        for (const entry of revoked.slice(before.entries)) {
          expect(entry.issuer).toBe(ISSUER)
          expect(['sid', 'sub']).toContain(entry.kind)
          expect(entry.value).not.toBe('')
          expect(entry.before).toBeLessThanOrEqual(NOW + 5)
        }
      },
    ),
    { numRuns: 600 },
  )
})

test('a token that comes again changes nothing', async () => {
  const { known, revoked, logOut, signal } = endpoints()
  const [token, event] = [good('logOut', 'once'), good('signal', 'once')]
  expect([await logOut(token), await signal(event)]).toEqual([200, 202])
  const { generation } = known
  expect([await logOut(token), await signal(event)]).toEqual([400, 202])
  expect([known.generation, revoked.length]).toEqual([generation, 2])
})
