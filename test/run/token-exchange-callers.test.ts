/** Whatever a caller is known by, the token that is exchanged is the one that he or his session brought. */
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { closeServer, listen } from '../../src/demo/loopback.ts'
import { activeAnswer, startOpaqueStack } from '../e2e/introspection/support.ts'
import { signedIn, startSessionFleet } from '../e2e/sessions/support.ts'
import { atEnd } from '../support/at-end.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const subjects: string[] = []
let endpoint: string
const server = createServer(async (request, response) => {
  const form = new URLSearchParams(await text(request))
  subjects.push(form.get('subject_token') ?? '')
  const answer = {
    ...{ access_token: `issued-${subjects.length}`, token_type: 'bearer', expires_in: 300 },
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
})
beforeAll(async () => {
  endpoint = `http://${await listen(server, 0)}/token`
})
afterAll(() => closeServer(server))
beforeEach(() => {
  subjects.length = 0
})

const exchange = (provider: string, secretFile: string) => ({
  ...{ provider, endpoint, audience: 'https://billing' },
  client: { id: 'gateway', auth: 'post', secretFile },
})

test('an opaque token is exchanged as it is, and anew when its server has been asked about it again', async () => {
  const upstream = await startTestUpstream()
  atEnd(upstream.close)
  const stack = await startOpaqueStack({
    upstream,
    config: { upstreams: { app: { url: upstream.url, exchange: exchange('opaque', 'secret') } } },
  })
  const token = 'an-opaque-token-of-alice'
  stack.endpoint.tokens.set(token, activeAnswer())
  const told = async () => {
    expect(await stack.outcome('/orders/1', token)).toBe('200')
    return upstream.seen.at(-1)?.headers.authorization
  }
  expect([await told(), await told()]).toEqual(['Bearer issued-1', 'Bearer issued-1'])
  stack.clock.pass(31_000)
  expect(await told()).toBe('Bearer issued-2')
  expect(subjects).toEqual([token, token])
})

test.each(['main', 'idToken'])('of a session, whose principal is of %s, it is the access token', async principal => {
  const heard: Array<string | undefined> = []
  const fleet = await startSessionFleet({
    session: { principal, scopes: ['openid', 'offline_access'] },
    respond: (request, response) => {
      heard.push(request.headers.authorization)
      response.end('{}')
    },
    routes: [{ id: 'api', path: '/**', providers: ['browser'], anonymous: 'login' }],
  })
  try {
    const service = fleet.service.url
    await fleet.reload({
      config: { upstreams: { app: { url: service, exchange: exchange('browser', 'admin-secret') } } },
    })
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    for (let request = 0; request < 3; request++) expect((await fleet.ask(browser)).status).toBe(200)
    expect(new Set(heard)).toEqual(new Set(['Bearer issued-1']))
    expect(subjects).toEqual([fleet.provider.given.at(-1)?.accessToken])
  } finally {
    await fleet.close()
  }
})
