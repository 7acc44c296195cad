/** Tests what `sallyport explain` and `sallyport test` make of the answers of an introspection endpoint. */
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { tokenCommand } from '../../src/cli/token.ts'
import type { Explanation } from '../../src/tools/explain/explanation.ts'
import { testAuthority } from '../support/certificates.ts'
import { runCommand } from '../support/gateway/command.ts'
import { startIntrospectionEndpoint } from '../support/services/introspection-endpoint.ts'
import { AUDIENCE, askingConfig } from './introspection-support.ts'
import { folder } from './support.ts'

const files = folder()
const authority = testAuthority()
afterAll(authority.remove)
const { certFile, keyFile, cert } = authority.selfSigned('client')
const pem = files.write('client.pem', cert)
const THUMBPRINT = createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url')
const TOKEN = 'opaque-marked-token-0123456789'

const config = askingConfig(files, 'sallyport.yaml', {
  keys: ', tokens: { prefixes: [opaque-], minBytes: 20 }',
  providers: `  main: { type: jwt, issuer: https://auth.example.com/, audiences: ["${AUDIENCE}"], keys: { jwksFile: dev.public.json } }\n`,
  routes: [
    '{ id: orders, path: /orders, require: { scopes: [orders:read] } }',
    '{ id: jwts, path: /jwts, providers: [main] }',
    '{ id: public, path: /public, access: public }',
  ],
  sections: 'dpop: { baseUrls: ["https://orders.example.com"] }\n',
})
const dev = `${files.path}/dev.jwk`
const mint = async () => {
  const made = await runCommand(tokenCommand, [
    'mint',
    '--key',
    dev,
    '--create-key',
    '--provider',
    'main',
    '--claim',
    'iss=https://auth.example.com/',
    '--claim',
    `aud=${AUDIENCE}`,
  ])
  expect(made.code).toBe(0)
  return made.stdout.trim()
}
await mint()

async function explained(...args: readonly string[]): Promise<Explanation> {
  const { code, stdout, stderr } = await runCommand(explainCommand, ['GET', ...args, '-c', config, '--json'])
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as Explanation
}
const answer = (value: unknown) => ['--introspection', JSON.stringify(value)]
const ALICE = { active: true, sub: 'alice', aud: AUDIENCE, scope: 'orders:read' }

describe('explain --introspection', () => {
  test('shows what the route decides about a token of which the server says this', async () => {
    const file = files.write('answer.json', JSON.stringify(ALICE))
    const { decision, filledIn, checks, headers } = await explained('/orders', '--introspection', file)
    expect([decision, filledIn]).toEqual(['allow', {}])
    expect(checks.find(({ check }) => check === 'token')?.saw).toBe('valid, of opaque')
    expect(headers?.added).toContainEqual({ name: 'X-Auth-Subject', value: 'alice' })
    expect((await explained('/orders', ...answer({ ...ALICE, scope: 'orders:write' }))).decision).toBe('scope_missing')
  })

  test('of a token that is not active says so', async () => {
    const { decision, response } = await explained('/orders', ...answer({ active: false }))
    expect([decision, response?.status]).toEqual(['token_inactive', 401])
    expect((await explained('/orders', ...answer({ active: false }), '--proof', 'auto')).filledIn).toEqual({})
  })

  test('fills nothing in, so that an answer which lacks something is seen to', async () => {
    expect((await explained('/orders', ...answer({ active: true, sub: 'alice' }))).decision).toBe('audience_mismatch')
    expect((await explained('/orders', ...answer({ ...ALICE, iss: 'https://other.example.com' }))).decision).toBe(
      'issuer_unknown',
    )
    expect((await explained('/orders', ...answer({ ...ALICE, exp: 1 }))).decision).toBe('token_expired')
  })

  test('takes a real token, which is then not asked about, and judges whether it would be', async () => {
    const server = await startIntrospectionEndpoint()
    const live = askingConfig(files, 'live.yaml', { endpoint: server.url, keys: ', tokens: { prefixes: [opaque-] }' })
    const about = async (token: string, value: unknown) => {
      const args = ['GET', '/', '--token', token, ...answer(value), '-c', live]
      return (await runCommand(explainCommand, args)).stdout
    }
    const shown = await about(TOKEN, ALICE)
    expect(shown).toContain('GET /: allow')
    expect(shown).not.toContain('marked')
    expect(await about(TOKEN, { active: false })).toContain('GET /: token_inactive')
    expect(await about('another-token-0123456789', ALICE)).toContain('GET /: token_malformed')
    expect(server.questions).toHaveLength(0)
  })

  test('does not let the answer count for a token that somebody else judges', async () => {
    const args = ['GET', '/orders', '--token', await mint(), ...answer(ALICE), '-c', config]
    expect(await runCommand(explainCommand, args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--introspection has no effect: the token is one of main; leave it out'),
    })
  })

  test('binds the token that is made up to a key or a certificate, as the options say', async () => {
    const proven = await explained('/orders', ...answer(ALICE), '--proof', 'auto')
    expect([proven.decision, proven.filledIn]).toEqual(['allow', { cnf: { jkt: expect.any(String) } }])
    const tls = askingConfig(files, 'tls.yaml', {
      routes: ['{ id: bound, path: /bound, require: { proof: certificate } }'],
    })
    const listening = `listen: { address: "127.0.0.1:8080", tls: { certFile: ${certFile}, keyFile: ${keyFile}, clientCertificate: any } }`
    writeFileSync(tls, readFileSync(tls, 'utf8').replace('listen: 127.0.0.1:8080', listening))
    const args = ['GET', '/bound', ...answer(ALICE), '--certificate', pem, '-c', tls, '--json']
    const shown = JSON.parse((await runCommand(explainCommand, args)).stdout) as Explanation
    expect([shown.decision, shown.filledIn]).toEqual(['allow', { cnf: { 'x5t#S256': THUMBPRINT } }])
  })

  test.each([
    [['/orders', '--introspection', '[]'], '[] cannot be read'],
    [
      ['/orders', '--introspection', files.write('list.json', '[1]')],
      'the answer must be an object of members, as in {"active": true, "sub": "alice"}',
    ],
    [['/orders', ...answer({ sub: 'alice' })], 'must have `active`, and that must be true or false'],
    [['/orders', ...answer({ active: 'true' })], 'must have `active`, and that must be true or false'],
    [['/orders', ...answer({ iss: 'a', token_introspection: ALICE })], 'give what is in `token_introspection`'],
    [['/orders', ...answer(ALICE), '--claims', '{}'], 'not both'],
    [['/orders', '--introspection', '-', '--token', '-'], 'standard input holds one of them'],
    [['/orders', ...answer(ALICE), '--proof', 'text'], '--introspection makes a new one: write --proof auto'],
    [['/orders', ...answer({ ...ALICE, cnf: { jkt: 'a' } }), '--proof', 'auto'], 'leave it out of the answer'],
    [['/jwts', ...answer(ALICE)], 'no effect: the route jwts accepts no provider of type introspection'],
    [
      ['/orders', ...answer(ALICE), '--provider', 'main'],
      'no effect: main is no provider of type introspection; name one',
    ],
  ])('%j is wrong usage, told with its remedy', async (args, message) => {
    expect(await runCommand(explainCommand, ['GET', ...args, '-c', config])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(message),
    })
  })
})

describe('explain --claims for a provider that asks', () => {
  test('makes up a token about which the server says this, and fills in what an answer needs', async () => {
    const { decision, filledIn } = await explained('/orders', '--claims', '{ sub: alice, scope: orders:read }')
    expect(decision).toBe('allow')
    expect(filledIn).toMatchObject({ aud: AUDIENCE })
    const unlisted = askingConfig(files, 'unlisted.yaml', { keys: ', audienceCheckedByServer: true' })
    const args = ['GET', '/', '--claims', '{ sub: alice }', '-c', unlisted, '--json']
    const { filledIn: fewer } = JSON.parse((await runCommand(explainCommand, args)).stdout) as Explanation
    expect(fewer).not.toHaveProperty('aud')
  })
})

const cases = (name: string, ...lines: readonly string[]) =>
  files.write(name, `config: sallyport.yaml\ntests:\n${lines.map(line => `  - ${line}\n`).join('')}`)
const ANSWER = `active: true, sub: alice, aud: "${AUDIENCE}", scope: "orders:read"`

describe('the key introspection of a case', () => {
  test('says what the server answers, as it is', async () => {
    const file = cases(
      'answers.yaml',
      `{ name: may read, request: GET /orders, introspection: { ${ANSWER} }, expect: allow, headers: { X-Auth-Subject: alice } }`,
      '{ name: is over, request: GET /orders, introspection: { active: false }, expect: token_inactive }',
      `{ name: lacks, request: GET /orders, introspection: { active: true, aud: "${AUDIENCE}" }, expect: scope_missing }`,
      '{ name: is for others, request: GET /orders, introspection: { active: true, aud: others }, expect: audience_mismatch }',
      '{ name: names nobody, request: GET /orders, introspection: { active: true }, expect: audience_mismatch }',
      `{ name: is proven, request: GET /orders, introspection: { ${ANSWER} }, proof: dpop, expect: allow }`,
      `{ name: is not, request: GET /orders, introspection: { ${ANSWER} }, proof: none, expect: proof_required }`,
      '{ name: over and proven, request: GET /orders, introspection: { active: false }, proof: dpop, expect: token_inactive }',
      '{ name: a stranger, request: GET /orders, expect: token_missing }',
    )
    const { code, stdout } = await runCommand(testCommand, [file])
    expect(stdout).toContain('9 passed')
    expect(stdout).toMatch(/ {2}orders +9 +2 +7 +3\/3\n/)
    expect(code).toBe(0)
  })

  test('goes with what is revoked, whether or not the answer names its issuer', async () => {
    askingConfig(files, 'revoking.yaml', { sections: 'revocation: { file: nobody.yaml }\n' })
    files.write('nobody.yaml', '[]\n')
    const revoked = `introspection: { ${ANSWER}, iat: 1 }, revoked: [{ sub: alice }], expect: token_revoked`
    const file = files.write(
      'revoked-cases.yaml',
      `config: revoking.yaml\ntests:\n  - { name: it, request: GET /, ${revoked} }\n`,
    )
    expect((await runCommand(testCommand, [file])).stdout).toContain('1 passed')
  })

  test('fails a case whose route asks no server', async () => {
    const file = cases(
      'jwts.yaml',
      `{ name: it, request: GET /jwts, introspection: { ${ANSWER} }, expect: token_missing }`,
    )
    const { code, stdout } = await runCommand(testCommand, [file])
    expect(code).toBe(1)
    expect(stdout).toContain('a provider of `type: introspection` that the route accepts')
  })

  test.each([
    [
      `introspection: { ${ANSWER} }, claims: { sub: a }`,
      'introspection: says all that is known of the token; leave out `claims`',
    ],
    [
      'introspection: { sub: a }',
      'introspection: must be what a server answers, with `active: true` or `active: false`',
    ],
    ['introspection: { active: "true" }', 'introspection: must be what a server answers'],
    ['introspection: { active: true, cnf: { jkt: a } }, proof: dpop', 'leave it out of `introspection`'],
    ['proof: dpop', 'needs `claims` or `introspection`'],
  ])('%s is an error with its remedy', async (keys, message) => {
    const file = cases('wrong.yaml', `{ name: it, request: GET /orders, ${keys}, expect: allow }`)
    expect(await runCommand(testCommand, [file])).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
  })
})
