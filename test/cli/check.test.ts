/** Tests `sallyport check` as a user calls it. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createNetServer } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { checkCommand } from '../../src/cli/check.ts'
import { testAuthority } from '../support/certificates.ts'
import { runCommand } from '../support/gateway/command.ts'
import { sallyport } from '../support/gateway/running.ts'
import { startForwardProxy } from '../support/services/forward-proxy.ts'
import { startHttp2Service } from '../support/services/http2-service.ts'
import { startTestIssuer } from '../support/services/issuer.ts'
import { folder, HEAD, textOf } from '../tools/support.ts'

const files = folder()
const DOUBTFUL = textOf('{ id: a, path: /a, access: optional, require: { scopes: [a] } }')

function check(...args: readonly string[]) {
  return runCommand(
    checkCommand,
    args.map(arg => (arg.endsWith('.yaml') ? join(files.path, arg) : arg)),
  )
}

describe('sallyport check', () => {
  test('says that a good file is good, without asking the network', async () => {
    files.write('sallyport.yaml', textOf('{ id: all, path: /** }'))
    const run = sallyport(['check'], { cwd: files.path })
    expect(await run.exited).toBe(0)
    expect(run.stdout()).toBe('sallyport.yaml: ok (1 route, 1 provider, 1 upstream)\n')
    expect(run.stderr()).toBe('')
  })

  test('reports every error at its place and exits with 2', async () => {
    files.write('bad.yaml', `${HEAD}routes:\n  - { id: a, path: nowhere }\n  - { id: a, path: /x, acess: public }\n`)
    const { code, stdout } = await check('bad.yaml')
    expect(code).toBe(2)
    expect(stdout).toContain('bad.yaml:7:20 routes[0].path: a path starts with "/"')
    expect(stdout).toContain('Did you mean "access"?')
    expect(stdout).toContain('bad.yaml: not ok, 2 errors')
  })

  test('an audit log that cannot be written is an error at its line, and none is made', async () => {
    const text = textOf('{ id: all, path: /** }')
    files.write('audit.yaml', `${text}\naudit: { file: missing/audit.jsonl }\n`)
    const { code, stdout } = await check('audit.yaml')
    expect(code).toBe(2)
    expect(stdout).toMatch(/audit\.yaml:\d+:16 audit\.file: is in a folder that cannot be written: .*make the folder/)
    expect((await check('audit.yaml', '--no-files')).code).toBe(0)
    files.write('fine.yaml', `${text}\naudit: { file: made-by-check.jsonl }\n`)
    expect((await check('fine.yaml')).code).toBe(0)
    expect(existsSync(join(files.path, 'made-by-check.jsonl'))).toBe(false)
  })

  test('a file that is not there is an error, not a crash', async () => {
    const { code, stdout } = await check('absent.yaml')
    expect(code).toBe(2)
    expect(stdout).toContain('absent.yaml: the file cannot be read: there is no such file or folder (ENOENT)')
  })

  test('warnings are shown with their code, and fail the check with --strict only', async () => {
    files.write('doubtful.yaml', DOUBTFUL)
    const { code, stdout } = await check('doubtful.yaml')
    expect(code).toBe(0)
    expect(stdout).toContain('doubtful.yaml:7:51 routes[0].require: holds for callers who send a token only')
    expect(stdout).toContain('[optional-with-require]')
    expect((await check('doubtful.yaml', '--strict')).code).toBe(2)
    expect((await check('doubtful.yaml', '--strict', '--ignore', 'optional-with-require')).code).toBe(0)
  })

  test('findings as JSON', async () => {
    files.write('doubtful.yaml', DOUBTFUL)
    const { stdout } = await check('-c', 'doubtful.yaml', '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      file: join(files.path, 'doubtful.yaml'),
      errors: [],
      warnings: [{ code: 'optional-with-require', path: 'routes[0].require', line: 7, column: 51 }],
    })
  })

  test('findings as annotations, where nothing of the file can end one or begin another', async () => {
    files.write('a,b.yaml', `${HEAD}"x\\n::error::y%0A": 1\nroutes:\n  - { id: a, path: /** }\n`)
    const { code, stdout } = await check('a,b.yaml', '--format', 'github')
    expect(code).toBe(2)
    expect(stdout).toMatch(/^::error file=[^,:]*a%2Cb\.yaml,line=6,col=1,title=Sallyport::.*is not a known key\..*\n$/)
    expect(stdout).not.toContain('%0A":')
  })

  test('a certificate with a foreign key is found, as starting would', async () => {
    const authority = testAuthority()
    const [one, other] = [authority.issue('one', ['DNS:one']), authority.issue('other', ['DNS:other'])]
    authority.remove()
    files.write('cert.pem', one.cert)
    files.write('key.pem', other.key)
    files.write(
      'tls.yaml',
      textOf('{ id: all, path: /** }').replace(
        /^listen: .*$/m,
        'listen: { address: "127.0.0.1:0", tls: { certFile: cert.pem, keyFile: key.pem } }',
      ),
    )
    const { code, stdout } = await check('tls.yaml')
    expect(code).toBe(2)
    expect(stdout).toContain('listen.tls.keyFile: holds a key that does not belong to the certificate')
  })

  test('a key cache that cannot be written fails --strict, and is not looked at with --no-files', async () => {
    files.write('file', '')
    files.write('folder/x', '')
    const withCache = (cacheFile: string) =>
      textOf('{ id: all, path: /** }').replace('type: jwt,', `type: jwt, keys: { cacheFile: ${cacheFile} },`)
    for (const [cacheFile, reason] of [
      ['absent/keys.json', 'does not exist'],
      ['file/keys.json', 'is no folder'],
      ['folder', 'is a folder'],
    ] as const) {
      files.write('cache.yaml', withCache(cacheFile))
      const { code, stdout } = await check('cache.yaml', '--strict')
      expect(stdout).toMatch(new RegExp(`providers\\.main\\.keys\\.cacheFile: .*${reason}.* \\[cache-unwritable\\]`))
      expect(code).toBe(2)
      expect((await check('cache.yaml', '--strict', '--no-files')).code).toBe(0)
    }
    files.write('cache.yaml', withCache('folder/keys.json'))
    expect((await check('cache.yaml', '--strict')).code).toBe(0)
  })

  test('so is a cache of revocations', async () => {
    const withCache = (cacheFile: string) =>
      `${textOf('{ id: all, path: /** }').replace('audiences:', 'maxLifetime: 1h, audiences:')}admin: { listen: 127.0.0.1:9 }\nrevocation: { api: { tokenFile: secret }, cacheFile: ${cacheFile} }\n`
    files.write('secret', 'x'.repeat(32))
    files.write('revocation.yaml', withCache('absent/revocations'))
    expect((await check('revocation.yaml')).stdout).toMatch(
      /revocation\.cacheFile: .*does not exist.*no revocations would be kept.* \[cache-unwritable\]/,
    )
    expect((await check('revocation.yaml', '--no-files')).stdout).not.toContain('cache-unwritable')
    files.write('revocation.yaml', withCache('revocations'))
    expect((await check('revocation.yaml')).stdout).not.toContain('cache-unwritable')
  })

  test('two providers of one issuer, which routes tell apart, do not keep a public route from starting', async () => {
    const twin = '  twin: { type: jwt, issuer: https://auth.example.com/, audiences: [https://other.example.com] }\n'
    const routes = textOf(
      '{ id: open, path: /open, access: public }',
      '{ id: one, path: /one, providers: [main] }',
      '{ id: two, path: /two, providers: [twin] }',
    )
    files.write('twins.yaml', routes.replace('upstreams:', `${twin}upstreams:`))
    expect(await check('twins.yaml')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(': ok (3 routes, 2 prov'),
    })
  })

  test('explains wrong usage', async () => {
    for (const args of [['--josn'], ['a', 'b'], ['--format', 'gitlab'], ['--ignore', 'nothing']]) {
      const { code, stderr } = await check(...args)
      expect(code).toBe(2)
      expect(stderr).not.toBe('')
    }
  })
})

describe('sallyport check --online', () => {
  async function startDiscovery(issuerOf: (origin: string) => string) {
    const server = createServer((request, response) => {
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const isDocument = request.url?.endsWith('/.well-known/openid-configuration') === true
      response.writeHead(isDocument ? 200 : 404, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ issuer: issuerOf(origin), jwks_uri: `${origin}/jwks` }))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
  }

  test('names the keys it got, and what takes connections', async () => {
    const issuer = await startTestIssuer()
    files.write(
      'online.yaml',
      textOf('{ id: all, path: /** }')
        .replace('https://auth.example.com/,', `${issuer.issuer}, keys: { jwksUri: "${issuer.jwksUri}" },`)
        .replace('http://127.0.0.1:3000', issuer.issuer),
    )
    const { code, stdout } = await check('online.yaml', '--online')
    expect(stdout).toMatch(/^ok {5}provider main: keys test-RS256 RS256, test-ES256 ES256/m)
    expect(stdout).toMatch(/^ok {5}upstream app: takes connections$/m)
    expect(code).toBe(0)
    await issuer.close()
  })

  test('exits with 1 when keys or an upstream are out of reach', async () => {
    files.write(
      'down.yaml',
      textOf('{ id: all, path: /** }')
        .replace('https://auth.example.com/', 'http://127.0.0.1:1')
        .replace('127.0.0.1:3000', '127.0.0.1:1'),
    )
    const { code, stdout } = await check('down.yaml', '--online')
    expect(code).toBe(1)
    expect(stdout).toMatch(/^failed provider main: .*: nothing listens there \(ECONNREFUSED\)$/m)
    expect(stdout).toMatch(/^failed upstream app: does not take connections: nothing listens there \(ECONNREFUSED\)$/m)
  })

  test('goes through the proxy, and names it when keys are out of reach', async () => {
    const issuer = await startTestIssuer()
    const target = 'keys.proxied.test:80'
    const proxy = await startForwardProxy({ hosts: { [target]: Number(new URL(issuer.issuer).port) } })
    const keys = 'keys: { jwksUri: "http://keys.proxied.test/jwks", allowInsecureHttp: true }'
    const text = textOf('{ id: all, path: /** }').replace('https://auth.example.com/,', `${issuer.issuer}, ${keys},`)
    const egress = `egress: { proxy: "${proxy.url}" }\n`
    files.write('proxied.yaml', text.replace('/jwks"', `${new URL(issuer.jwksUri).pathname}"`) + egress)
    expect((await check('proxied.yaml', '--online')).stdout).toMatch(/^ok {5}provider main: keys test-RS256/m)
    expect(proxy.asked.map(each => each.target)).toEqual([target])
    files.write('unproxied.yaml', text.replace('keys.proxied', 'other.proxied') + egress)
    const { code, stdout } = await check('unproxied.yaml', '--online')
    expect(code).toBe(1)
    expect(stdout).toContain(`the proxy ${proxy.url} cannot reach other.proxied.test:80 (502)`)
    await issuer.close()
  })

  async function checkedUpstream(url: string, rest = '') {
    const issuer = await startTestIssuer()
    files.write(
      'upstream.yaml',
      textOf('{ id: all, path: /** }')
        .replace('https://auth.example.com/,', `${issuer.issuer}, keys: { jwksUri: "${issuer.jwksUri}" },`)
        .replace('http://127.0.0.1:3000', `{ url: "${url}", timeouts: { connect: 200ms }${rest} }`),
    )
    const checked = await check('upstream.yaml', '--online')
    await issuer.close()
    return checked
  }

  test('connects to an https: upstream by address, and says in words whom it does not trust', async () => {
    const authority = testAuthority()
    const { cert, key } = authority.issue('local', ['IP:127.0.0.1'])
    files.write('ca.pem', authority.cert)
    authority.remove()
    const server = createTlsServer({ cert, key }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    const trusted = await checkedUpstream(url, ', tls: { caFile: ca.pem }')
    expect(trusted.stdout).toMatch(/^ok {5}upstream app: takes connections$/m)
    expect(trusted.code).toBe(0)
    const { code, stdout } = await checkedUpstream(url)
    expect(stdout).toMatch(
      /^failed upstream app: .*: its certificate is not signed by anybody who is trusted;.*\(\w+\)$/m,
    )
    expect(code).toBe(1)
    server.close()
  })

  test('connects to an h2c: upstream, and finds one that speaks HTTP/1.1 or nothing', async () => {
    const spoken = await startHttp2Service()
    expect(await checkedUpstream(spoken.url)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^ok {5}upstream app: takes connections, and speaks HTTP\/2$/m),
    })
    await spoken.close()
    const http1 = createServer().listen(0, '127.0.0.1')
    const silent = createNetServer().listen(0, '127.0.0.1')
    for (const server of [http1, silent]) {
      if (!server.listening) await once(server, 'listening')
      const { code, stdout } = await checkedUpstream(`h2c://127.0.0.1:${(server.address() as AddressInfo).port}`)
      expect(stdout).toMatch(/^failed upstream app: takes connections, but speaks no HTTP\/2; .*write `http:`/m)
      expect(code).toBe(1)
      server.close()
    }
  })

  test('asks every place for the metadata within the time that one fetch may take', async () => {
    const asked: string[] = []
    const server = createServer(({ url = '' }) => asked.push(url)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    files.write(
      'silent.yaml',
      textOf('{ id: all, path: /** }').replace('https://auth.example.com/,', `${origin}, keys: { timeout: 200ms },`),
    )
    await check('silent.yaml', '--online')
    // The keys and the warning ask the first place, once each; had either time left, it would ask the next.
    expect(new Set(asked)).toEqual(new Set(['/.well-known/openid-configuration']))
    server.closeAllConnections()
    server.close()
  })

  test.each([
    ['missing', (origin: string) => origin, (origin: string) => `${origin}/`, 'lacks the slash at its end'],
    ['extra', (origin: string) => `${origin}/`, (origin: string) => origin, 'has a slash too much at its end'],
  ])('points out a %s slash of the issuer', async (_, ours, theirs, message) => {
    const server = await startDiscovery(theirs)
    files.write(
      'slash.yaml',
      textOf('{ id: all, path: /** }').replace('https://auth.example.com/', ours(server.origin)),
    )
    const { stdout } = await check('slash.yaml', '--online')
    expect(stdout).toContain(`providers.main.issuer: ${message}`)
    expect(stdout).toContain('[issuer-slash]')
    server.close()
  })
})
