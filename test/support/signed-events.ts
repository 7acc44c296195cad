/** Logout tokens and security events signed with a key in memory, and the endpoints that take them. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { statementVerifier } from '../../src/authenticate/jwt/statement-verifier.ts'
import type { RevocationEntry } from '../../src/revocation/entry.ts'
import { eventMemory } from '../../src/revocation/event-answers.ts'
import { logoutResponder } from '../../src/revocation/logout-endpoint.ts'
import type { Revoker } from '../../src/revocation/revoker.ts'
import { signalsResponder } from '../../src/revocation/signals-endpoint.ts'
import type { Answer, KeySet, Responder } from '../../src/types.ts'
import { endpointContext, factsOf } from './facts.ts'

export const SECRET = 'a-secret-of-the-transmitter-0123456789'
const ISSUER = 'https://auth.example.com/'
/** 2026-01-01T00:00:00Z */
const NOW = 1_767_225_600

export type Revoked = Awaited<ReturnType<Revoker['revoke']>>

type Members = Readonly<Record<string, unknown>>

interface EventDesk {
  /** What the endpoints have asked for, in order. */
  readonly revoked: readonly RevocationEntry[]
  readonly reasons: readonly string[]
  /** Seconds that go by. */
  wait(seconds: number): void
  sign(header: Members, claims: Members): string
  logoutToken(claims?: Members): string
  securityEvent(claims?: Members): string
  logOut(token: string): Promise<Answer>
  push(token: string): Promise<Answer>
}

interface EventDeskOptions {
  /** What becomes of what is revoked; left out, it is applied. */
  readonly revoke?: (entry: RevocationEntry) => Promise<Revoked>
  readonly keySet?: Partial<KeySet>
}

const APPLIED: Revoked = { result: 'applied', scope: 'process', id: undefined, isQueued: false }

export function eventDesk({ revoke = async () => APPLIED, keySet = {} }: EventDeskOptions = {}): EventDesk {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = { kid: 'k1', algorithms: new Set(['ES256']), key: publicKey }
  const revoked: RevocationEntry[] = []
  const reasons: string[] = []
  let passed = 0
  let ids = 0
  const clock = { nowMs: () => (NOW + passed) * 1000, monotonicMs: () => passed * 1000 }
  const shared = {
    provider: 'main',
    events: statementVerifier({
      issuer: ISSUER,
      clockToleranceSeconds: 5,
      keySet: {
        select: () => [key],
        isCurrent: () => true,
        status: () => ({ usable: true, keys: [], skipped: {}, lastSuccessSeconds: NOW, lastError: undefined }),
        ...keySet,
      },
    }),
    keepSeconds: 86_400,
    clock,
    memory: eventMemory(clock),
    revoker: {
      revoke(entry: RevocationEntry) {
        revoked.push(entry)
        return revoke(entry)
      },
    },
    revocations: { invalid() {}, acknowledged() {} },
    onRefused: (_source: unknown, _provider: unknown, reason: string) => void reasons.push(reason),
  }
  const logout = logoutResponder({ ...shared, clientId: 'shop', covers: 'session' })
  const signals = signalsResponder({ ...shared, audience: 'events', secrets: [Buffer.from(SECRET)] })
  const signed = (header: Members, claims: Members): string => {
    const text = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    return `${text}.${signature.toString('base64url')}`
  }
  const common = (): Members => ({ iss: ISSUER, iat: NOW + passed, jti: `id-${ids++}` })
  return {
    revoked,
    reasons,
    wait(seconds) {
      passed += seconds
    },
    sign: signed,
    logoutToken: claims =>
      signed(
        { alg: 'ES256', kid: 'k1', typ: 'logout+jwt' },
        {
          ...common(),
          aud: 'shop',
          exp: NOW + passed + 120,
          sid: 's1',
          events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
          ...claims,
        },
      ),
    securityEvent: claims =>
      signed(
        { alg: 'ES256', kid: 'k1', typ: 'secevent+jwt' },
        {
          ...common(),
          aud: 'events',
          sub_id: { format: 'iss_sub', iss: ISSUER, sub: 'alice' },
          events: { 'https://schemas.openid.net/secevent/risc/event-type/account-disabled': {} },
          ...claims,
        },
      ),
    logOut: token => answered(logout, 'application/x-www-form-urlencoded', `logout_token=${encodeURIComponent(token)}`),
    push: token => answered(signals, 'application/secevent+jwt', token),
  }
}

async function answered(respond: Responder, type: string, body: string): Promise<Answer> {
  const rawHeaders = ['Content-Type', type, 'Authorization', `Bearer ${SECRET}`]
  const wanted = await respond(factsOf({ method: 'POST', rawHeaders }), ...endpointContext())
  return 'mostBytes' in wanted ? await wanted.answer(Buffer.from(body, 'utf8')) : wanted
}
