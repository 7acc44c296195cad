/** Tests what `/-/status`, `/readyz`, `/metrics` and the console show of rate limits, with a store and without. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { bearer, startTestStack } from '../support/gateway/gateway.ts'
import { startStoreServer } from '../support/services/store-server.ts'

/** How long a test asks for what is bound to come, only not when. */
const SOON = { timeout: 20_000 } as const

const ALONE = { 'per-tenant': { rate: '5/m', burst: 2, key: ['claims.tenant'], entries: 100 } }
const SHARED = {
  'per-caller': { rate: '100/s', key: ['claims.sub'], store: true },
  daily: { rate: '1000/h', burst: 1000, key: ['claims.tenant', 'route'], store: true, onFailure: 'refuse' },
}

/** Returns the user that the document has for limits: what it may do is enough. */
function documentedUser(password: string): string {
  const document = readFileSync(new URL('../../config/rate-limits.md', import.meta.url), 'utf8')
  const [, line = ''] = /^ *user (sallyport on .*)$/m.exec(document) ?? []
  return line.replace('>…', `>${password}`)
}

async function startLimited(rateLimits: Readonly<Record<string, unknown>>, config: Record<string, unknown> = {}) {
  const stack = await startTestStack(
    {
      rateLimits,
      routes: [
        { id: 'plain', path: '/plain' },
        { id: 'limited', path: '/limited', rateLimits: Object.keys(rateLimits) },
      ],
      ...config,
    },
    { files: { password: 'secret' } },
  )
  atEnd(stack.close)
  return {
    ...stack,
    limits: async () => (await stack.admin('/-/status')).json().limits,
    async ask(tenant: string) {
      const { status } = await stack.request('/limited', { headers: bearer(await stack.issuer.mint({ tenant })) })
      return status
    },
  }
}

test('a gateway without limits shows none', async () => {
  const { admin, close } = await startTestStack()
  atEnd(close)
  expect((await admin('/-/status')).json()).not.toHaveProperty('limits')
})

test('a limit of one process shows how many keys it holds, and how many it can', async () => {
  const { ask, limits, admin } = await startLimited(ALONE, { admin: { listen: '127.0.0.1:0', console: {} } })
  expect(await limits()).toEqual([{ id: 'per-tenant', keys: 0, entries: 100, mode: 'local' }])
  expect([await ask('a'), await ask('b'), await ask('b'), await ask('b')]).toEqual([200, 200, 200, 429])
  expect(await limits()).toEqual([{ id: 'per-tenant', keys: 2, entries: 100, mode: 'local' }])

  const page = (await admin('/-/')).text.replaceAll(/<[^>]*>/g, '')
  expect(page).toContain('Limitedper-tenantby this gateway alone21001')
  expect(page).toContain('beyond per-tenant')
  expect(page).toContain('no more than per-tenant')
})

test.skipIf(process.env.WITHOUT_STORES === '1')(
  'a limit that is shared shows whether it is, and what is done while it is not; the gateway stays ready',
  async () => {
    const server = await startStoreServer({ password: 'of-nobody-else', users: [documentedUser('secret')] })
    atEnd(server.stop)
    const stack = await startLimited(SHARED, {
      store: { url: server.url, username: 'sallyport', passwordFile: 'password' },
      // Proofs go on without it.
      dpop: { baseUrls: ['https://api.example.com'], replay: { store: true, whenUnavailable: 'local' } },
      admin: { listen: '127.0.0.1:0', console: {} },
    })
    const { limits, ask, metrics, admin } = stack
    const storeUp = async () => (await metrics()).get('sallyport_store_up')
    await expect.poll(limits, SOON).toMatchObject([
      { id: 'per-caller', mode: 'shared' },
      { id: 'daily', mode: 'shared' },
    ] satisfies unknown[])
    expect(JSON.stringify(await limits())).not.toContain('last_error')
    expect(await ask('a')).toBe(200)
    await expect.poll(storeUp, SOON).toBe(1)

    await server.kill()
    await expect.poll(limits, SOON).toEqual([
      {
        ...{ id: 'per-caller', keys: 1, entries: 50_000, mode: 'local' },
        last_error: expect.stringMatching(/^the store .+; each process counts for itself until it is back$/),
      },
      {
        ...{ id: 'daily', keys: 1, entries: 50_000, mode: 'refuse' },
        last_error: expect.stringMatching(/^the store .+; requests are refused until it is back$/),
      },
    ])
    expect(await ask('a')).toBe(503)
    await expect.poll(storeUp, SOON).toBe(0)
    expect((await admin('/readyz')).status).toBe(200)
    const page = (await admin('/-/')).text.replaceAll(/<[^>]*>/g, '')
    expect(page).toMatch(/per-callernot shared: the store .+; each process counts for itself until it is back150,0000/)

    await server.restart()
    await expect.poll(limits, SOON).toMatchObject([{ mode: 'shared' }, { mode: 'shared' }])
    expect(await ask('a')).toBe(200)
  },
  60_000,
)
