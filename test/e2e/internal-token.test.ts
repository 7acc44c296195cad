/**
 * Services that verify the gateway's tokens with the libraries of their languages never refuse one: while keys are
 * replaced under load, and while a gateway is restarted beside another one.
 *
 * In the tests a key waits for its turn while the clock of the gateway moves, which therefore begins behind that of the
 * services. They keep keys for as much shorter a time.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { Agent, request } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../src/lib/clock.ts'
import { type Scheduler, systemScheduler } from '../../src/lib/scheduler.ts'
import { privateJwk, privatePem } from '../signing/support.ts'
import { bearer, startTestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { freePort } from '../support/services/free-port.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startPyJwtService, WITHOUT_PYJWT } from '../support/services/python-jwt.ts'

const ISSUER = 'https://orders.internal/'
const AUDIENCE = 'https://orders.internal'
const JWKS_PATH = '/.well-known/internal-jwks'
const CALLERS = 40

const cleanUps: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function keyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-signing-'))
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function writeKey(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, name), text, { mode: 0o600 })
}

/** Answers 200 with the claims, or 401 with the reason why it does not believe the token. */
async function startJoseService(keys: () => JWTVerifyGetKey): Promise<string> {
  const respond: RequestListener = ({ headers }, response) => {
    jwtVerify(String(headers['x-auth-token']), keys(), { issuer: ISSUER, audience: AUDIENCE }).then(
      ({ payload, protectedHeader: { kid } }) => response.end(JSON.stringify({ ...payload, kid })),
      error => response.writeHead(401).end(String(error)),
    )
  }
  const server = createServer(respond)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function callers(issuer: TestIssuer): Promise<readonly string[]> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const times = { iat: nowSeconds - 7200, exp: nowSeconds + 7200 }
  return Promise.all(Array.from({ length: CALLERS }, (_, at) => issuer.mint({ sub: `user-${at}`, ...times })))
}

/** Sends requests of all callers until it is told to stop, and notes every answer that is not as it should be. */
function load(urls: () => readonly string[], tokens: readonly string[]) {
  const agent = new Agent({ connections: 4 })
  const failures: string[] = []
  const kids = new Map<unknown, number>()
  let sent = 0
  let isOver = false
  const client = async (from: number): Promise<void> => {
    for (let turn = from; !isOver; turn += 1) {
      for (const url of urls()) {
        const at = turn % tokens.length
        const { statusCode, body } = await request(url, { dispatcher: agent, headers: bearer(tokens[at] ?? '') })
        const text = await body.text()
        sent += 1
        const claims = statusCode === 200 ? (JSON.parse(text) as Record<string, unknown>) : {}
        if (claims.sub !== `user-${at}`) failures.push(`${statusCode} ${text}`)
        if (claims.kid !== undefined) kids.set(claims.kid, (kids.get(claims.kid) ?? 0) + 1)
      }
    }
  }
  const over = Promise.all([0, 7, 14, 21].map(client))
  return {
    failures,
    kids,
    sent: () => sent,
    async stop() {
      isOver = true
      await over
      await agent.close()
    },
  }
}

describe.skipIf(WITHOUT_PYJWT)('a key that is replaced under load', () => {
  test('is never missed: jose and PyJWT verify every token from the published keys', { timeout: 60_000 }, async () => {
    let shiftMs = -11 * 60_000
    const clock: Clock = { nowMs: () => Date.now() + shiftMs, monotonicMs: () => performance.now() + shiftMs }
    const scheduler: Scheduler = { after: (ms, task) => systemScheduler.after(ms === 60_000 ? 50 : ms, task) }
    const keysDir = keyFolder()
    writeKey(keysDir, 'a.jwk', privateJwk('P-256', { kid: 'a' }))
    const port = await freePort()
    const gatewayUrl = `http://127.0.0.1:${port}`
    const jwksUrl = gatewayUrl + JWKS_PATH
    const remote = createRemoteJWKSet(new URL(jwksUrl), { cacheMaxAge: 500 })
    const node = await startJoseService(() => remote)
    const python = await startPyJwtService({ jwksUrl, issuer: ISSUER, audience: AUDIENCE })
    cleanUps.push(python.stop)
    const issuer = await startTestIssuer()
    cleanUps.push(issuer.close)
    const gateway = await startTestGateway(
      {
        listen: `127.0.0.1:${port}`,
        providers: { main: testProvider(issuer) },
        upstreams: { node, python: python.url },
        identity: { token: { issuer: ISSUER, audience: AUDIENCE, lifetime: '1h', keysDir, jwksPath: JWKS_PATH } },
        routes: [
          { id: 'node', path: '/node', upstream: 'node' },
          { id: 'python', path: '/python', upstream: 'python' },
        ],
      },
      { clock, scheduler },
    )
    cleanUps.push(gateway.close)
    const published = async () =>
      ((await gateway.admin('/-/jwks')).json() as { keys: Array<{ kid: string }> }).keys.map(({ kid }) => kid)

    const running = load(() => [`${gatewayUrl}/node`, `${gatewayUrl}/python`], await callers(issuer))
    const sentSince = (before: number) => expect.poll(() => running.sent() - before).toBeGreaterThan(2 * CALLERS)
    await sentSince(0)
    writeKey(keysDir, 'b.pem', privatePem())
    await expect.poll(async () => (await published()).length).toBe(2)
    const [, b] = await published()
    for (; shiftMs < 0; shiftMs += 60_000) await sentSince(running.sent())
    await gateway.logged({ msg: 'another key signs the internal tokens', kid: b })
    await sentSince(running.sent())
    rmSync(join(keysDir, 'a.jwk'))
    await gateway.logged({ msg: 'a signing key was taken out, it signs no more', kid: 'a' })
    await sentSince(running.sent())
    await running.stop()

    expect(running.failures).toEqual([])
    expect([...running.kids.keys()]).toEqual(['a', b])
    expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
  })
})

describe('one of two gateways with the same keys', () => {
  test('is restarted, while a key has just come, without a token that cannot be verified', {
    timeout: 60_000,
  }, async () => {
    const keysDir = keyFolder()
    writeKey(keysDir, 'a.jwk', privateJwk('P-256', { kid: 'a' }))
    const issuer = await startTestIssuer()
    cleanUps.push(issuer.close)
    // This service has asked the first gateway for the keys, once, and trusts what it got.
    let keys: JWTVerifyGetKey | undefined
    const node = await startJoseService(() => keys as JWTVerifyGetKey)
    const config = {
      providers: { main: testProvider(issuer) },
      upstreams: { node },
      identity: { token: { issuer: ISSUER, audience: AUDIENCE, keysDir, jwksPath: JWKS_PATH } },
      routes: [{ id: 'all', path: '/**' }],
    }
    const started = async () => {
      const gateway = await startGatewayOnFile(config)
      cleanUps.push(gateway.stop)
      return gateway
    }
    const [one, two] = [await started(), await started()]
    keys = createRemoteJWKSet(new URL(one.url + JWKS_PATH))
    const urls = [`${one.url}/a`, `${two.url}/a`]
    const running = load(() => urls, await callers(issuer))
    const sentSince = (before: number) => expect.poll(() => running.sent() - before).toBeGreaterThan(2 * CALLERS)
    await sentSince(0)
    writeKey(keysDir, 'b.jwk', privateJwk('P-256', { kid: 'b' }))
    await one.logged({ msg: 'a signing key was found, it is published from now on', kid: 'b' })
    // Kubernetes, too, takes a gateway out before it ends.
    urls.pop()
    await sentSince(running.sent())
    await two.stop()
    const again = await started()
    urls.push(`${again.url}/a`)
    await sentSince(running.sent())
    await running.stop()

    expect(running.failures).toEqual([])
    expect([...running.kids.keys()]).toEqual(['a'])
    expect(JSON.parse((await again.admin('/-/status')).text)).toMatchObject({
      signing: { kid: 'a', published: ['a', 'b'], next_rotation: expect.any(String) },
    })
  })
})
