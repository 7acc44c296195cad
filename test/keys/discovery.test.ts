import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { documentUrls } from '../../src/oauth/metadata.ts'
import { manualTime } from '../support/manual-time.ts'
import { conditional, hang, json, type KeyServer, startKeyServer, status } from '../support/services/key-server.ts'
import { privateNetwork } from './certificates.ts'
import { ecJwk, es256, outcome, selectNow, startedKeySet, startKeySet, TUNING } from './support.ts'

const OIDC = '/.well-known/openid-configuration'
const RFC8414 = '/.well-known/oauth-authorization-server'

const source = { type: 'discovery', hosts: [] as readonly string[], allowInsecureHttp: false, ...TUNING } as const

function serve(server: KeyServer, path: string, metadata: Readonly<Record<string, unknown>> = {}): void {
  server.answerPath(path, json({ issuer: server.origin, jwks_uri: server.url, ...metadata }))
  server.answerPath('/jwks.json', json({ keys: [ecJwk('k1')] }))
}

describe('OpenID Connect Discovery 1.0 §4 and RFC 8414 §3.1', () => {
  test.each([
    [
      'https://issuer.example',
      [`https://issuer.example${OIDC}`, `https://issuer.example${RFC8414}`, `https://issuer.example${OIDC}`],
    ],
    [
      'https://issuer.example/',
      [`https://issuer.example${OIDC}`, `https://issuer.example${RFC8414}`, `https://issuer.example${OIDC}`],
    ],
    [
      'https://issuer.example:8443/realms/a/',
      [
        `https://issuer.example:8443/realms/a${OIDC}`,
        `https://issuer.example:8443${RFC8414}/realms/a`,
        `https://issuer.example:8443${OIDC}/realms/a`,
      ],
    ],
  ])('the documents of %s', (issuer, urls) => {
    expect(documentUrls(issuer)).toEqual(urls)
  })

  test.each([[OIDC], [RFC8414]])('the keys are found through %s', async path => {
    const server = await startKeyServer()
    serve(server, path)
    const { keySet } = await startedKeySet(source, { issuer: server.origin })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test.each([
    ['a redirect to a login page', status(302, { location: '/login' })],
    [
      'a page for every path',
      (_request: unknown, response: import('node:http').ServerResponse) => void response.end('<html>'),
    ],
    ['a document about somebody else', json({ issuer: 'https://other.example', jwks_uri: 'https://other.example/' })],
  ])('%s in the first place leads to the second', async (_what, answer) => {
    const server = await startKeyServer()
    serve(server, RFC8414)
    server.answerPath(OIDC, answer)
    const { keySet } = await startedKeySet(source, { issuer: server.origin })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test('an issuer with a path finds its document after the host, too', async () => {
    const server = await startKeyServer()
    const issuer = `${server.origin}/tenant/`
    serve(server, `${OIDC}/tenant`, { issuer })
    const { keySet, advance } = await startedKeySet(source, { issuer })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    await advance(TUNING.refreshMs)
    // The place that answered is asked first from then on.
    expect(server.requests.map(({ path }) => path)).toEqual([
      `/tenant${OIDC}`,
      `${RFC8414}/tenant`,
      `${OIDC}/tenant`,
      '/jwks.json',
      `${OIDC}/tenant`,
      '/jwks.json',
    ])
  })
})

describe('RFC 8414 §3.3: whose document it is', () => {
  test.each<readonly [string, Readonly<Record<string, unknown>>, string]>([
    ['with another issuer', { issuer: 'https://other.example' }, 'is not about the issuer'],
    ['with a slash more', { issuer: 'SLASH' }, 'is not about the issuer'],
    ['without an issuer', { issuer: undefined }, 'is not about the issuer'],
    ['with a list of issuers', { issuer: ['https://issuer.example'] }, 'is not about the issuer'],
    ['without jwks_uri', { jwks_uri: undefined }, 'has no jwks_uri'],
    ['with a jwks_uri that is no string', { jwks_uri: ['x'] }, 'has no jwks_uri'],
    ['with a relative jwks_uri', { jwks_uri: '/jwks.json' }, 'is not an http(s) URL'],
    ['with a file for jwks_uri', { jwks_uri: 'file:///etc/passwd' }, 'is not an http(s) URL'],
    ['with an endless jwks_uri', { jwks_uri: `https://127.0.0.1/${'x'.repeat(2_048)}` }, 'is longer than 2048'],
    ['with credentials in jwks_uri', { jwks_uri: 'https://a:b@127.0.0.1/' }, 'carries credentials'],
    ['with jwks_uri on a foreign host', { jwks_uri: 'https://evil.example/jwks' }, 'neither the issuer’s nor listed'],
    ['with a host that begins like ours', { jwks_uri: 'https://127.0.0.1.evil.example/' }, 'neither the issuer’s'],
    ['with jwks_uri in clear text', { jwks_uri: 'http://issuer.example/jwks' }, 'is not https'],
  ])('a document %s is refused', async (_what, metadata, message) => {
    const server = await startKeyServer()
    const issuer = metadata.issuer === 'SLASH' ? { issuer: `${server.origin}/` } : {}
    serve(server, OIDC, { ...metadata, ...issuer })
    const { keySet, seen } = await startedKeySet(source, { issuer: server.origin })
    expect(seen.fetches[0]?.result).toBe('invalid')
    expect(keySet.status().lastError).toContain(message)
    expect(await outcome(keySet, es256('k1'))).toBe('keys_unavailable')
    expect(server.requests.map(({ path }) => path)).toEqual([OIDC, RFC8414])
  })

  test.each(['null', '7', '"text"', '[]'])('a document that is %s is refused', async text => {
    const server = await startKeyServer()
    server.answerPath(OIDC, (_request, response) => void response.end(text))
    const { seen } = await startedKeySet(source, { issuer: server.origin })
    expect(seen.fetches[0]?.result).toBe('invalid')
  })
})

describe('a moved jwks_uri', () => {
  test('is followed on the issuer’s host, as the document is refreshed, too', async () => {
    const server = await startKeyServer()
    serve(server, OIDC)
    const { keySet, advance } = await startedKeySet(source, { issuer: server.origin })
    serve(server, OIDC, { jwks_uri: `${server.origin}/moved.json` })
    server.answerPath('/moved.json', json({ keys: [ecJwk('k2')] }))
    await advance(TUNING.refreshMs)
    expect(selectNow(keySet, es256('k2'))).toHaveLength(1)
  })

  test.each([
    ['a host that is listed', (_port: string) => ['localhost']],
    ['a host that is listed with its port', (port: string) => [`localhost:${port}`]],
  ])('is followed to %s', async (_what, hosts) => {
    const server = await startKeyServer()
    const { port } = new URL(server.origin)
    serve(server, OIDC, { jwks_uri: `http://localhost:${port}/jwks.json` })
    const { keySet } = await startedKeySet({ ...source, hosts: hosts(port) }, { issuer: server.origin })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test('is not followed to another port of a host listed with its port', async () => {
    const server = await startKeyServer()
    serve(server, OIDC, { jwks_uri: `http://localhost:${new URL(server.origin).port}/jwks.json` })
    const { seen } = await startedKeySet({ ...source, hosts: ['localhost:1'] }, { issuer: server.origin })
    expect(seen.fetches[0]?.result).toBe('invalid')
  })

  test('elsewhere is not followed: nobody asks there, the old keys stay, the status says why', async () => {
    const [server, foreign] = [await startKeyServer(), await startKeyServer()]
    serve(server, OIDC)
    const { keySet, advance } = await startedKeySet(source, { issuer: server.origin })
    serve(server, OIDC, { jwks_uri: foreign.url.replace('127.0.0.1', 'localhost') })
    await advance(TUNING.refreshMs)
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    expect(keySet.status().lastError).toContain('listed in keys.hosts')
    expect(foreign.requests).toEqual([])
  })

  test('takes its own validator along, not that of the old place', async () => {
    const server = await startKeyServer()
    serve(server, OIDC)
    server.answerPath('/jwks.json', conditional({ keys: [ecJwk('k1')] }, '"v1"'))
    const { keySet, advance } = await startedKeySet(source, { issuer: server.origin })
    serve(server, OIDC, { jwks_uri: `${server.origin}/moved.json` })
    server.answerPath('/moved.json', conditional({ keys: [ecJwk('k2')] }, '"v1"'))
    await advance(TUNING.refreshMs)
    expect(selectNow(keySet, es256('k2'))).toHaveLength(1)
  })
})

describe('a cache file with discovery', () => {
  test.each([
    ['on the issuer’s host', '', true],
    ['on a host that is not listed any more', 'https://keys.example/jwks.json', false],
  ])('whose set comes from a URL %s', async (_where, url, isLoaded) => {
    const server = await startKeyServer()
    const issuer = server.origin
    await server.down()
    const { folder } = privateNetwork()
    const [cacheFile, document] = [join(folder, 'keys.json'), { keys: [ecJwk('k1')] }]
    const fetchedAtMs = manualTime().nowMs()
    writeFileSync(cacheFile, JSON.stringify({ version: 1, issuer, url: url || server.url, fetchedAtMs, document }))
    const { keySet, seen } = await startedKeySet({ ...source, cacheFile }, { issuer })
    expect(seen.cacheFiles.map(event => event.outcome)).toEqual([isLoaded ? 'loaded' : 'refused'])
    expect(keySet.status().usable).toBe(isLoaded)
  })
})

describe('discovery as a part of the attempt', () => {
  test('both documents are asked for conditionally', async () => {
    const server = await startKeyServer()
    server.answerPath(OIDC, conditional({ issuer: server.origin, jwks_uri: server.url }, '"d"'))
    server.answerPath('/jwks.json', conditional({ keys: [ecJwk('k1')] }, '"k"'))
    const { keySet, advance, seen } = await startedKeySet(source, { issuer: server.origin })
    await advance(TUNING.refreshMs)
    expect(server.requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, undefined, '"d"', '"k"'])
    expect(seen.fetches.map(({ result }) => result)).toEqual(['ok', 'not_modified'])
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test('a document in another place is asked for without the validator of the first', async () => {
    const server = await startKeyServer()
    serve(server, OIDC)
    server.answerPath(OIDC, conditional({ issuer: server.origin, jwks_uri: server.url }, '"v1"'))
    const { keySet, advance } = await startedKeySet(source, { issuer: server.origin })
    server.answerPath(OIDC, status(404))
    const moved = { issuer: server.origin, jwks_uri: `${server.origin}/moved.json` }
    server.answerPath(RFC8414, conditional(moved, '"v1"'))
    server.answerPath('/moved.json', json({ keys: [ecJwk('k2')] }))
    await advance(TUNING.refreshMs)
    expect(selectNow(keySet, es256('k2'))).toHaveLength(1)
  })

  test('one timeout covers the document and the keys', async () => {
    const server = await startKeyServer()
    serve(server, OIDC)
    server.answerPath('/jwks.json', hang)
    const { time, seen, attempts } = startKeySet(source, { issuer: server.origin })
    await server.received(2)
    await time.advance(TUNING.timeoutMs)
    await seen.fetchedTimes(1)
    expect(seen.fetches[0]?.result).toBe('timeout')
    expect(attempts()).toBe(1)
  })

  test('a provider without any document is told apart by the first place', async () => {
    const server = await startKeyServer()
    const { keySet } = await startedKeySet(source, { issuer: server.origin })
    expect(keySet.status().lastError).toBe(`${server.origin}${OIDC} answered 404`)
  })

  test('a hanging provider is asked in one place only', async () => {
    const server = await startKeyServer()
    server.answer(hang)
    const { time, seen } = startKeySet(source, { issuer: server.origin })
    await server.received(1)
    await time.advance(TUNING.timeoutMs)
    await seen.fetchedTimes(1)
    expect(server.requests.map(({ path }) => path)).toEqual([OIDC])
  })
})
