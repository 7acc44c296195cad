/**
 * An identity provider that is not there is our outage, for callers and operators alike, and never the caller's 401.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { bearer, startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { AUDIENCE, startTestIssuer } from '../support/services/issuer.ts'

/** Takes a port where nothing listens until `serve` is called. */
async function reservedPort(): Promise<{ port: number; serve(body: string): Promise<Server> }> {
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => probe.once('listening', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise(resolve => probe.close(resolve))
  return {
    port,
    async serve(body) {
      const server = createServer((_request, response) => response.end(body)).listen(port, '127.0.0.1')
      await new Promise(resolve => server.once('listening', resolve))
      atEnd(() => {
        server.closeAllConnections()
        server.close()
      })
      return server
    },
  }
}

/** Asks until the answer fits; what it waits for is bound to come, only not when. */
async function eventually<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (fits(answer)) return answer
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

describe('a provider that is down when the gateway starts', () => {
  test('costs its own callers a 503 and nobody else anything, is named by readyz, and heals by itself', async () => {
    const away = await startTestIssuer()
    const { port, serve } = await reservedPort()
    const stack: TestStack = await startTestStack(issuer => ({
      providers: {
        here: { type: 'jwt', issuer: issuer.issuer, audiences: [AUDIENCE], keys: { jwksUri: issuer.jwksUri } },
        away: {
          type: 'jwt',
          issuer: away.issuer,
          audiences: [AUDIENCE],
          keys: { jwksUri: `http://127.0.0.1:${port}/jwks` },
        },
      },
    }))
    atEnd(stack.close)
    atEnd(away.close)
    const [good, stranded] = await Promise.all([stack.issuer.mint(), away.mint()])
    const ask = (token: string) => stack.request('/private/x', { headers: bearer(token) })

    const refused = await ask(stranded)
    expect(refused.status).toBe(503)
    expect(refused.json()).toMatchObject({ code: 'keys_unavailable' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.headers).not.toHaveProperty('www-authenticate')
    expect((await ask(good)).status).toBe(200)
    const readyz = await stack.admin('/readyz')
    expect(readyz.status).toBe(503)
    expect(readyz.text).toContain('provider away')
    expect(readyz.text).not.toContain('provider here')
    // Some things are known without keys.
    expect((await stack.request('/private/x')).json()).toMatchObject({ code: 'token_missing' })
    expect((await ask(await stack.issuer.mint({ iss: 'https://nobody.example' }))).json()).toMatchObject({
      code: 'issuer_unknown',
    })

    await serve(await (await fetch(away.jwksUri)).text())
    await eventually(
      () => stack.admin('/readyz'),
      ({ status }) => status === 200,
    )
    expect((await ask(stranded)).status).toBe(200)
    const changes = stack.logs.filter(({ msg, provider }) => msg === 'keys changed state' && provider === 'away')
    expect(changes.map(({ to }) => to)).toEqual(['unavailable', 'fresh'])
    const { text } = await stack.admin('/metrics')
    expect(text).toMatch(/sallyport_jwks_fetches_total\{provider="away",result="connect_error"\} [1-9]/)
    expect(text).toMatch(/sallyport_jwks_fetches_total\{provider="away",result="ok"\} 1\n/)
    expect(text).toMatch(/sallyport_jwks_keys\{provider="away"\} 3\n/)
  })

  test('that hangs holds requests for the fetch timeout at most', async () => {
    const hanging = createServer(() => {}).listen(0, '127.0.0.1')
    await new Promise(resolve => hanging.once('listening', resolve))
    atEnd(() => {
      hanging.closeAllConnections()
      hanging.close()
    })
    const { port } = hanging.address() as AddressInfo
    const stack = await startTestStack(issuer => ({
      providers: {
        main: {
          type: 'jwt',
          issuer: issuer.issuer,
          audiences: [AUDIENCE],
          keys: { jwksUri: `http://127.0.0.1:${port}/jwks`, timeout: '200ms' },
        },
      },
    }))
    atEnd(stack.close)
    const reply = await stack.request('/private/x', { headers: bearer(await stack.issuer.mint()) })
    expect(reply.json()).toMatchObject({ code: 'keys_unavailable', status: 503 })
    expect((await stack.request('/public/x')).status).toBe(200)
  })
})

describe('keys that need no provider', () => {
  test('are counted, and ready from the start', async () => {
    const issuer = await startTestIssuer()
    atEnd(issuer.close)
    const jwks: unknown = await (await fetch(issuer.jwksUri)).json()
    const stack = await startTestStack({
      providers: { main: { type: 'jwt', issuer: issuer.issuer, audiences: [AUDIENCE], keys: { jwks } } },
    })
    atEnd(stack.close)
    expect((await stack.admin('/readyz')).status).toBe(200)
    expect((await stack.admin('/metrics')).text).toMatch(/sallyport_jwks_keys\{provider="main"\} 3\n/)
    expect((await stack.request('/private/x', { headers: bearer(await issuer.mint()) })).status).toBe(200)
  })
})
