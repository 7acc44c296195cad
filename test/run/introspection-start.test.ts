/** A gateway finds out by itself whom to ask about tokens: nobody sends requests to one that is not ready. */
import { expect, test, vi } from 'vitest'
import { bearer, startTestGateway } from '../support/gateway/gateway.ts'
import { startIntrospectionEndpoint } from '../support/services/introspection-endpoint.ts'

const SOON = { timeout: 20_000, interval: 50 }

function startAsking(issuer: string) {
  const client = { auth: 'basic', id: 'gateway', secretFile: 'secret' }
  return startTestGateway(
    {
      providers: { opaque: { type: 'introspection', issuer, audiences: ['orders'], client } },
      upstreams: { app: 'http://127.0.0.1:1' },
      routes: [{ id: 'all', path: '/**', mode: 'enforce' }],
    },
    { files: { secret: 'a-secret' } },
  )
}

test('it becomes ready without a request, once the endpoint is discovered', async () => {
  const server = await startIntrospectionEndpoint()
  const gateway = await startAsking(server.issuer)
  try {
    await vi.waitFor(async () => expect((await gateway.admin('/readyz')).status).toBe(200), SOON)
    expect(server.questions).toEqual([])
    const { providers } = (await gateway.admin('/-/status')).json()
    expect(providers).toMatchObject([{ introspection: { endpoint: server.url, breaker: 'closed' } }])
  } finally {
    await gateway.close()
  }
})

test('it says why it is not ready while the metadata are not there, and tries again', async () => {
  const server = await startIntrospectionEndpoint()
  const { introspection_endpoint: endpoint } = server.metadata
  delete server.metadata.introspection_endpoint
  const gateway = await startAsking(server.issuer)
  try {
    const lacking = /^provider opaque: cannot judge tokens: the introspection endpoint cannot be discovered: /
    await vi.waitFor(async () => {
      const { reasons } = (await gateway.admin('/readyz')).json()
      expect(reasons).toEqual([expect.stringMatching(lacking)])
    }, SOON)
    expect((await gateway.request('/a', { headers: bearer('a-token-of-somebody') })).status).toBe(503)
    server.metadata.introspection_endpoint = endpoint
    await vi.waitFor(async () => expect((await gateway.admin('/readyz')).status).toBe(200), SOON)
  } finally {
    await gateway.close()
  }
})
