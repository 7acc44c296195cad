import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { authorityOfFile } from '../../support/certificates.ts'
import { manualTime } from '../../support/manual-time.ts'
import { FAULTS } from '../../support/services/answer-faults.ts'
import { startForwardProxy } from '../../support/services/forward-proxy.ts'
import {
  CLIENT_ID,
  MARK,
  says,
  saysJson,
  saysStatus,
  startIntrospectionEndpoint,
  thumbprintOf,
} from '../../support/services/introspection-endpoint.ts'
import { clientOf, failureOf, fileOf, never, SECRET } from './server-support.ts'

const authority = authorityOfFile()

describe('RFC 7662 §2: a question', () => {
  test('is a form with the token and a hint, and goes with our credentials', async () => {
    const endpoint = await startIntrospectionEndpoint()
    endpoint.tokens.set('a b+c%&=', { active: true, sub: 'ada', scope: 'orders:read' })
    const answer = await clientOf(endpoint).ask('a b+c%&=', never)
    expect(answer).toEqual({ active: true, claims: { sub: 'ada', scope: 'orders:read' } })
    const [question] = endpoint.questions
    expect(Object.fromEntries(question?.form ?? [])).toEqual({ token: 'a b+c%&=', token_type_hint: 'access_token' })
    const { authorization, accept, 'content-type': type, 'content-length': length } = question?.headers ?? {}
    expect({ authorization, accept, type, length }).toEqual({
      authorization: `Basic ${btoa('orders-gateway:secret-of-the-client')}`,
      accept: 'application/json',
      type: 'application/x-www-form-urlencoded',
      length: String(question?.body.length),
    })
  })

  test('about a token that the server does not know is answered by inactive, whatever else is said', async () => {
    const endpoint = await startIntrospectionEndpoint()
    expect(await clientOf(endpoint).ask('unknown', never)).toEqual({ active: false })
    endpoint.answerWith(saysJson({ active: false, sub: 'ada', exp: 9_999_999_999 }))
    expect(await clientOf(endpoint).ask('unknown', never)).toEqual({ active: false })
  })

  test('may be answered with parameters of the media type, in any case, and packed', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const headers = { 'content-type': 'Application/JSON; Charset=UTF-8', 'content-encoding': 'gzip' }
    endpoint.answerWith(says(gzipSync('{"active":true}'), headers))
    expect(await clientOf(endpoint).ask('t', never)).toEqual({ active: true, claims: {} })
  })

  test('carries a certificate and the client id, where a certificate proves who we are', async () => {
    const tls = authority.issue('endpoint', ['IP:127.0.0.1'])
    const { certFile, keyFile, cert } = authority.issue('client', ['DNS:client.example'])
    const endpoint = await startIntrospectionEndpoint({ tls })
    const client = { id: CLIENT_ID, auth: 'tls', certFile, keyFile } as const
    await clientOf(endpoint, { client, caFile: authority.certFile }).ask('t', never)
    expect(endpoint.questions[0]?.certificate).toBe(thumbprintOf(cert))
    expect(endpoint.questions[0]?.form.get('client_id')).toBe(CLIENT_ID)
    expect(endpoint.questions[0]?.headers.authorization).toBeUndefined()
  })

  test('goes through a proxy where one is given, with the certificate inside of a tunnel of its own', async () => {
    const endpoint = await startIntrospectionEndpoint({ tls: authority.issue('endpoint', ['DNS:auth.test']) })
    const { certFile, keyFile, cert } = authority.issue('client', ['DNS:client.example'])
    const proxy = await startForwardProxy({ hosts: { 'auth.test:443': Number(new URL(endpoint.origin).port) } })
    const server = clientOf(endpoint, {
      endpoint: 'https://auth.test/introspect',
      client: { id: CLIENT_ID, auth: 'tls', certFile, keyFile },
      caFile: authority.certFile,
      egress: { proxy: proxy.url, noProxy: [] },
    })
    for (const token of ['a', 'b']) expect(await server.ask(token, never)).toEqual({ active: false })
    expect(proxy.asked.map(({ target }) => target)).toEqual(['auth.test:443', 'auth.test:443'])
    expect(endpoint.questions.map(({ certificate }) => certificate)).toEqual([thumbprintOf(cert), thumbprintOf(cert)])
    expect(endpoint.questions.map(({ headers }) => headers.host)).toEqual(['auth.test', 'auth.test'])
  })
})

describe('an answer that is no answer', () => {
  test.each([
    ['hugeBody', 'invalid', /larger than 65536 bytes$/],
    ['gzipBomb', 'invalid', /larger than 65536 bytes$/],
    ['brokenGzip', 'invalid', /not valid gzip$/],
    ['unknownCoding', 'invalid', /content encoding we did not ask for$/],
    ['hugeHead', 'error', /HPE_HEADER_OVERFLOW$/],
    ['redirect', 'error', /answered with a redirect \(307\), which is not followed$/],
    ['wrongType', 'invalid', /did not answer with application\/json, as `response: json` says$/],
    ['noType', 'invalid', /did not answer with application\/json/],
    ['activeText', 'invalid', /did not say by a boolean whether the token is active$/],
    ['activeNumber', 'invalid', /by a boolean/],
    ['activeNull', 'invalid', /by a boolean/],
    ['activeObject', 'invalid', /by a boolean/],
    ['activeMissing', 'invalid', /by a boolean/],
    ['activeTwice', 'invalid', /did not answer with good JSON: duplicate member name$/],
    ['claimTwice', 'invalid', /duplicate member name$/],
    ['badUtf8', 'invalid', /did not answer with good JSON: not UTF-8$/],
    ['badJson', 'invalid', /did not answer with good JSON: not JSON$/],
    ['emptyBody', 'invalid', /not JSON$/],
    ['array', 'invalid', /did not answer with a JSON object$/],
    ['bareTrue', 'invalid', /JSON object$/],
    ['bareNull', 'invalid', /JSON object$/],
    ['tooDeep', 'invalid', /nested too deeply$/],
    ['noContent', 'error', /answered 204$/],
    ['created', 'error', /answered 201$/],
    ['badRequest', 'error', /answered 400$/],
    ['unauthorized', 'unauthorized', /refuses our client credentials \(401\); see `client`$/],
    ['forbidden', 'unauthorized', /refuses our client credentials \(403\); see `client`$/],
    ['notFound', 'error', /answered 404$/],
    ['broken', 'error', /answered 500$/],
    ['reset', 'error', /could not be asked: the other end dropped the connection \(ECONNRESET\)$/],
    ['cut', 'error', /could not be asked: .*ECONNRESET/],
    ['noHttp', 'error', /could not be asked: HPE_/],
  ] as const)('%s is an outage of the kind %s, told in our words', async (fault, result, message) => {
    const endpoint = await startIntrospectionEndpoint()
    endpoint.answerWith(FAULTS[fault])
    const failure = await failureOf(clientOf(endpoint).ask('token-of-a-caller', never))
    expect(failure).toEqual({ result, message: expect.stringMatching(message), retryAfterSeconds: undefined })
    expect(failure.message).not.toMatch(new RegExp(`${MARK}|${SECRET}|token-of-a-caller`))
    expect(endpoint.questions).toHaveLength(1)
  })

  test.each(['hang', 'slowHead', 'drip'] as const)('%s is waited for until the caller gives up', async fault => {
    const endpoint = await startIntrospectionEndpoint()
    endpoint.answerWith(FAULTS[fault])
    const controller = new AbortController()
    const asked = clientOf(endpoint).ask('t', controller.signal)
    await endpoint.asked(1)
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(asked).rejects.toBe(reason)
  })

  test('nothing is asked for a caller who has given up', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const reason = new Error('gone')
    await expect(clientOf(endpoint).ask('t', AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(endpoint.questions).toHaveLength(0)
  })

  test('a place where nothing listens is an outage', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint)
    await endpoint.down()
    expect(await failureOf(server.ask('t', never))).toMatchObject({
      result: 'error',
      message: `${endpoint.url} could not be asked: nothing listens there (ECONNREFUSED)`,
    })
    await endpoint.up()
    expect(await server.ask('t', never)).toEqual({ active: false })
  })

  test('a certificate of somebody unknown is an outage, and nothing is asked', async () => {
    const endpoint = await startIntrospectionEndpoint({ tls: authority.issue('endpoint', ['IP:127.0.0.1']) })
    const failure = await failureOf(clientOf(endpoint).ask('t', never))
    expect(failure).toMatchObject({ result: 'error', message: expect.stringMatching(/name its CA with `caFile`/) })
    expect(endpoint.questions).toHaveLength(0)
  })
})

describe('RFC 9110 §10.2.3: Retry-After', () => {
  // It is 2025-06-15T15:06:40Z.
  const clock = manualTime(1_750_000_000_000)

  test.each([
    [429, '7', 7],
    [503, '120', 120],
    [503, '0', 0],
    [503, 'Sun, 15 Jun 2025 15:07:40 GMT', 60],
    [503, 'Sun, 15 Jun 2025 15:00:00 GMT', 0],
    [503, 'Sun, 99 Jun 2025 15:00:00 GMT', undefined],
    [503, '2025-06-15', undefined],
    [503, '-5', undefined],
    [503, '1.5', undefined],
    [503, MARK, undefined],
    [500, '7', undefined],
    [401, '7', undefined],
  ])('of %i and %s means %s', async (status, value, retryAfterSeconds) => {
    const endpoint = await startIntrospectionEndpoint()
    endpoint.answerWith(saysStatus(status, { 'retry-after': value }))
    const failure = await failureOf(clientOf(endpoint, { clock }).ask('t', never))
    expect(failure.retryAfterSeconds).toBe(retryAfterSeconds)
  })
})

describe('files', () => {
  test('that cannot be used are an outage that names their option', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const secretFile = fileOf('')
    const server = clientOf(endpoint, { client: { id: 'me', auth: 'post', secretFile } })
    expect(await failureOf(server.ask('t', never))).toMatchObject({
      result: 'error',
      message: 'client.secretFile is empty',
    })
    const withCa = clientOf(endpoint, { caFile: '/nonexistent' })
    expect(await failureOf(withCa.ask('t', never))).toMatchObject({
      result: 'error',
      message: expect.stringMatching(/^caFile cannot be read: /),
    })
    expect(endpoint.questions).toHaveLength(0)
    writeFileSync(secretFile, SECRET)
    expect(await server.ask('t', never)).toEqual({ active: false })
  })
})

test('members that are null, and an empty list of audiences, say nothing', async () => {
  const endpoint = await startIntrospectionEndpoint()
  const nothing = { exp: null, iss: null, sub: null, cnf: null, aud: [] }
  endpoint.tokens.set('token', { active: true, ...nothing, scope: 'a', groups: [], nested: { deep: null } })
  expect(await clientOf(endpoint).ask('token', never)).toEqual({
    active: true,
    claims: { scope: 'a', groups: [], nested: { deep: null } },
  })
})

test('a server that switches to another protocol has not answered, and is not waited for', async () => {
  const endpoint = await startIntrospectionEndpoint()
  endpoint.answerWith(({ socket }) => {
    socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n')
  })
  const asked = clientOf(endpoint).ask('token', never)
  await expect(asked).rejects.toMatchObject({ result: 'error', message: expect.stringContaining('answered 101') })
})

test('claims are frozen, and hold what JSON made of them', async () => {
  const endpoint = await startIntrospectionEndpoint()
  endpoint.answerWith(says('{"active":true,"aud":["a","b"],"cnf":{"jkt":"x"}}'))
  const answer = await clientOf(endpoint).ask('t', never)
  expect(answer).toEqual({ active: true, claims: { aud: ['a', 'b'], cnf: { jkt: 'x' } } })
  const { claims } = answer as { readonly claims: object }
  expect([answer, claims, ...Object.values(claims)].every(Object.isFrozen)).toBe(true)
})
