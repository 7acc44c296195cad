/** A token may come from where the file says, from one place at a time, and the service sees it nowhere. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keepPrivate } from '../../src/forward/response-headers.ts'
import { startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'
import {
  openWebSocket,
  refusedHandshake,
  startWebSocketService,
  type WebSocketService,
} from '../support/services/websocket-service.ts'

const KUBERNETES = 'base64url.bearer.authorization.k8s.io'
const CREDENTIALS = [
  'authorization',
  { header: 'Cf-Access-Jwt-Assertion' },
  { websocketProtocol: 'bearer' },
  { websocketProtocol: KUBERNETES },
  { query: 'access_token', only: ['websocket', 'eventStream'] },
]

const code = (reply: { readonly body: string } | undefined): string => JSON.parse(reply?.body ?? '{}').code ?? 'passed'

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  let stack: Stack
  let inHeader: string
  let inQuery: string
  beforeAll(async () => {
    stack = await startStack(() => ({
      credentials: CREDENTIALS,
      identity: { forwardToken: true },
      routes: [
        { id: 'many', path: '/many/**' },
        { id: 'maybe', path: '/maybe/**', access: 'optional' },
        { id: 'own', path: '/own/**', credentials: [{ header: 'Cf-Access-Jwt-Assertion' }] },
        { id: 'usual', path: '/usual/**', credentials: ['authorization'] },
        { id: 'any', path: '/any/**', credentials: [{ query: 'key' }] },
        { id: 'public', path: '/public/**', access: 'public' },
        { id: 'private', path: '/private/**', credentials: ['authorization'] },
      ],
    }))
    inHeader = `Cf-Access-Jwt-Assertion: ${stack.token}`
    inQuery = `access_token=${stack.token}`
  })
  afterAll(() => stack.close())

  const EVENTS = 'Accept: application/json, Text/Event-Stream;q=1'

  test('each place that is named brings a token, and the service sees none of it', async () => {
    const encoded = Buffer.from(stack.token).toString('base64url')
    for (const [path, ...lines] of [
      ['/many/x', inHeader],
      ['/own/x', inHeader],
      [`/many/x?a=1&${inQuery}&b=%20`, EVENTS],
      [`/many/x?%61ccess_token=${stack.token}`, EVENTS],
      [`/any/x?key=${stack.token}`],
      ['/many/x', `Sec-WebSocket-Protocol: chat, Bearer, ${stack.token}`],
      ['/many/x', `Sec-WebSocket-Protocol: ${KUBERNETES}.${encoded}, chat`],
    ] as const) {
      const reached = await stack.forwarded(async () =>
        expect([path, code(await stack.exchange(get(path, lines)))]).toEqual([path, 'passed']),
      )
      expect(reached).toMatch(/x-auth-subject: alice/i)
      expect(reached).not.toContain(stack.token)
      expect(reached).not.toContain(encoded)
      expect(reached.toLowerCase()).not.toMatch(/bearer|access_token|key=|assertion/)
      if (lines.some(line => line.includes('chat'))) expect(reached).toMatch(/sec-websocket-protocol: chat\r\n/i)
      if (path.includes('a=1')) expect(reached).toContain('GET /many/x?a=1&b=%20 HTTP/1.1')
    }
  })

  test('two places that are filled are refused, even when they agree, and whatever is in them', async () => {
    const authorization = `Authorization: Bearer ${stack.token}`
    for (const [path, ...lines] of [
      ['/many/x', authorization, inHeader],
      ['/many/x', 'Authorization: Basic YTpi', inHeader],
      ['/many/x', inHeader, inHeader],
      ['/many/x', inHeader, `Sec-WebSocket-Protocol: bearer, ${stack.token}`],
      ['/many/x', `Sec-WebSocket-Protocol: bearer, ${stack.token}, bearer, ${stack.token}`],
      [`/many/x?${inQuery}`, EVENTS, authorization],
      [`/many/x?${inQuery}&${inQuery}`, EVENTS],
      ['/maybe/x', authorization, inHeader],
    ] as const)
      expect([path, ...lines, code(await stack.exchange(get(path, lines)))]).toEqual([
        path,
        ...lines,
        'request_malformed',
      ])
  })

  test('a place that is filled with no token is refused as malformed, and never as nobody', async () => {
    for (const [path, line] of [
      ['/maybe/x', 'Cf-Access-Jwt-Assertion: Bearer x'],
      ['/maybe/x', 'Cf-Access-Jwt-Assertion: '],
      ['/maybe/x', 'Sec-WebSocket-Protocol: bearer'],
      ['/maybe/x', `Sec-WebSocket-Protocol: ${KUBERNETES}`],
      ['/maybe/x', `Sec-WebSocket-Protocol: ${KUBERNETES}.%%%`],
      ['/maybe/x?access_token', EVENTS],
      ['/maybe/x?access_token=a%00b', EVENTS],
    ] as const)
      expect([path, line, code(await stack.exchange(get(path, [line])))]).toEqual([path, line, 'request_malformed'])
  })

  test('a place that the route does not take is removed and ignored', async () => {
    for (const [path, lines, expected] of [
      ['/usual/x', [inHeader], 'token_missing'],
      ['/own/x', [`Authorization: Bearer ${stack.token}`], 'token_missing'],
      [`/many/x?${inQuery}`, [], 'token_missing'],
      [`/own/x?${inQuery}`, [EVENTS], 'token_missing'],
      [`/usual/x?${inQuery}`, [inHeader, `Authorization: Bearer ${stack.token}`], 'passed'],
    ] as const)
      expect([path, code(await stack.exchange(get(path, lines)))]).toEqual([path, expected])
    const reached = await stack.forwarded(() =>
      stack.exchange(get('/own/x', [inHeader, 'Authorization: Bearer not-looked-at'])),
    )
    expect(reached).toContain('GET /own/x')
    expect(reached).not.toContain('not-looked-at')
  })

  test.for([
    'access_token=marker',
    'a=1&Access_Token=marker',
    '%61ccess%5ftoken=marker',
    '%2561ccess_token=marker',
    'access.token=marker',
    'access+token=marker',
    '+access_token=marker',
    'access_token[]=marker',
    '[access_token]=marker',
    '%5Baccess_token=marker',
    'access[token=marker',
    'access%5Btoken=marker',
    '?access_token=marker',
    'access%u005ftoken=marker',
    'acce%C5%BF%73_token=marker',
    'access_to%E2%84%AAen=marker',
    'access_token%C2%A0=marker',
    'access%25255ftoken=marker',
    'access_token%5B0%5D=marker',
    'access_token%00=marker',
    'a=1;access_token=marker',
    'access_token=marker;a=1',
    'access_token=1&access_token=marker',
    'key=marker',
  ])('a parameter of the file is removed on every route, spelled as in ?%s', async query => {
    const reached = await stack.forwarded(() => stack.exchange(get(`/public/x?${query}`)))
    expect(reached).toContain('GET /public/x')
    expect(reached).not.toContain('marker')
  })

  test.for([
    'Cf_Access_Jwt_Assertion: marker',
    'cf.access.jwt-assertion: marker',
    'Sec-WebSocket-Protocol: BEARER, marker',
    'Sec-WebSocket-Protocol: bearer, bearer, marker',
    'Sec-WebSocket-Protocol: bearer,, marker',
    `Sec-WebSocket-Protocol: ${KUBERNETES.toUpperCase()}.marker`,
    'Sec_WebSocket_Protocol: bearer, marker',
  ])('a header or subprotocol of the file is removed on every route, spelled as in %s', async line => {
    const reached = await stack.forwarded(() => stack.exchange(get('/public/x', [line])))
    expect(reached).toContain('GET /public/x')
    expect(reached).not.toContain('marker')
  })

  test('a query without such a parameter goes on byte for byte', async () => {
    for (const query of [
      '?',
      '?&&a=1;b&=%zz&',
      '?token=1&my_access_token=2',
      '?access[token]=1&[access][token]=2&%ff%u',
    ])
      expect(await stack.forwarded(() => stack.exchange(get(`/public/x${query}`)))).toContain(`GET /public/x${query} H`)
  })

  test('the answer to a token in the query is for its caller alone', async () => {
    const withQuery = await stack.exchange(get(`/any/x?key=${stack.token}`))
    const withHeader = await stack.exchange(get('/own/x', [inHeader]))
    expect(withQuery?.headers.get('cache-control')).toMatch(/^private/)
    expect(withHeader?.headers.get('cache-control') ?? '').not.toMatch(/private/)
  })

  test('a token that is bound to a key is refused from other places, too', async () => {
    const bound = await stack.issuer.mint({ cnf: { jkt: 'x' } })
    expect(code(await stack.exchange(get('/many/x', [`Cf-Access-Jwt-Assertion: ${bound}`])))).toBe('proof_required')
    expect(code(await stack.exchange(get(`/any/x?key=${bound}`)))).toBe('proof_required')
  })

  test('a token over the limit is refused from every place', async () => {
    const long = 'a'.repeat(12_289)
    for (const [path, ...lines] of [
      ['/usual/x', `Authorization: Bearer ${long}`],
      ['/own/x', `Cf-Access-Jwt-Assertion: ${long}`],
      ['/many/x', `Sec-WebSocket-Protocol: bearer, ${long}`],
      [`/any/x?key=${long}`],
    ] as const)
      expect(code(await stack.exchange(get(path, lines)))).toBe('token_too_large')
  })
})

describe.each(PROTOCOLS)('an answer to a token in the query, over $name', ({ startStack }) => {
  const TARGETED = [
    'CDN-Cache-Control',
    'Cloudflare-CDN-Cache-Control',
    'cdn_cache_control',
    'Surrogate-Control',
    'Edge-Control',
    'X-Accel-Expires',
    'X-LiteSpeed-Cache-Control',
  ]
  let stack: Stack
  let caching: TestUpstream
  beforeAll(async () => {
    caching = await startTestUpstream((_request, response) => {
      for (const name of TARGETED) response.setHeader(name, 'max-age=600')
      response.setHeader('Cache-Control', 'public, s-maxage=600, max-age=5').setHeader('X-CDN', 'a').end('for alice')
    })
    stack = await startStack(() => ({
      upstreams: { app: caching.url },
      routes: [{ id: 'any', path: '/**', credentials: ['authorization', { query: 'key' }] }],
    }))
  })
  afterAll(async () => {
    await stack.close()
    await caching.close()
  })

  test('tells no shared cache to store it, whichever field speaks to that cache', async () => {
    const { headers } = (await stack.exchange(get(`/x?key=${stack.token}`))) ?? { headers: new Map() }
    expect(headers.get('cache-control')).toBe('private, max-age=5')
    for (const name of TARGETED) expect([name, headers.get(name.toLowerCase())]).toEqual([name, undefined])
    expect(headers.get('x-cdn')).toBe('a')
  })

  test('is left alone where the token was elsewhere', async () => {
    const { headers } = (await stack.exchange(get('/x', [`Authorization: Bearer ${stack.token}`]))) ?? {
      headers: new Map(),
    }
    for (const name of TARGETED) expect([name, headers.get(name.toLowerCase())]).toEqual([name, 'max-age=600'])
  })
})

test.for([
  [[], 'private'],
  [['public, max-age=60'], 'private, max-age=60'],
  [['no-store', 'S-MaxAge=5'], 'private, no-store'],
  [['private="set-cookie, x", max-age=1'], 'private, max-age=1'],
] as const)('Cache-Control %j becomes %s', ([values, expected]) => {
  const lines = ['A', 'b', ...values.flatMap(value => ['cache-Control', value])]
  keepPrivate(lines)
  expect(lines).toEqual(['A', 'b', 'Cache-Control', expected])
})

describe('a WebSocket', () => {
  let issuer: TestIssuer
  let service: WebSocketService
  let gateway: TestGateway
  let token: string
  beforeAll(async () => {
    issuer = await startTestIssuer()
    service = await startWebSocketService({
      handleProtocols: offered => (offered.has('chat.v2') ? 'chat.v2' : false),
    })
    gateway = await startTestGateway({
      credentials: CREDENTIALS,
      providers: { main: testProvider(issuer) },
      upstreams: { app: service.url },
      routes: [{ id: 'socket', path: '/socket/**' }],
    })
    token = await issuer.mint()
  })
  afterAll(async () => {
    await gateway.close()
    await Promise.all([issuer.close(), service.close()])
  })

  test.for([
    [['bearer', 'TOKEN', 'chat.v2'], 'chat.v2', 'chat.v2'],
    [['bearer', 'TOKEN'], 'bearer', undefined],
    [['chat.v1', 'bearer', 'TOKEN'], 'bearer', 'chat.v1'],
  ] as const)('that offers %j gets %s back', async ([offer, agreed, forwarded]) => {
    const socket = await openWebSocket(`${gateway.url}/socket/x`, {
      protocols: offer.map(each => (each === 'TOKEN' ? token : each)),
    })
    expect(socket.protocol).toBe(agreed)
    expect(service.seen.at(-1)?.headers['sec-websocket-protocol']).toBe(forwarded)
    socket.close()
  })

  test('that Connection does not ask for brings no token in a query for WebSockets only', async () => {
    const bytes = `GET /socket/x?access_token=${token} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n`
    expect(await gateway.raw(`${bytes}Connection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 401 /)
  })

  test('may bring its token in the query, which is written nowhere', async () => {
    const socket = await openWebSocket(`${gateway.url}/socket/x?access_token=${token}&a=1`)
    expect(service.seen.at(-1)?.url).toBe('/socket/x?a=1')
    socket.close()
    const { status } = await refusedHandshake(`${gateway.url}/socket/x?access_token=${token}x`)
    expect(status).toBe(401)
    await gateway.logged({ path: '/socket/x', status: 401 })
    for (const part of token.split('.')) expect(gateway.logText()).not.toContain(part)
  })
})
