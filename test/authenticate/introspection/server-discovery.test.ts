import { describe, expect, test } from 'vitest'
import { authorityOfFile } from '../../support/certificates.ts'
import { manualTime } from '../../support/manual-time.ts'
import { CLIENT_ID, startIntrospectionEndpoint } from '../../support/services/introspection-endpoint.ts'
import { clientOf, failureOf, never } from './server-support.ts'

const DOCUMENT = '/.well-known/openid-configuration'
const HOUR_MS = 3_600_000

const authority = authorityOfFile()

describe('RFC 8414: the endpoint', () => {
  test('is found in the metadata when it is first needed, once for all who ask', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint, { endpoint: undefined })
    expect(server.endpoint).toBeUndefined()
    await Promise.all(['a', 'b', 'c'].map(token => server.ask(token, never)))
    expect(server.endpoint).toBe(endpoint.url)
    expect(endpoint.questions).toHaveLength(3)
    expect(endpoint.fetched.get(DOCUMENT)).toBe(1)
  })

  test('is found without a question', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint, { endpoint: undefined })
    await server.discover(never)
    expect(server.endpoint).toBe(endpoint.url)
    expect(endpoint.questions).toHaveLength(0)
  })

  test('of the configuration is used, and nothing is looked up', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint)
    await server.discover(never)
    await server.ask('a', never)
    expect(endpoint.fetched.size).toBe(0)
  })

  test('of a client that shows a certificate is the one for certificates (RFC 8705 §5)', async () => {
    const endpoint = await startIntrospectionEndpoint({ tls: authority.issue('endpoint', ['IP:127.0.0.1']) })
    endpoint.metadata.introspection_endpoint = `${endpoint.origin}/general`
    endpoint.metadata.mtls_endpoint_aliases = { introspection_endpoint: endpoint.url }
    const { certFile, keyFile } = authority.issue('client', ['DNS:client.example'])
    const both = { endpoint: undefined, caFile: authority.certFile }
    const server = clientOf(endpoint, { ...both, client: { id: CLIENT_ID, auth: 'tls', certFile, keyFile } })
    expect(await server.ask('a', never)).toEqual({ active: false })
    const other = clientOf(endpoint, both)
    await other.discover(never)
    expect(other.endpoint).toBe(`${endpoint.origin}/general`)
  })

  test.each([
    [
      'is on another host',
      'https://other.example/introspect',
      /is not on the issuer’s host; if it is right, give `endpoint`$/,
    ],
    ['is not https', 'http://auth.example/introspect', /is not https$/],
    ['carries credentials', 'https://a:b@127.0.0.1/introspect', /carries credentials$/],
    ['is no URL', 'introspect', /is not an http\(s\) URL$/],
    ['is missing', undefined, /has no introspection_endpoint; give `endpoint`$/],
    ['is no text', 7, /has no introspection_endpoint/],
    ['is very long', `https://127.0.0.1/${'x'.repeat(3_000)}`, /is longer than 2048 characters$/],
  ])('is not used when it %s', async (_what, address, message) => {
    const endpoint = await startIntrospectionEndpoint()
    endpoint.metadata.introspection_endpoint = address
    const server = clientOf(endpoint, { endpoint: undefined })
    for (const tried of [server.ask('a', never), server.discover(never)])
      expect(await failureOf(tried)).toMatchObject({ result: 'error', message: expect.stringMatching(message) })
    expect(server.endpoint).toBeUndefined()
    expect(endpoint.questions).toHaveLength(0)
  })

  test('is not taken from a document about another issuer, byte for byte', async () => {
    const endpoint = await startIntrospectionEndpoint()
    endpoint.metadata.issuer = `${endpoint.origin}/`
    expect(await failureOf(clientOf(endpoint, { endpoint: undefined }).ask('a', never))).toMatchObject({
      result: 'error',
      message: `the introspection endpoint cannot be discovered: the discovery document is not about the issuer ${endpoint.origin}`,
    })
  })

  test('is looked up again after an hour, beside the questions, and stays when that fails', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const clock = manualTime()
    const server = clientOf(endpoint, { endpoint: undefined, clock })
    const seen = () => endpoint.fetched.get(DOCUMENT)
    await server.ask('a', never)
    await clock.advance(HOUR_MS - 1)
    await server.ask('b', never)
    expect(seen()).toBe(1)
    await clock.advance(1)
    endpoint.metadata.introspection_endpoint = 'https://other.example/introspect'
    await server.ask('c', never)
    await expect.poll(seen).toBe(2)
    await server.ask('d', never)
    expect([server.endpoint, seen()]).toEqual([endpoint.url, 2])
    endpoint.metadata.introspection_endpoint = `${endpoint.url}?moved`
    await clock.advance(300_000)
    await server.ask('e', never)
    await expect.poll(() => server.endpoint).toBe(`${endpoint.url}?moved`)
  })

  test('is looked up by one of the others when whoever began that gives up', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint, { endpoint: undefined })
    const controller = new AbortController()
    const [first, second] = [server.ask('a', controller.signal), server.ask('b', never)]
    controller.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    expect(await second).toEqual({ active: false })
    expect(endpoint.questions.map(({ form }) => form.get('token'))).toEqual(['b'])
  })
})
