/** Makes bundles of a gateway that is full of marked secrets, unpacks them with GNU tar, and looks for every one. */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { bundleCommand } from '../../../src/cli/bundle.ts'
import { doctorCommand } from '../../../src/cli/doctor.ts'
import { packed } from '../../../src/tools/bundle/archive.ts'
import { maskedConfig } from '../../../src/tools/bundle/masked-config.ts'
import { withoutSecrets } from '../../../src/tools/bundle/secret-looks.ts'
import { type CommandResult, runCommand } from '../../support/gateway/command.ts'
import { startTestGateway, type TestGateway, testProvider } from '../../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import { folder } from '../support.ts'

const files = folder()
let issuer: TestIssuer
let service: TestUpstream
let gateway: TestGateway
let count = 0

/** Every secret that was put somewhere. */
const marked: string[] = []

/** Half of them look like words of people, so that no looks give them away. */
function secret(kind: string): string {
  const value =
    marked.length % 2 === 0 ? `marked-${kind}-${randomBytes(3).toString('hex')}` : randomBytes(18).toString('base64url')
  marked.push(value)
  return value
}

/** What a bundle has: each file as text, by its name. */
type Unpacked = ReadonlyMap<string, string>

function unpacked(archive: string): Unpacked {
  const target = mkdtempSync(join(tmpdir(), 'sallyport-unpacked-'))
  try {
    execFileSync('tar', ['--version'])
    execFileSync('tar', ['-xzf', archive, '-C', target])
    const inside = join(target, 'sallyport-bundle')
    return new Map(readdirSync(inside).map(name => [name, readFileSync(join(inside, name), 'utf8')]))
  } finally {
    rmSync(target, { recursive: true })
  }
}

async function bundled(file: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  count += 1
  const archive = join(files.path, `bundle-${count}.tgz`)
  const { code, stdout } = await runCommand(bundleCommand, ['-o', archive, '-c', file, ...args], { env })
  expect(code).toBe(0)
  return { archive, stdout, contents: unpacked(archive) }
}

function expectNothingMarked(contents: Unpacked, more: readonly string[] = []): void {
  for (const [name, text] of contents)
    for (const value of [...marked, ...more])
      for (const [form, encoded] of Object.entries(formsOf(value)))
        expect(text.includes(encoded), `${name} has ${value} as ${form}`).toBe(false)
}

function formsOf(value: string): Readonly<Record<string, string>> {
  const bytes = Buffer.from(value)
  return {
    raw: value,
    upper: value.toUpperCase(),
    base64: bytes.toString('base64').replace(/=+$/, ''),
    base64url: bytes.toString('base64url'),
    // As it would stand within longer text that is base64, whatever stands before it.
    base64At1: Buffer.from(`x${value}`).toString('base64').slice(2, -4),
    base64At2: Buffer.from(`xx${value}`).toString('base64').slice(3, -4),
    hex: bytes.toString('hex'),
    url: encodeURIComponent(value),
    json: JSON.stringify(value).slice(1, -1),
    reversed: [...value].toReversed().join(''),
    sha256: createHash('sha256').update(value).digest('hex'),
    sha256Line: createHash('sha256').update(`${value}\n`).digest('hex'),
    md5: createHash('md5').update(value).digest('hex'),
  }
}

beforeAll(async () => {
  ;[issuer, service] = await Promise.all([startTestIssuer(), startTestUpstream()])
  gateway = await startTestGateway({
    admin: { listen: '127.0.0.1:0', console: { subjects: 'plain' } },
    providers: { main: testProvider(issuer) },
    upstreams: { app: service.url },
    routes: [
      { id: 'all', path: '/**' },
      { id: 'scoped', path: '/scoped/**', require: { scopes: ['orders:read'] } },
    ],
  })
})

afterAll(async () => {
  await Promise.all([gateway.close(), issuer.close(), service.close()])
})

/** A configuration that loads, with secrets in every file that it names, in comments and in defaults. */
function goodConfig() {
  const named = (name: string, text: string) => {
    files.write(name, text)
    return name
  }
  const hmac = `${secret('hmac-key')}${secret('hmac-key-end')}`
  marked.push(hmac)
  return stringify({
    listen: '127.0.0.1:0',
    providers: {
      shared: {
        ...{
          type: 'jwt',
          issuer: 'http://127.0.0.1:1/shared',
          audiences: ['a'],
          algorithms: ['HS256'],
          maxLifetime: '1h',
        },
        keys: { secretFile: named('hmac', hmac) },
      },
      asked: {
        ...{ type: 'introspection', issuer: 'http://127.0.0.1:1/as', audiences: ['a'], tokens: { prefixes: ['at_'] } },
        endpoint: `http://127.0.0.1:1/introspect?api_key=${secret('query')}`,
        client: { id: 'orders', auth: 'basic', secretFile: named('client-secret', `${secret('client-secret')}\n`) },
        maxLifetime: '1h',
      },
      bearer: {
        ...{ type: 'jwt', issuer: 'http://127.0.0.1:1/bearer', audiences: ['a'], maxLifetime: '1h' },
        keys: { bearerFile: named('bearer', secret('bearer')) },
      },
      login: {
        ...{ type: 'session', issuer: 'http://127.0.0.1:1/login', principal: 'idToken', scopes: ['openid'] },
        client: { id: 'shop', auth: 'post', secretFile: named('login-secret', secret('login-secret')) },
        publicUrl: 'https://shop.example.com',
        keyFiles: [named('cookie-key', `${secret('cookie-key')}${'x'.repeat(32)}`)],
        parameters: { login_token: secret('parameter'), hint: `Bearer ${secret('bearer-parameter')}` },
      },
    },
    upstreams: { app: service.url },
    egress: { proxy: 'http://127.0.0.1:3128', credentialsFile: named('proxy', `gateway:${secret('proxy-password')}`) },
    store: { url: 'redis://127.0.0.1:1', passwordFile: named('store', secret('store-password')) },
    revocation: {
      api: {
        tokenFile: named(
          'admin-token',
          `${secret('admin-token')}${'y'.repeat(32)}\n${secret('second-admin-token')}${'y'.repeat(32)}`,
        ),
      },
      ...{ store: {}, whenStale: 'allow' },
    },
    admin: { listen: '127.0.0.1:0' },
    dpop: {
      baseUrls: ['https://shop.example.com'],
      nonce: { secretFile: named('nonce', `${secret('dpop-nonce-key')}${'z'.repeat(32)}`) },
    },
    traces: {
      endpoint: 'http://127.0.0.1:1/v1/traces',
      headersFile: named('otlp', `API-Key: ${secret('otlp-key')}\n`),
    },
    'x-notes': { password: secret('extension'), list: [secret('extension-list')], [secret('extension-name')]: 1 },
    routes: [
      { id: 'all', path: '/**', require: { claims: { '${CLAIM:-tenant}': 'acme', api_token: secret('claim-value') } } },
      { id: 'reset', path: `/reset/${'${RESET_TOKEN:-'}${secret('default')}}`, access: 'public' },
    ],
  })
}

describe('a bundle', () => {
  let found: Awaited<ReturnType<typeof bundled>>
  let doctored: CommandResult
  let env: Readonly<Record<string, string>>

  beforeAll(async () => {
    // Requests bring what nobody else may see.
    const jwt = await issuer.mint({ sub: secret('subject'), note: secret('claim'), exp: 1 })
    marked.push(jwt, ...jwt.split('.').slice(1))
    const subject = secret('known-subject')
    const good = await issuer.mint({ sub: subject })
    marked.push(good, ...good.split('.').slice(1))
    await gateway.request(`/scoped/${subject}`, { headers: { authorization: `Bearer ${good}` } })
    await gateway.request(`/orders/1?access_token=${secret('query-token')}`, {
      headers: {
        authorization: `Bearer ${jwt}`,
        cookie: `__Host-sallyport=${secret('cookie')}`,
        dpop: secret('dpop-proof'),
        'x-api-key': secret('header'),
      },
    })
    await gateway.request('/orders', {
      method: 'POST',
      headers: { authorization: `DPoP ${secret('dpop-token')}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: `refresh_token=${secret('refresh')}&client_secret=${secret('form')}`,
    })
    await gateway.request(`/orders/${jwt}`, { headers: { authorization: `Bearer ${secret('opaque')}` } })
    await gateway.request('/orders', {
      headers: { authorization: `Basic ${Buffer.from(`u:${secret('basic')}`).toString('base64')}` },
    })
    await gateway.admin('/-/revocations', {
      method: 'POST',
      headers: { authorization: `Bearer ${secret('admin-guess')}` },
      body: '{}',
    })
    env = {
      CLIENT_SECRET: secret('variable'),
      DATABASE_URL: `postgres://user:${secret('database-password')}@db/x`,
      NODE_EXTRA: `${secret('unnamed-variable')}`,
      OTEL_EXPORTER_OTLP_HEADERS: `x-tenant=${secret('otlp-variable')},api-key=${secret('otlp-key-variable')}`,
      HTTPS_PROXY: `http://user:${secret('proxy-variable')}@127.0.0.1:1`,
      RESET_TOKEN: 'resolved-reset',
      CLAIM: 'resolved-claim',
    }
    const text = `# old: ${secret('comment')}\n${goodConfig()}# ${secret('last-comment')}\n`
    const file = files.write('good.yaml', text)
    doctored = await runCommand(doctorCommand, ['-c', file, '--online', '--through', gateway.url], { env })
    found = await bundled(file, ['--admin', gateway.adminUrl, '--online'], env)
  }, 60_000)

  test('has what a ticket needs, in one order', () => {
    expect([...found.contents.keys()].toSorted()).toEqual([
      ...[
        'config.yaml',
        'doctor.json',
        'files.json',
        'manifest.json',
        'metrics.txt',
        'recent.json',
        'status.json',
        'versions.json',
      ],
    ])
    expect(execFileSync('tar', ['-tzf', found.archive], { encoding: 'utf8' }).trim().split('\n')).toEqual(
      [
        'manifest.json',
        'versions.json',
        'config.yaml',
        'files.json',
        'doctor.json',
        'status.json',
        'metrics.txt',
        'recent.json',
      ].map(name => `sallyport-bundle/${name}`),
    )
    expect(JSON.parse(found.contents.get('versions.json') ?? '')).toMatchObject({
      ...{ sallyport: '0.0.0-test', node: process.version },
    })
    expect(JSON.parse(found.contents.get('status.json') ?? '')).toMatchObject({
      providers: [
        {
          id: 'main',
          issuer: issuer.issuer,
          keys: [{ kid: 'test-RS256' }, { kid: 'test-ES256' }, { kid: 'test-EdDSA' }],
        },
      ],
    })
    expect(found.contents.get('metrics.txt')).toMatch(/^sallyport_refusals_total\{code="token_expired"\} \d+$/m)
    const { records } = JSON.parse(found.contents.get('recent.json') ?? '')
    expect(records.length).toBeGreaterThanOrEqual(4)
    expect(records).toContainEqual(
      expect.objectContaining({ code: 'scope_missing', subject: expect.stringMatching(/^#[0-9a-f]{12}$/) }),
    )
    const { findings } = JSON.parse(found.contents.get('doctor.json') ?? '')
    expect(findings.map(({ check }: { readonly check: string }) => check)).toContain('store')
  })

  test('lists its contents with their digests, and says why something is missing', () => {
    const { contents, missing } = JSON.parse(found.contents.get('manifest.json') ?? '')
    for (const { name, bytes, sha256 } of contents) {
      const content = Buffer.from(found.contents.get(name) ?? '')
      expect([bytes, sha256]).toEqual([content.length, createHash('sha256').update(content).digest('hex')])
    }
    expect(contents).toHaveLength(7)
    expect(missing).toEqual([])
  })

  test('shows no secret, however it may be written', () => {
    expect(new Set(marked).size).toBeGreaterThanOrEqual(40)
    expectNothingMarked(found.contents)
    expect(readFileSync(found.archive).includes(Buffer.from('marked-'))).toBe(false)
  })

  test('is not needed for doctor to keep secrets to itself', () => {
    expect(doctored.stdout).toMatch(/^fail +asking +provider asked/m)
    expectNothingMarked(new Map([['doctor', doctored.stdout + doctored.stderr]]))
  })

  test('shows the configuration as it is written, references unresolved', () => {
    const written = parse(found.contents.get('config.yaml') ?? '')
    expect(written.providers.asked).toMatchObject({
      ...{ type: 'introspection', audiences: ['a'], endpoint: 'http://127.0.0.1:1/introspect?(left out)' },
      client: { id: 'orders', auth: 'basic', secretFile: 'client-secret' },
    })
    expect(written.egress).toEqual({ proxy: 'http://127.0.0.1:3128', credentialsFile: 'proxy' })
    expect(written.routes[0].require.claims).toEqual({ '${CLAIM:-tenant}': 'acme', api_token: '(left out)' })
    expect(written.routes[1].path).toBe(`/reset/$${'{RESET_TOKEN:-(left out)}'}`)
    expect([...found.contents.values()].join()).not.toContain('resolved-')
  })

  test('lists files with size and mode, and a digest of public ones alone', () => {
    const listed = JSON.parse(found.contents.get('files.json') ?? '')
    const store = listed.find(({ at }: { readonly at: string }) => at === 'store.passwordFile')
    expect(store).toMatchObject({ path: join(files.path, 'store'), mode: '0644', size: expect.any(Number) })
    expect(store).not.toHaveProperty('sha256')
  })

  test('can be read by its owner alone, and is not replaced unless that is asked for', async () => {
    expect(statSync(found.archive).mode & 0o777).toBe(0o600)
    const file = join(files.path, 'good.yaml')
    const again = await runCommand(bundleCommand, ['-o', found.archive, '-c', file])
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') })
    const old = files.write('old.tgz', 'x')
    expect((await runCommand(bundleCommand, ['-o', old, '-c', file, '--force'])).code).toBe(0)
    expect(statSync(old).mode & 0o777).toBe(0o600)
    expect(unpacked(old).has('manifest.json')).toBe(true)
    await expect(runCommand(bundleCommand, ['-o', join(files.path, 'absent/x.tgz'), '-c', file])).rejects.toThrow(
      /cannot be written/,
    )
    expect((await runCommand(bundleCommand, ['-c', file])).code).toBe(2)
  })
})

test('a configuration that does not load is shown all the same, without the secrets that keep it from loading', async () => {
  const inline = {
    kty: 'EC',
    crv: 'P-256',
    x: 'A'.repeat(43),
    y: 'B'.repeat(43),
    kid: 'public-key',
    d: secret('private-jwk'),
  }
  const text = stringify({
    listen: '127.0.0.1:0',
    admin: { listen: '127.0.0.1:1', password: secret('unknown-key') },
    providers: {
      main: {
        type: 'jwt',
        issuer: `https://user:${secret('userinfo')}@a.example.com`,
        audiences: ['a'],
        clientSecret: secret('misplaced'),
      },
      inline: { type: 'jwt', issuer: 'https://b.example.com', audiences: ['a'], keys: { jwks: { keys: [inline] } } },
    },
    upstreams: { app: `http://gateway:${secret('upstream-password')}@127.0.0.1:1` },
    store: { url: `redis://:${secret('redis-password')}@127.0.0.1:1`, password: secret('redis-key') },
    traces: { endpoint: `https://collector.example.com/?key=${secret('collector')}` },
    routes: [
      {
        id: 'all',
        path: '/**',
        acess: 'public',
        require: { claims: { id: `-----BEGIN PRIVATE KEY-----\n${secret('pem')}\n-----END PRIVATE KEY-----` } },
      },
    ],
  })
  const { contents, stdout } = await bundled(files.write('bad.yaml', text))
  expectNothingMarked(contents)
  expect(stdout).toContain('without files.json: the configuration has mistakes, which doctor.json names')
  const written = parse(contents.get('config.yaml') ?? '')
  expect(written.providers.inline.keys.jwks.keys[0]).toEqual({ ...inline, d: '(left out)' })
  expect(written.store).toEqual({ url: 'redis://(left out)@127.0.0.1:1', password: '(left out)' })
  expect(written.providers.main.issuer).toBe('https://(left out)@a.example.com')
  expect(contents.get('doctor.json')).toContain('clientSecret')
  expect(written.routes[0].acess).toBe('(left out)')
})

test('what is no YAML is not shown, and what is not there is named', async () => {
  const { contents } = await bundled(files.write('broken.yaml', `store: { password: ${secret('broken')}\n  - x: [`))
  expectNothingMarked(contents)
  const { missing } = JSON.parse(contents.get('manifest.json') ?? '')
  expect(missing).toContainEqual({
    name: 'config.yaml',
    reason: 'it is no YAML, so nobody knows what in it is a secret',
  })
  expect(missing).toContainEqual({
    name: 'status.json',
    reason: 'it is not known where the admin listener is; name it by --admin',
  })
  const absent = await bundled(join(files.path, 'absent.yaml'), ['--admin', 'http://127.0.0.1:1'])
  expect(JSON.parse(absent.contents.get('manifest.json') ?? '').missing).toEqual([
    { name: 'config.yaml', reason: 'it cannot be read: there is no such file or folder (ENOENT)' },
    { name: 'files.json', reason: 'the configuration has mistakes, which doctor.json names' },
    ...['status.json', 'metrics.txt', 'recent.json'].map(name => ({
      name,
      reason: 'no gateway answers at the admin listener',
    })),
  ])
})

describe('of the last refusals', () => {
  async function told(
    answers: Readonly<Record<string, string>>,
    config: object = {},
    env: Readonly<Record<string, string>> = {},
  ) {
    const server = http.createServer(({ url = '' }, response) => {
      const answer = answers[url]
      response.writeHead(answer === undefined ? 404 : 200).end(answer)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const plain = {
      ...{ listen: '127.0.0.1:0', upstreams: { app: 'http://127.0.0.1:1' } },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    }
    const file = files.write('recent.yaml', stringify({ ...plain, ...config }))
    const { contents } = await bundled(file, ['--admin', `http://127.0.0.1:${port}`], env)
    server.close()
    return contents
  }

  test('what is known to be a secret is taken out of what others write, however they write it', async () => {
    const words = { file: 'correct horse battery', variable: 'staple & paper', unknown: 'Tr0ub4dor' }
    files.write('known-password', `${words.file}\n`)
    const written = Object.values(words).flatMap(word => [
      ...[word, encodeURIComponent(word), Buffer.from(word).toString('base64'), Buffer.from(word).toString('hex')],
      ...[Buffer.from(`x${word}y`).toString('base64'), Buffer.from(`xx${word}`).toString('base64url')],
    ])
    const records = written.map(text => ({ code: 'route_unknown', path: `/${text}`, evidence: { [text]: text } }))
    const status = { version: '1', config_hash: 'x', reasons: written, keys: [{ kid: 'Tr0ub4dor' }] }
    const contents = await told(
      { '/-/recent': JSON.stringify({ records }), '/-/status': JSON.stringify(status) },
      {
        store: { url: 'redis://127.0.0.1:1', passwordFile: 'known-password' },
        revocation: { store: {}, whenStale: 'allow' },
        'x-password': words.unknown,
      },
      { CLIENT_SECRET: words.variable },
    )
    expect(contents.has('recent.json') && contents.has('status.json')).toBe(true)
    const text = [...contents.values()].join('\n')
    // The last letters of a text in base64 depend on what follows.
    for (const word of Object.values(words))
      for (const form of ['raw', 'base64', 'base64At1', 'base64At2', 'hex', 'url'] as const)
        expect(text, `${word} as ${form}`).not.toContain(String(formsOf(word)[form]).slice(0, -2))
  })

  test('subjects and clients are hashed, whatever the console says, and other members are left out', async () => {
    const record = {
      ...{ time: '2026-11-27T10:00:00.000Z', request_id: '019edc189f12d9c4a1ac9fb2616a637f', decision: 'deny' },
      ...{
        code: 'scope_missing',
        status: 403,
        method: 'GET',
        host: 'api.example.com',
        path: `/users/alice/${secret('path-key-0123456789012345')}`,
      },
      ...{ route: 'orders', provider: 'main', subject: 'alice', client: '203.0.113.9', cookie: secret('member') },
      evidence: { wanted: 'orders:write', saw: { sub: 'alice' }, token: `eyJhbGciOiJub25lIn0.${secret('evidence')}.x` },
      explain: `sallyport explain GET '/users/alice' -H 'Authorization: Bearer ${secret('explain')}'`,
    }
    const other = { ...record, subject: 'bob', client: '203.0.113.9', evidence: undefined }
    const contents = await told({ '/-/recent': JSON.stringify({ records: [record, other], next: 'x' }) })
    const text = contents.get('recent.json') ?? ''
    expectNothingMarked(contents, ['alice', '203.0.113.9'])
    const { records } = JSON.parse(text)
    expect(records[0]).toMatchObject({
      ...{
        request_id: record.request_id,
        code: 'scope_missing',
        status: 403,
        route: 'orders',
        host: 'api.example.com',
      },
      ...{ subject: expect.stringMatching(/^#[0-9a-f]{12}$/), evidence: { wanted: 'orders:write' } },
    })
    expect(records[0].client).toBe(records[1].client)
    expect(records[0].subject).not.toBe(records[1].subject)
    expect(records[0]).not.toHaveProperty('cookie')
  })

  test('there are none where the gateway remembers none', async () => {
    const contents = await told({})
    expect(JSON.parse(contents.get('manifest.json') ?? '').missing).toContainEqual({
      ...{ name: 'recent.json', reason: 'the gateway remembers no refusals; set `admin.console`' },
    })
  })

  test('a name within another, or within a hash, makes neither longer', async () => {
    const names = [...'0123456789abcdef', 'ann', 'anna-maria', 'a(b*', 'x/y$&']
    const records = names.map(subject => ({ subject, path: `/of/${names.join('/')}` }))
    const contents = await told({ '/-/recent': JSON.stringify({ records }) })
    const { records: shown } = JSON.parse(contents.get('recent.json') ?? '') as { records: typeof records }
    const hashes = shown.map(({ subject }) => subject).join('/')
    expect(new Set(shown.map(({ path }) => path.slice(-hashes.length)))).toEqual(new Set([hashes]))
  })

  test('nothing is shown of a secret file that a configuration with a mistake names', async () => {
    const password = `${secret('of-a-mistaken')} /+ word`
    files.write('mistaken.txt', `${password}\n`)
    const octets = encodeURIComponent(password)
    const forms = [octets, octets.replaceAll(/%../g, octet => octet.toLowerCase()), encodeURIComponent(octets)]
    const records = forms.map(path => ({ time: '', request_id: 'a', code: 'token_missing', method: 'GET', path }))
    for (const store of [{ passwordFile: './mistaken.txt' }, { passwordFile: `./$${'{NO_SUCH:-mistaken.txt}'}` }]) {
      const contents = await told({ '/-/recent': JSON.stringify({ records }) }, { store, ruotes: [] })
      expect(JSON.parse(contents.get('recent.json') ?? '').records).toHaveLength(forms.length)
      expectNothingMarked(contents)
    }
  })

  test('nothing is taken from somebody who is no gateway', async () => {
    const contents = await told({
      '/-/status': JSON.stringify({ secret: secret('stranger-status') }),
      '/metrics': `other_metric{password="${secret('stranger-metric')}"} 1\n`,
      '/-/recent': secret('stranger-recent'),
    })
    expectNothingMarked(contents)
    expect(JSON.parse(contents.get('manifest.json') ?? '').missing).toEqual(
      ['/-/status', '/metrics', '/-/recent'].map((path, index) => ({
        name: ['status.json', 'metrics.txt', 'recent.json'][index],
        reason: `${path} is not answered as a gateway does`,
      })),
    )
  })
})

test('an archive is the same for the same files, and GNU tar reads every size', () => {
  const sizes = [0, 1, 511, 512, 513, 10_000]
  const contents = sizes.map(size => ({ name: `folder/file-${size}`, content: randomBytes(size) }))
  const archive = packed(contents, 1_795_000_000)
  expect(packed(contents, 1_795_000_000).equals(archive)).toBe(true)
  files.write('sizes.tgz', '')
  const target = mkdtempSync(join(files.path, 'sizes-'))
  execFileSync('tar', ['-xz', '-C', target], { input: archive })
  for (const { name, content } of contents) expect(readFileSync(join(target, name)).equals(content)).toBe(true)
  expect(statSync(join(target, 'folder/file-1')).mtimeMs).toBe(1_795_000_000_000)
  expect(() => packed([{ name: 'x'.repeat(101), content: Buffer.alloc(0) }], 0)).toThrow(RangeError)
})

test.each([
  'https://login.microsoftonline.com/2f1b7c1e-9a3d-4f7e-8a55-0b9a9f3f9d11/v2.0',
  '/etc/sallyport/secrets/client-secret',
  'orders:read orders:write',
  'sallyport_request_duration_seconds_bucket{route="orders-write-everything",le="0.005"} 12',
  'the admin listener cannot be reached: nothing listens there (ECONNREFUSED)',
  'the token lacks the scope orders:write',
  '/realm_access/roles',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  '/tmp/sallyport-tools-4N1R1G/store',
])('%s does not look like a secret', text => expect(withoutSecrets(text)).toBe(text))

test('every example of the project is shown with all of its keys', () => {
  const examples = readdirSync('config').filter(name => name.endsWith('.yaml') && !name.includes('cases'))
  expect(examples.length).toBeGreaterThan(3)
  for (const name of examples) {
    const text = readFileSync(join('config', name), 'utf8')
    const written = parse(text)
    if (!Object.hasOwn(Object(written), 'routes')) continue
    const shown = parse(maskedConfig(text)?.text ?? '')
    expect(Object.keys(shown), name).toEqual(Object.keys(written))
    expect(shown.routes, name).toEqual(written.routes)
  }
})
