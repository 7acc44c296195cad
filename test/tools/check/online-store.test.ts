/** What `check --online` finds at a store: whether it can be reached, and whether its users may do what is needed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { loadConfigFile } from '../../../src/config/read/load.ts'
import { storeResults } from '../../../src/tools/check/online-store.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'

const KEY = '{sallyport}:revocations'

describe.skipIf(process.env.WITHOUT_STORES === '1')('a store', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-check-store-'))
  let server: StoreServer
  beforeAll(async () => {
    const common = 'on >secret resetchannels -@all ~{sallyport}:*'
    server = await startStoreServer({
      password: 'default-secret',
      users: [
        `reader ${common} +xread +xrange +xinfo`,
        `writer ${common} +xread +xrange +xinfo +xadd`,
        `prover ${common} +set`,
        `both ${common} +xread +xrange +xinfo +set`,
        `counter ${common} +eval +evalsha +get +set +del +time`,
        `keeper ${common} +xread +xrange +xinfo +xadd +set +get +del +hmget +hset +pexpire +eval +evalsha`,
        'stranger on >secret resetchannels -@all ~other:* +xread +xrange +xinfo',
      ],
    })
    writeFileSync(join(folder, 'password'), 'secret\n', { mode: 0o600 })
    writeFileSync(join(folder, 'wrong'), 'wrong\n', { mode: 0o600 })
    writeFileSync(join(folder, 'revoker'), 'x'.repeat(40), { mode: 0o600 })
    writeFileSync(join(folder, 'session-key'), 'x'.repeat(40), { mode: 0o600 })
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  function checked(
    user: string,
    { url = server.url, password = 'password', api = false, proofs = false, revocations = true } = {},
  ) {
    const file = join(folder, 'sallyport.yaml')
    writeFileSync(
      file,
      `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
upstreams: { app: "http://127.0.0.1:1" }
providers: { main: { type: jwt, issuer: "https://auth.example.com/", audiences: [a], maxLifetime: 1h } }
store: { url: "${url}", username: ${user}, passwordFile: ${password} }
${revocations ? `revocation: { whenStale: refuse, store: {}${api ? ', api: { tokenFile: revoker }' : ''} }` : ''}
${proofs ? 'dpop: { baseUrls: [https://api.example.com], replay: { store: true } }' : ''}
routes: [{ id: all, path: /** }]
`,
    )
    return storeResults(loadConfigFile(file, {}))
  }

  test('that allows what is needed is fine, and asking changes nothing', async () => {
    const fine = { kind: 'store', id: server.address, outcome: 'ok' }
    expect(await checked('reader')).toEqual([{ ...fine, detail: 'allows reading the stream of revocations' }])
    const written = [{ ...fine, detail: 'allows reading and writing the stream of revocations' }]
    expect(await checked('writer', { api: true })).toEqual(written)
    expect(await server.command('EXISTS', KEY)).toBe(0)
    await server.command('XADD', KEY, '*', 'v', '1')
    expect(await checked('writer', { api: true })).toEqual(written)
    expect(await server.command('XLEN', KEY)).toBe(1)
  })

  test('that remembers proofs is asked for the right to do so, and keeps nothing of it', async () => {
    const fine = { kind: 'store', id: server.address, outcome: 'ok' }
    const remembers = { ...fine, detail: 'allows remembering the DPoP proofs that were used' }
    expect(await checked('prover', { proofs: true, revocations: false })).toEqual([remembers])
    expect(await checked('both', { proofs: true })).toEqual([
      { ...fine, detail: 'allows reading the stream of revocations' },
      remembers,
    ])
    await vi.waitFor(async () => expect(await server.command('KEYS', '{sallyport}:proof:*')).toEqual([]))
    const rights = expect.stringContaining('add to its access control list `+set ~{sallyport}:proof:*`')
    expect(await checked('reader', { proofs: true })).toMatchObject([
      { outcome: 'ok' },
      { outcome: 'failed', detail: rights },
    ])
    expect(await checked('stranger', { proofs: true, revocations: false })).toMatchObject([{ detail: rights }])
  })

  test('that keeps sessions is asked for the rights to do so, and keeps nothing of it', async () => {
    const sessionsOf = (username: string) => {
      const file = join(folder, 'sessions.yaml')
      writeFileSync(
        file,
        `listen: 127.0.0.1:0
upstreams: { app: "http://127.0.0.1:1" }
providers:
  main: { type: jwt, issuer: "https://auth.example.com/", audiences: [a] }
  browser:
    type: session
    issuer: https://auth.example.com/
    client: { id: shop, auth: basic, secretFile: session-key }
    principal: main
    publicUrl: https://shop.example.com
    keyFiles: [session-key]
    store: shared
store: { url: "${server.url}", username: ${username}, passwordFile: password }
routes: [{ id: all, path: /**, providers: [browser] }]
`,
      )
      return storeResults(loadConfigFile(file, {}))
    }
    expect((await sessionsOf('keeper')).map(({ outcome, detail }) => `${outcome}: ${detail}`)).toEqual([
      'ok: allows reading and writing the stream of revocations',
      'ok: allows keeping the sessions of browsers',
    ])
    expect(await server.command('KEYS', '{sallyport}:session*')).toEqual([])
    expect(await sessionsOf('writer')).toMatchObject([
      { outcome: 'ok' },
      {
        outcome: 'failed',
        detail: expect.stringContaining('`+set +get +del +hmget +hset +pexpire +eval +evalsha ~{sallyport}:session:*'),
      },
    ])
  })

  test('that counts for limits is asked for each right, and keeps nothing of it', async () => {
    const limitsOf = (username: string) => {
      const file = join(folder, 'limits.yaml')
      writeFileSync(
        file,
        `listen: 127.0.0.1:0
upstreams: { app: "http://127.0.0.1:1" }
providers: { main: { type: jwt, issuer: "https://auth.example.com/", audiences: [a] } }
store: { url: "${server.url}", username: ${username}, passwordFile: password }
rateLimits: { a: { rate: 10/s, key: [claims.sub], store: true } }
routes: [{ id: all, path: /**, rateLimits: [a] }]
`,
      )
      return storeResults(loadConfigFile(file, {}))
    }
    expect(await limitsOf('counter')).toMatchObject([{ outcome: 'ok', detail: 'allows counting for limits' }])
    expect(await server.command('KEYS', '{sallyport}:limit*')).toEqual([])
    const rights = (text: string) => expect.stringContaining(`add to its access control list \`${text}\``)
    expect(await limitsOf('keeper')).toMatchObject([{ detail: rights('+time ~{sallyport}:limit:*') }])
    expect(await limitsOf('prover')).toMatchObject([
      { detail: rights('+eval +evalsha +get +del +time ~{sallyport}:limit:*') },
    ])
  })

  test.each<readonly [string, Parameters<typeof checked>[1], string]>([
    ['reader', { api: true }, '+xadd'],
    ['stranger', {}, '+xinfo +xrange +xread'],
  ])('whose user %s may not do all that the file uses is told what to allow', async (user, options, rights) => {
    const detail = expect.stringContaining(`add to its access control list \`${rights} ~${KEY}\``)
    expect(await checked(user, options)).toMatchObject([{ outcome: 'failed', detail }])
  })

  test.each<readonly [string, Parameters<typeof checked>[1], RegExp]>([
    ['refuses the password', { password: 'wrong' }, /^refuses `username` and `passwordFile`/],
    ['is not there', { url: 'redis://127.0.0.1:1' }, /^cannot be reached: nothing listens there \(ECONNREFUSED\)$/],
    [
      'is not there to remember proofs',
      { url: 'redis://127.0.0.1:1', proofs: true, revocations: false },
      /^cannot be reached: nothing listens there \(ECONNREFUSED\)$/,
    ],
  ])('that %s fails, in our words', async (_what, options, detail) => {
    const result = await checked('reader', options)
    expect(result).toMatchObject([{ outcome: 'failed', detail: expect.stringMatching(detail) }])
    expect(JSON.stringify(result)).not.toMatch(/secret|wrong"/)
  })
})
