/** Logout tokens and security events on a running gateway: what ends, what is answered, and what is refused. */

import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, exchangeBytes, startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'
import { AUDIENCE } from '../support/services/issuer.ts'

const EVENTS = 'https://orders.example.com/events'
const SECRET = 'a-secret-of-the-transmitter-0123456789'
const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout'
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'

let stack: TestStack
beforeAll(async () => {
  stack = await startTestStack(
    issuer => ({
      providers: { main: { ...testProvider(issuer), maxLifetime: '24h' } },
      routes: [
        { id: 'all', path: '/**' },
        { id: 'named', path: '/oauth/:name', access: 'public' },
      ],
      limits: { bodyIdleTimeout: '1s' },
      revocation: {
        backchannelLogout: [
          { provider: 'main', clientId: 'shop', path: '/oauth/logout' },
          { provider: 'main', clientId: 'shop', path: '/oauth/logout-all', covers: 'subject' },
        ],
        signals: [{ provider: 'main', audience: EVENTS, path: '/oauth/events', tokenFile: 'ssf' }],
      },
    }),
    { files: { ssf: `${SECRET}\n` } },
  )
})
afterAll(async () => {
  await stack.close()
})

type Members = Readonly<Record<string, unknown>>

const now = (): number => Math.floor(Date.now() / 1000)

/** A logout token with `claims` over good ones. */
const logoutToken = (claims: Members = {}, header: Members = { typ: 'logout+jwt' }): Promise<string> =>
  stack.issuer.mint(
    { aud: 'shop', sub: undefined, jti: randomUUID(), exp: now() + 120, events: { [LOGOUT]: {} }, ...claims },
    { header },
  )

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const logOut = (token: string, path = '/oauth/logout') =>
  stack.request(path, { method: 'POST', headers: form, body: `logout_token=${token}` })

const setToken = (claims: Members = {}, header: Members = { typ: 'secevent+jwt' }): Promise<string> =>
  stack.issuer.mint({ aud: EVENTS, sub: undefined, exp: undefined, jti: randomUUID(), ...claims }, { header })

const setHeaders = { 'content-type': 'application/secevent+jwt', ...bearer(SECRET) }
const push = (token: string, headers: Record<string, string> = setHeaders) =>
  stack.request('/oauth/events', { method: 'POST', headers, body: token })

const event = (uri: string, sub: string, members: Members = {}) =>
  setToken({ sub_id: { format: 'iss_sub', iss: stack.issuer.issuer, sub }, events: { [uri]: members } })

/** The status that a token with these claims gets. */
async function seen(claims: Members): Promise<number> {
  return (await stack.request('/x', { headers: bearer(await stack.issuer.mint(claims)) })).status
}

const old = (): { readonly iat: number } => ({ iat: now() - 10 })

describe('a logout token', () => {
  test('ends the session that it names, and not the next login with the same sid', async () => {
    // A token of the next second would be one of the next login.
    const then = old()
    const reply = await logOut(await logoutToken({ sid: 's1', sub: 'u1', ...then }))
    expect([reply.status, reply.text, reply.headers['cache-control']]).toEqual([200, '', 'no-store'])
    expect(await seen({ sid: 's1', ...then })).toBe(401)
    expect(await seen({ sid: 's1' })).toBe(200)
    expect(await seen({ sid: 's2', sub: 'u1', ...then })).toBe(200)
  })

  test('ends all of a subject when it names no session, or where the path says so', async () => {
    expect((await logOut(await logoutToken({ sub: 'u2' }))).status).toBe(200)
    expect(await seen({ sub: 'u2', ...old() })).toBe(401)
    expect((await logOut(await logoutToken({ sub: 'u3', sid: 's3' }), '/oauth/logout-all')).status).toBe(200)
    expect(await seen({ sub: 'u3', sid: 'another', ...old() })).toBe(401)
  })

  test('is refused when it comes again, and changes nothing', async () => {
    const token = await logoutToken({ sid: 's4' })
    expect((await logOut(token)).status).toBe(200)
    const again = await logOut(token)
    expect([again.status, again.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'The logout token is not accepted' },
    ])
    expect(again.headers['cache-control']).toBe('no-store')
  })

  const bad: ReadonlyArray<readonly [string, () => Members, Members?]> = [
    ['another audience', () => ({ aud: 'another' })],
    ['another issuer', () => ({ iss: 'https://evil.example.com/' })],
    ['a nonce', () => ({ nonce: 'n' })],
    ['no events', () => ({ events: undefined })],
    ['events that are a list', () => ({ events: [LOGOUT] })],
    ['another event', () => ({ events: { [`${CAEP}session-revoked`]: {} } })],
    ['an event that is no object', () => ({ events: { [LOGOUT]: true } })],
    ['no exp', () => ({ exp: undefined })],
    ['an exp that is over', () => ({ iat: now() - 300, exp: now() - 200 })],
    ['an iat in the future', () => ({ iat: now() + 3_000, exp: now() + 4_000 })],
    ['an iat of long ago', () => ({ iat: now() - 4_000 })],
    ['no iat', () => ({ iat: undefined })],
    ['no jti', () => ({ jti: undefined })],
    ['neither sid nor sub', () => ({ sid: undefined })],
    ['a sid that is no text', () => ({ sid: 7 })],
    ['a sid with control characters', () => ({ sid: 'a\nb' })],
    ['a sid that is too long', () => ({ sid: 'x'.repeat(2_000) })],
    ['the type of an access token', () => ({}), { typ: 'at+jwt' }],
    ['the type of a security event', () => ({}), { typ: 'secevent+jwt' }],
    ['a key that nobody knows', () => ({}), { typ: 'logout+jwt', kid: 'unknown' }],
  ]
  test.each(bad.map(([name, claims, header]) => ({ name, claims, header })))(
    'with $name is refused',
    async ({ claims, header }) => {
      const token = await logoutToken({ sid: 'untouched', ...claims() }, header)
      expect((await logOut(token)).status).toBe(400)
      expect(await seen({ sid: 'untouched', ...old() })).toBe(200)
      expect(stack.logText()).not.toContain(token.split('.')[2])
    },
  )

  test('that is none, unsigned, cut or changed is refused', async () => {
    const token = await logoutToken({ sid: 'untouched' })
    const [head = '', payload = '', signature = ''] = token.split('.')
    const none = Buffer.from('{"alg":"none","typ":"logout+jwt"}').toString('base64url')
    const other = Buffer.from(JSON.stringify({ iss: stack.issuer.issuer, sid: 'untouched' })).toString('base64url')
    for (const forged of [
      '',
      'x',
      `${none}.${payload}.`,
      `${none}.${payload}.${signature}`,
      `${head}.${payload}`,
      `${head}.${payload}.`,
      `${head}.${other}.${signature}`,
      `${token}&logout_token=${token}`,
    ])
      expect((await logOut(forged)).status, forged).toBe(400)
    expect((await logOut('', '/oauth/logout?logout_token=x')).status).toBe(400)
    expect(await seen({ sid: 'untouched', ...old() })).toBe(200)
  })

  test('is refused with one line in the log, which says why', async () => {
    await logOut(await logoutToken({ nonce: 'n' }))
    await stack.logged({ source: 'logout', provider: 'main', msg: 'a logout token was not taken' })
    expect(
      (await stack.metrics()).get('sallyport_revocation_events_total{source="logout",result="invalid"}'),
    ).toBeGreaterThan(0)
  })

  test('is never an access token', async () => {
    expect(
      (await stack.request('/x', { headers: bearer(await logoutToken({ aud: [AUDIENCE, 'shop'], sub: 'a' }, {})) }))
        .status,
    ).toBe(401)
    await stack.logged({ code: 'token_type_invalid' })
  })
})

describe('a security event', () => {
  test.each([
    [`${CAEP}session-revoked`, {}],
    [`${CAEP}credential-change`, { change_type: 'revoke' }],
    [`${RISC}account-disabled`, {}],
    [`${RISC}account-purged`, {}],
  ])('%s ends all of the subject', async (uri, members) => {
    const sub = randomUUID()
    const reply = await push(await event(uri, sub, members))
    expect([reply.status, reply.text]).toEqual([202, ''])
    expect(await seen({ sub, ...old() })).toBe(401)
  })

  test('about a session ends that alone', async () => {
    const iss = stack.issuer.issuer
    const subject = {
      format: 'complex',
      user: { format: 'iss_sub', iss, sub: 'u5' },
      session: { format: 'opaque', id: 's5' },
    }
    expect((await push(await setToken({ sub_id: subject, events: { [`${CAEP}session-revoked`]: {} } }))).status).toBe(
      202,
    )
    expect(await seen({ sid: 's5', ...old() })).toBe(401)
    expect(await seen({ sid: 's6', sub: 'u5', ...old() })).toBe(200)
  })

  test.each([
    ['opaque', { sub_id: { format: 'opaque', id: 'u6' } }, {}],
    ['as drafts of CAEP had it', {}, { subject: { user: { format: 'opaque', id: 'u6' } } }],
    ['as RISC had it', {}, { subject: { subject_type: 'iss-sub', iss: 'ISSUER', sub: 'u6' } }],
    ['in sub', { sub: 'u6' }, {}],
  ])('may name its subject %s', async (_, claims, members) => {
    const sub = randomUUID()
    const text = JSON.stringify({ ...claims, events: { [`${RISC}account-disabled`]: members } })
    const named = text.replaceAll('u6', sub).replace('ISSUER', stack.issuer.issuer)
    expect((await push(await setToken(JSON.parse(named) as Members))).status).toBe(202)
    expect(await seen({ sub, ...old() })).toBe(401)
  })

  test('counts from its own time, whatever its token says later, and from none that cannot be', async () => {
    const timed = async (claims: Members, members: Members): Promise<readonly number[]> => {
      const sub = randomUUID()
      const sub_id = { format: 'opaque', id: sub }
      await push(await setToken({ sub_id, events: { [`${CAEP}session-revoked`]: members }, ...claims }))
      return [await seen({ sub, iat: now() - 200 }), await seen({ sub, iat: now() - 50 })]
    }
    expect(await timed({}, { event_timestamp: now() - 100 })).toEqual([401, 200])
    expect(await timed({ toe: now() - 100 }, {})).toEqual([401, 200])
    expect(await timed({ toe: now() - 1_000 }, { event_timestamp: now() - 100 })).toEqual([401, 200])
    expect(await timed({ iat: now() - 100 }, { event_timestamp: Date.now() })).toEqual([401, 200])
    expect(await timed({ iat: now() - 100 }, { event_timestamp: -5 })).toEqual([401, 200])
    expect(await timed({}, { event_timestamp: '1' })).toEqual([401, 401])
  })

  test('without effect here is acknowledged and counted', async () => {
    const before =
      (await stack.metrics()).get('sallyport_revocation_events_total{source="signals",result="ignored"}') ?? 0
    const sub_id = { format: 'iss_sub', iss: 'https://other.example.com/', sub: 'alice' }
    const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
    for (const claims of [
      { sub_id, events: { [`${RISC}account-disabled`]: {} } },
      { sub_id: { format: 'email', email: 'a@example.com' }, events: { [`${RISC}account-disabled`]: {} } },
      {
        sub_id: { format: 'opaque', id: 'alice' },
        events: { [`${CAEP}credential-change`]: { change_type: 'create' } },
      },
      { sub_id: { format: 'opaque', id: 'alice' }, events: { 'https://example.com/other': {} } },
      { sub_id: { format: 'opaque', id: 'stream' }, events: { [ssf]: { state: 'MARKED-STATE' } } },
    ])
      expect((await push(await setToken(claims))).status).toBe(202)
    expect(await seen(old())).toBe(200)
    const after =
      (await stack.metrics()).get('sallyport_revocation_events_total{source="signals",result="ignored"}') ?? 0
    expect(after - before).toBe(5)
    expect(stack.logText()).not.toContain('MARKED-STATE')
  })

  test('that is repeated is acknowledged again, and changes nothing', async () => {
    const token = await event(`${RISC}account-disabled`, 'u7')
    expect((await push(token)).status).toBe(202)
    const applied = () =>
      stack.metrics().then(all => all.get('sallyport_revocation_events_total{source="signals",result="applied"}'))
    const before = await applied()
    expect((await push(token)).status).toBe(202)
    expect(await applied()).toBe(before)
  })

  test.each([
    ['another audience', { aud: 'another' }, 'invalid_audience', undefined],
    ['another issuer', { iss: 'https://evil.example.com/' }, 'invalid_issuer', undefined],
    ['an unknown key', {}, 'invalid_key', { typ: 'secevent+jwt', kid: 'unknown' }],
    ['another type', {}, 'invalid_request', { typ: 'JWT' }],
    ['no type', {}, 'invalid_request', {}],
    ['no events', { events: undefined }, 'invalid_request', undefined],
    ['empty events', { events: {} }, 'invalid_request', undefined],
    ['events that are a list', { events: [] }, 'invalid_request', undefined],
    ['an event that is no object', { events: { [`${RISC}account-disabled`]: 1 } }, 'invalid_request', undefined],
    ['no subject', { sub_id: undefined }, 'invalid_request', undefined],
    ['a subject that is text', { sub_id: 'alice' }, 'invalid_request', undefined],
    ['a subject without a name', { sub_id: { format: 'opaque' } }, 'invalid_request', undefined],
    ['no jti', { jti: undefined }, 'invalid_request', undefined],
    ['an iat in the future', { iat: 4_000_000_000 }, 'invalid_request', undefined],
  ])('with %s is refused', async (_, claims, err, header) => {
    const good = { sub_id: { format: 'opaque', id: 'alice' }, events: { [`${RISC}account-disabled`]: {} } }
    const reply = await push(await setToken({ ...good, ...claims }, header))
    expect([reply.status, reply.json()]).toEqual([400, { err, description: expect.any(String) }])
    expect(reply.headers['content-language']).toBe('en')
    expect(await seen(old())).toBe(200)
  })

  test('from somebody without the secret is refused before it is read', async () => {
    const token = await event(`${RISC}account-disabled`, 'alice')
    for (const headers of [{}, bearer('wrong'), bearer(`${SECRET}x`), { authorization: `Basic ${SECRET}` }]) {
      const reply = await push(token, { ...setHeaders, authorization: '', ...headers })
      expect([reply.status, reply.headers['www-authenticate']]).toEqual([401, 'Bearer realm="sallyport"'])
      expect(reply.json()).toMatchObject({ err: 'authentication_failed' })
    }
    expect(await seen(old())).toBe(200)
    expect(stack.logText()).not.toContain(SECRET)
  })
})

describe('an endpoint', () => {
  test('takes POST alone, whatever routes there are', async () => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])
      for (const path of ['/oauth/logout', '/oauth/events']) {
        const reply = await stack.request(path, { method })
        expect([reply.status, reply.headers.allow], `${method} ${path}`).toEqual([405, 'POST'])
      }
    expect(stack.upstream.seen.filter(({ url }) => url?.startsWith('/oauth/')).length).toBe(0)
  })

  test('takes its own content type alone', async () => {
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded2']) {
      const headers = { ...setHeaders, 'content-type': type }
      expect((await stack.request('/oauth/logout', { method: 'POST', headers, body: 'x' })).status).toBe(415)
      expect((await stack.request('/oauth/events', { method: 'POST', headers, body: 'x' })).status).toBe(415)
    }
    const headers = { 'content-type': 'Application/X-WWW-Form-Urlencoded; charset=UTF-8' }
    const body = `logout_token=${await logoutToken({ sid: 's9' })}`
    expect((await stack.request('/oauth/logout', { method: 'POST', headers, body })).status).toBe(200)
  })

  test('reads 64 KiB at most, announced or in chunks', async () => {
    const body = `logout_token=${'x'.repeat(65_536)}`
    expect((await stack.request('/oauth/logout', { method: 'POST', headers: form, body })).status).toBe(413)
    const chunked = new Blob([body]).stream()
    expect(
      (
        await fetch(`${stack.url}/oauth/logout`, {
          method: 'POST',
          headers: form,
          body: chunked,
          duplex: 'half',
        } as RequestInit)
      ).status,
    ).toBe(413)
  })

  test('takes a body in chunks, and gives a slow one up', async () => {
    const token = await logoutToken({ sid: 's10' })
    const port = Number(new URL(stack.url).port)
    const head =
      'POST /oauth/logout HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n'
    const half = token.length >> 1
    const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`
    const whole = `${head}Transfer-Encoding: chunked\r\n\r\n${chunk('logout_token=')}${chunk(token.slice(0, half))}${chunk(token.slice(half))}0\r\n\r\n`
    expect(await exchangeBytes(port, whole)).toMatch(/^HTTP\/1\.1 200 /)
    expect(await exchangeBytes(port, `${head}Content-Length: 100\r\n\r\nlogout_token=`)).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('hears nothing of a client that leaves', async () => {
    const token = await logoutToken({ sid: 's11' })
    const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
    const head = `POST /oauth/logout HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${token.length + 14}\r\n\r\n`
    socket.write(`${head}logout_token=${token}`)
    await expect.poll(async () => (await stack.metrics()).get('sallyport_requests_in_flight')).toBeGreaterThan(0)
    socket.resetAndDestroy()
    await stack.logged({ route: '(revocation)', aborted: true })
    expect(await seen({ sid: 's11', ...old() })).toBe(200)
  })

  test('is counted and logged as (revocation)', async () => {
    expect(
      (await stack.metrics()).get('sallyport_requests_total{route="(revocation)",method="POST",code="ok"}'),
    ).toBeGreaterThan(1)
    await stack.logged({ route: '(revocation)', path: '/oauth/events', status: 202 })
  })
})

test('an open stream of the session ends', async () => {
  const token = await stack.issuer.mint({ sid: 's12', ...old() })
  const reply = await fetch(`${stack.url}/endless`, { headers: bearer(token) }).catch(() => undefined)
  void reply
})
