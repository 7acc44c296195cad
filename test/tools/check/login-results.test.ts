/** What `check --online` finds at the provider of a login: a real one, and one that answers as a test says. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { checkCommand } from '../../../src/cli/check.ts'
import { doctorCommand } from '../../../src/cli/doctor.ts'
import { loadConfigFile } from '../../../src/config/read/load.ts'
import { loginResults, scopeWarnings } from '../../../src/tools/check/login-results.ts'
import { MARK, SECRET, saysJson, saysStatus, scriptedProvider } from '../../oauth/support.ts'
import { runCommand } from '../../support/gateway/command.ts'
import { type LoginProvider, startLoginProvider } from '../../support/services/login-provider.ts'
import { folder } from '../support.ts'

const PUBLIC_URL = 'https://shop.example.com'
const CALLBACK = `${PUBLIC_URL}/auth/callback`
const files = folder()
files.write('session-key', randomBytes(32).toString('hex'))
files.write('secret', SECRET)

type Members = Readonly<Record<string, unknown>>

function fileOf(browser: Members, upstream = 'http://127.0.0.1:1'): string {
  const { issuer } = browser
  return files.write(
    'sallyport.yaml',
    stringify({
      listen: '127.0.0.1:0',
      upstreams: { app: upstream },
      providers: {
        main: { type: 'jwt', issuer, audiences: ['a'], keys: { jwksUri: `${issuer}/jwks` } },
        browser: {
          ...{ type: 'session', principal: 'main', publicUrl: PUBLIC_URL, keyFiles: ['session-key'] },
          ...browser,
        },
      },
      routes: [{ id: 'all', path: '/**', providers: ['browser'] }],
    }),
  )
}

function checked(browser: Members) {
  const config = loadConfigFile(fileOf(browser), {})
  const provider = config.providers.browser
  if (provider?.type !== 'session') throw new Error('the provider is of another type')
  return { results: loginResults(provider, config), warnings: scopeWarnings('browser', provider, config) }
}

async function detailsOf(browser: Members): Promise<readonly string[]> {
  return (await checked(browser).results).map(({ outcome, detail }) => `${outcome}: ${detail}`)
}

describe.each([
  ['basic', 'off'],
  ['private_key_jwt', 'required'],
] as const)('a real provider with %s, PAR %s,', (clientAuth, par) => {
  let provider: LoginProvider
  beforeAll(async () => {
    provider = await startLoginProvider({ clientAuth, par })
    provider.trust({ url: PUBLIC_URL })
  })
  afterAll(() => provider.close())

  test('takes our credentials, and would send browsers back', async () => {
    expect(await detailsOf(provider.sessionProvider)).toEqual([
      'ok: takes our credentials: it answers invalid_grant to a code that nobody has issued',
      'ok: supports PKCE with S256',
      `ok: sends browsers back to ${CALLBACK} (login_required)`,
    ])
  })

  test('does not know a redirect URI that is not registered', async () => {
    const [first, , way] = await detailsOf({ ...provider.sessionProvider, paths: '/elsewhere' })
    expect(first).toMatch(/^ok/)
    expect(way).toMatch(/^failed: /)
    expect(way).toContain(`${PUBLIC_URL}/elsewhere/callback`)
    expect(way).toContain(par === 'off' ? 'register exactly that' : 'refused: invalid_request')
  })

  test('tells of a scope that it does not know', async () => {
    const scopes = ['openid', 'offline_access', 'orders:red']
    expect(await checked({ ...provider.sessionProvider, scopes }).warnings).toEqual([
      {
        code: 'session-scope-unlisted',
        path: ['providers', 'browser', 'scopes', 2],
        message: expect.stringContaining('may refuse every login'),
      },
    ])
  })
})

test('the commands tell all of it, and fail with wrong credentials', async () => {
  const provider = await startLoginProvider()
  try {
    provider.trust({ url: PUBLIC_URL })
    const file = fileOf(provider.sessionProvider, provider.issuer)
    const good = await runCommand(checkCommand, [file, '--online'])
    expect(good.stdout).toMatch(/^ok {5}provider browser: keys /m)
    expect(good.stdout).toMatch(/^ok {5}provider browser: takes our credentials/m)
    expect(good.code).toBe(0)
    const examined = await runCommand(doctorCommand, ['-c', file, '--online'])
    expect(examined.stdout).toMatch(/^ok +issuer +provider browser: .*, byte for byte$/m)
    expect(examined.stdout).toMatch(/^ok +login +provider browser: takes our credentials/m)
    const scopes = ['openid', 'offline_access', 'orders:red']
    const misspelled = await runCommand(doctorCommand, [
      '-c',
      fileOf({ ...provider.sessionProvider, scopes }),
      '--online',
    ])
    expect(misspelled.stdout).toMatch(/^warn +login +provider browser: `providers\.browser\.scopes\[2\]` is not among/m)
    const client = { id: 'shop', auth: 'basic', secretFile: 'secret' }
    const refused = await runCommand(doctorCommand, ['-c', fileOf({ ...provider.sessionProvider, client }), '--online'])
    expect(refused.stdout).toMatch(/^fail +login +provider browser: .*invalid_client/m)
    expect(refused.stdout).not.toContain(SECRET)
    const bad = await runCommand(checkCommand, [fileOf({ ...provider.sessionProvider, client }), '--online', '--json'])
    expect(bad.code).toBe(1)
    expect(bad.stdout).toContain(
      '/token refused: invalid_client; it does not take our credentials: compare `client.id`',
    )
    expect(bad.stdout).not.toContain(SECRET)
  } finally {
    await provider.close()
  }
})

describe('a provider that answers', () => {
  async function scripted() {
    const provider = await scriptedProvider()
    provider.metadata.code_challenge_methods_supported = ['plain', 'S256']
    provider.answer('/token', saysJson({ error: 'invalid_grant', error_description: MARK }, {}, 400))
    provider.answer('/authorize', (response, { path }) => {
      const asked = new URL(path, provider.issuer).searchParams
      expect(asked.get('prompt')).toBe('none')
      response.writeHead(303, { location: `${asked.get('redirect_uri')}?error=login_required` }).end()
    })
    const { issuer } = provider
    const browser = { issuer, client: { id: 'shop', auth: 'basic', secretFile: 'secret' }, scopes: ['openid'] }
    return { provider, browser }
  }

  test('well is fine, and is asked for one code and nothing else', async () => {
    const { provider, browser } = await scripted()
    expect(await detailsOf(browser)).toEqual([
      expect.stringMatching(/^ok: /),
      'ok: supports PKCE with S256',
      `ok: sends browsers back to ${CALLBACK} (login_required)`,
    ])
    expect(provider.asked.map(({ path }) => path)).toEqual(['/token'])
  })

  test.each<readonly [string, number, string]>([
    ['invalid_client', 401, 'does not take our credentials'],
    ['unauthorized_client', 400, 'allow it the authorization code flow'],
    ['unsupported_grant_type', 400, 'does not know the authorization code flow'],
    ['invalid_request', 400, 'wanted is invalid_grant'],
    [MARK, 400, 'its error code is not a registered one; wanted is invalid_grant'],
  ])('%s to the code of the check is told apart', async (error, status, said) => {
    const { provider, browser } = await scripted()
    provider.answer('/token', saysJson({ error, error_description: MARK }, {}, status))
    const [credentials = ''] = await detailsOf(browser)
    expect(credentials).toMatch(/^failed: /)
    expect(credentials).toContain(said)
    expect(credentials).not.toContain(MARK)
  })

  test.each([
    [401, '/token answered 401; wanted is invalid_grant'],
    [503, '/token answered 503'],
  ])('%d with a page at the token endpoint fails', async (status, said) => {
    const { provider, browser } = await scripted()
    provider.answer('/token', saysStatus(status))
    expect((await detailsOf(browser))[0]).toMatch(new RegExp(`^failed: .*${said}`))
  })

  test.each<readonly [string, Parameters<typeof saysStatus>, string]>([
    ['an error page', [400], `failed: \\S+/authorize answered 400 in place of .*${CALLBACK}; register exactly that`],
    ['a page', [200], 'ok: \\S+/authorize answered 200 in place of .* it is not seen whether that is registered'],
    ['a way to elsewhere', [302, { location: '/error?x=1' }], 'ok: .* answered 302 to \\S+/error in place of'],
    ['an outage', [502], 'failed: \\S+/authorize answered 502$'],
    [
      'our redirect URI, and does not allow the scopes',
      [302, { location: `${CALLBACK}?error=invalid_scope` }],
      'failed: \\S+/authorize refused: invalid_scope; compare scopes',
    ],
  ])('the request for a login with %s is told apart', async (_what, [status, headers], said) => {
    const { provider, browser } = await scripted()
    provider.answer('/authorize', saysStatus(status, headers))
    expect((await detailsOf(browser))[2]).toMatch(new RegExp(`^${said}`))
  })

  test.each([
    [['plain'], 'failed: does not support PKCE with S256, which every login uses; it lists plain'],
    [[], 'failed: does not support PKCE with S256, which every login uses; it lists none'],
    [undefined, 'ok: does not say whether it supports PKCE (no code_challenge_methods_supported)'],
  ])('with the challenge methods %j is told apart', async (methods, said) => {
    const { provider, browser } = await scripted()
    provider.metadata.code_challenge_methods_supported = methods
    expect((await detailsOf(browser))[1]).toBe(said)
  })

  test.each([
    ['that are not there', {}, 'answered 404'],
    [
      'with an address elsewhere',
      { token_endpoint: 'https://elsewhere.example.com/token' },
      'token_endpoint of the disc',
    ],
  ])('with metadata %s fails', async (_what, metadata, said) => {
    const { provider, browser } = await scripted()
    Object.assign(provider.metadata, metadata)
    if (Object.keys(metadata).length === 0) provider.answer('/metadata', saysStatus(404))
    const details = await detailsOf(browser)
    expect(details[0]).toMatch(new RegExp(`^failed: the provider cannot be discovered: .*${said}`))
    // It is told once; what needs no address is told all the same.
    expect(details.slice(1).filter(each => each !== 'ok: supports PKCE with S256')).toEqual([])
  })

  test.each<readonly [readonly string[] | undefined, readonly string[], readonly number[]]>([
    [['openid', 'offline_access'], ['openid', 'offline_access', 'orders:read'], []],
    [['openid', 'profile'], ['openid', 'offline_access', 'orders:read'], [1]],
    [
      ['openid', 'orders:write'],
      ['openid', 'orders:read', 'offline_access'],
      [1, 2],
    ],
    [undefined, ['openid', 'offline_access'], []],
  ])('which lists the scopes %j', async (listed, scopes, unlisted) => {
    const { provider, browser } = await scripted()
    provider.metadata.scopes_supported = listed
    const found = await checked({ ...browser, scopes }).warnings
    expect(found.map(({ path }) => path.at(-1))).toEqual(unlisted)
    const ofRefresh = found.filter(({ path }) => scopes[Number(path.at(-1))] === 'offline_access')
    for (const { message } of ofRefresh) expect(message).toContain('ends with its first access token')
  })
})
