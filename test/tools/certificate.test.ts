/** Tests what `sallyport explain` and `sallyport test` make of client certificates, as a user calls them. */
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import type { Explanation } from '../../src/tools/explain/explanation.ts'
import { testAuthority } from '../support/certificates.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder, textOf } from './support.ts'

const files = folder()
const authority = testAuthority()
afterAll(authority.remove)
const { certFile, keyFile, cert } = authority.selfSigned('client')
const other = authority.selfSigned('other')
const thumbprint = createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url')
files.write('client.pem', cert)

const ROUTES = ['{ id: bound, path: /bound, require: { proof: certificate } }', '{ id: all, path: /** }']

function configWith(name: string, listen: string, block = ''): string {
  const text = textOf(...(name === 'none' ? ROUTES.slice(1) : ROUTES))
  return files.write(`${name}.yaml`, `${block}${text.replace('listen: 127.0.0.1:8080', `listen: ${listen}`)}`)
}

const proxies = (list: string) => `{ address: "127.0.0.1:8080", trustedProxies: [${list}] }`
const tls = `{ address: "127.0.0.1:8080", tls: { certFile: ${certFile}, keyFile: ${keyFile}, clientCertificate: any } }`
const SOURCES = [
  ['connection', configWith('connection', tls)],
  ['rfc9440', configWith('rfc9440', proxies('10.0.0.0/8'), 'clientCertificate: { from: header }\n')],
  [
    'xfcc',
    configWith(
      'xfcc',
      proxies('"unix:"'),
      'clientCertificate: { from: header, header: X-Forwarded-Client-Cert, hops: 3 }\n',
    ),
  ],
  [
    'pem',
    configWith(
      'pem',
      proxies('"2001:db8::1"'),
      'clientCertificate: { from: header, header: { name: X-SSL, format: pem } }\n',
    ),
  ],
] as const
const without = configWith('none', '127.0.0.1:8080')

const CLAIMS = ['--claims', '{ sub: alice }']

async function explained(file: string, ...args: readonly string[]): Promise<Explanation> {
  const { code, stdout, stderr } = await runCommand(explainCommand, [...args, '-c', file, '--json'])
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as Explanation
}

describe.each(SOURCES)('certificates from: %s', (_name, config) => {
  test('explain --certificate shows it, and binds the token to it', async () => {
    const { decision, filledIn } = await explained(config, 'GET', '/bound', ...CLAIMS, '--certificate', certFile)
    expect([decision, filledIn.cnf]).toEqual(['allow', { 'x5t#S256': thumbprint }])
    expect((await explained(config, 'GET', '/bound', ...CLAIMS)).decision).toBe('proof_required')
  })

  test('explain --certificate shows another than that of the claims', async () => {
    const claims = ['--claims', JSON.stringify({ sub: 'alice', cnf: { 'x5t#S256': thumbprint } })]
    const ask = async (...args: readonly string[]) =>
      (await explained(config, 'GET', '/x', ...claims, ...args)).decision
    expect(await ask('--certificate', certFile)).toBe('allow')
    expect(await ask('--certificate', other.certFile)).toBe('proof_mismatch')
    expect(await ask()).toBe('proof_required')
  })

  test('explain shows that a token which is bound to nothing has nothing to prove, and nobody without a token', async () => {
    const possession = async (...args: readonly string[]) =>
      (await explained(config, 'GET', '/x', ...args)).checks.find(({ check }) => check === 'possession')
    expect(await possession(...CLAIMS)).toMatchObject({ result: 'ok', saw: 'a token that is not bound' })
    expect(await possession()).toMatchObject({ result: 'skipped', saw: 'no token to ask it of' })
  })

  test('test cases show one, or none', async () => {
    const cases = files.write(
      'cases.yaml',
      `tests:
  - { name: shown, request: GET /bound, claims: { sub: alice }, certificate: client.pem, expect: allow }
  - { name: stolen, request: GET /bound, claims: { sub: alice }, certificate: none, expect: proof_required }
  - { name: unbound, request: GET /bound, claims: { sub: alice }, expect: proof_required }
  - name: of another
    request: GET /bound
    claims: { sub: alice, cnf: { "x5t#S256": ${'A'.repeat(43)} } }
    certificate: client.pem
    expect: proof_mismatch
`,
    )
    const { code, stdout } = await runCommand(testCommand, [cases, '-c', config])
    expect([code, stdout]).toEqual([0, expect.stringContaining('4 passed')])
  })
})

test('a request from somewhere else than a proxy has a header that nobody believes', async () => {
  const [, [, config]] = SOURCES
  const args = [...CLAIMS, '--certificate', certFile, '--peer', '192.0.2.7']
  expect((await explained(config, 'GET', '/bound', ...args)).decision).toBe('proof_required')
})

test('explain says that a header in which no certificate can be read is refused before a route is chosen', async () => {
  const [, [, config]] = SOURCES
  const { decision, checks, others } = await explained(
    config,
    'GET',
    '/bound',
    '--peer',
    '10.0.0.1',
    '-H',
    'Client-Cert: marked',
  )
  expect(decision).toBe('request_malformed')
  expect(checks).toMatchObject([
    { check: 'request', result: 'fails', saw: expect.stringContaining('no byte sequence') },
  ])
  expect(others.map(({ why }) => why)).toContain('the request is refused before a route is chosen')
})

test('a certificate that has no effect, or is none, is a mistake', async () => {
  const run = (file: string, ...args: readonly string[]) =>
    runCommand(explainCommand, ['GET', '/x', ...args, '-c', file])
  const [[, config]] = SOURCES
  expect(await run(without, '--certificate', certFile)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('asks for no client certificates'),
  })
  expect(await run(config, '--certificate', config)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('holds no PEM certificate'),
  })
  expect(await run(config, '--certificate', '/nowhere.pem')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('cannot be read'),
  })
})

test('a case is told of a certificate that has no effect, cannot be read, or belongs to no token', async () => {
  const one = (rest: string) =>
    files.write('one.yaml', `tests:\n  - { name: a, request: GET /x, ${rest}, expect: allow }\n`)
  const run = (rest: string, config: string) => runCommand(testCommand, [one(rest), '-c', config])
  const [[, config]] = SOURCES
  const unused = await run('claims: { sub: a }, certificate: client.pem', without)
  expect([unused.code, unused.stdout]).toEqual([1, expect.stringContaining('clientCertificate')])
  const lacking = 'has no effect: it needs `listen.tls.clientCertificate` or `clientCertificate` in the configuration'
  expect(unused.stdout).toMatch(new RegExp(`certificate +${lacking.replaceAll('.', '\\.')}\n`))
  expect(unused.stdout).not.toContain('+ nothing')
  const junit = `${files.path}/junit.xml`
  const args = [one('claims: { sub: a }, certificate: client.pem'), '-c', without, '--junit', junit]
  expect((await runCommand(testCommand, args)).code).toBe(1)
  expect(readFileSync(junit, 'utf8')).toContain(`message="certificate: ${lacking}"`)
  expect(await run('claims: { sub: a }, certificate: missing.pem', config)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('cannot be read'),
  })
  expect(await run('claims: { sub: a }, certificate: connection.yaml', config)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('holds no PEM certificate'),
  })
  expect(await run('certificate: none', config)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('needs `claims`'),
  })
})
