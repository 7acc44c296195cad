/** Tests what `sallyport token verify` makes of tokens that a server is asked about, and of encrypted ones. */
import { generateKeyPair, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { decryptionKey } from '../../../src/authenticate/encrypted/decryption-keys.ts'
import { explainCommand } from '../../../src/cli/explain.ts'
import { tokenCommand } from '../../../src/cli/token.ts'
import type { VerifiedToken } from '../../../src/tools/token/verified-token.ts'
import { encrypted, newKey, privateJwk } from '../../authenticate/encrypted/support.ts'
import { runCommand } from '../../support/gateway/command.ts'
import { FAULTS } from '../../support/services/answer-faults.ts'
import { MARK, startIntrospectionEndpoint } from '../../support/services/introspection-endpoint.ts'
import { startTestIssuer } from '../../support/services/issuer.ts'
import { AUDIENCE, askingConfig, ISSUER, SECRET } from '../introspection-support.ts'
import { folder } from '../support.ts'

const files = folder()
const TOKEN = 'opaque-marked-token-0123456789'
const nowSeconds = () => Math.floor(Date.now() / 1000)

async function verified(token: string, config: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await runCommand(tokenCommand, ['verify', token, '-c', config, '--json', ...args])
  expect(stderr).toBe('')
  return { code, ...(JSON.parse(stdout) as VerifiedToken) }
}

describe('an opaque token', () => {
  test('is asked about, and the answer is shown without the token and the secret', async () => {
    const server = await startIntrospectionEndpoint()
    const config = askingConfig(files, 'live.yaml', { endpoint: server.url })
    const answer = { active: true, sub: 'alice', aud: AUDIENCE, scope: 'orders:read', note: `it is ${TOKEN}` }
    server.tokens.set(TOKEN, answer)
    const { code, verdict, checks, answer: seen, caller } = await verified(TOKEN, config)
    expect([code, verdict]).toEqual([0, 'valid'])
    expect(checks.map(({ check }) => check)).toContain('introspection')
    expect(checks.map(({ check }) => check)).not.toContain('signature')
    expect(seen).toEqual({ ...answer, note: 'it is (the token)' })
    expect(caller).toMatchObject({ provider: 'opaque', scopes: ['orders:read'], claims: { sub: 'alice' } })
    expect(server.questions).toHaveLength(1)

    const { stdout } = await runCommand(tokenCommand, ['verify', TOKEN, '-c', config])
    expect(stdout).toMatch(/ introspection +ok\n/)
    expect(stdout).toMatch(/\nThe server’s answer\n {2}active +true\n {2}sub +"alice"\n/)
    expect(stdout).toContain('valid: a token of the provider opaque')
    expect(stdout).not.toContain('marked')
  })

  test('that is not active fails the check of that name, and so the command', async () => {
    const server = await startIntrospectionEndpoint()
    const { code, verdict, checks, answer, remedy } = await verified(
      TOKEN,
      askingConfig(files, 'live.yaml', { endpoint: server.url }),
    )
    expect([code, verdict, answer]).toEqual([1, 'token_inactive', { active: false }])
    expect(checks.find(({ result }) => result === 'fails')).toEqual({ check: 'introspection', result: 'fails' })
    expect(checks).toContainEqual({ check: 'issuer', result: 'not reached' })
    expect(remedy).toMatch(/^[A-Z].*\.$/)
  })

  test('that is active and not for us shows the answer, and what is wrong with it', async () => {
    const server = await startIntrospectionEndpoint()
    const config = askingConfig(files, 'live.yaml', { endpoint: server.url })
    server.tokens.set(TOKEN, { active: true, aud: 'https://elsewhere.example.com' })
    expect(await verified(TOKEN, config)).toMatchObject({
      code: 1,
      verdict: 'audience_mismatch',
      answer: { active: true, aud: 'https://elsewhere.example.com' },
    })
    server.tokens.set(TOKEN, { active: true, aud: AUDIENCE, iss: 'https://another.example.com' })
    const { verdict, checks } = await verified(TOKEN, config)
    expect(verdict).toBe('issuer_unknown')
    expect(checks).toContainEqual({ check: 'introspection', result: 'ok' })
    expect(checks).toContainEqual({ check: 'issuer', result: 'fails' })
  })

  test.each([
    ['unauthorized', '401'],
    ['broken', '500'],
    ['activeText', 'active'],
  ] as const)('about which there is no answer (%s) is refused for that, in our words', async (fault, words) => {
    const server = await startIntrospectionEndpoint()
    server.answerWith(FAULTS[fault])
    const config = askingConfig(files, 'live.yaml', { endpoint: server.url })
    const { code, verdict, reason, answer } = await verified(TOKEN, config)
    expect([code, verdict, answer]).toEqual([1, 'introspection_unavailable', undefined])
    expect(reason).toContain(words)
    expect(reason).not.toContain(MARK)
    expect(reason).not.toContain(SECRET)
  })

  test('that is revoked by the file shows the entry, though its answer names no issuer', async () => {
    const server = await startIntrospectionEndpoint()
    files.write('revoked.yaml', `- { issuer: "${ISSUER}", sub: alice, before: 4102444800, reason: laptop stolen }\n`)
    const config = askingConfig(files, 'revoking.yaml', {
      endpoint: server.url,
      sections: 'revocation: { file: revoked.yaml }\n',
    })
    server.tokens.set(TOKEN, { active: true, aud: AUDIENCE, sub: 'alice', iat: nowSeconds() })
    const { code, verdict, revokedBy } = await verified(TOKEN, config)
    expect([code, verdict]).toEqual([1, 'token_revoked'])
    expect(revokedBy).toEqual([expect.stringContaining('laptop stolen')])
  })

  test('for which several servers might be asked goes to none of them until one is named', async () => {
    const server = await startIntrospectionEndpoint()
    const config = askingConfig(files, 'rivals.yaml', {
      endpoint: server.url,
      providers: `  other: { type: introspection, issuer: https://other.example.com, endpoint: "${server.url}", audiences: ["${AUDIENCE}"],
           client: { auth: basic, id: o, secretFile: asking.secret } }\n`,
      routes: ['{ id: all, path: /**, providers: [opaque] }'],
    })
    server.tokens.set(TOKEN, { active: true, aud: AUDIENCE })
    expect(await runCommand(tokenCommand, ['verify', TOKEN, '-c', config])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(
        'the providers opaque, other would all be asked about it; name one with --provider',
      ),
    })
    expect(server.questions).toHaveLength(0)
    expect((await verified(TOKEN, config, '--provider', 'other')).caller?.provider).toBe('other')
  })

  test('is asked about by the one provider whose tokens are as short, and the other is no rival', async () => {
    const server = await startIntrospectionEndpoint()
    const config = askingConfig(files, 'longer.yaml', {
      endpoint: server.url,
      providers: `  other: { type: introspection, issuer: https://other.example.com, endpoint: "${server.url}", audiences: ["${AUDIENCE}"],
           client: { auth: basic, id: o, secretFile: asking.secret }, tokens: { minBytes: 4096 } }\n`,
      routes: ['{ id: all, path: /**, providers: [opaque] }'],
    })
    server.tokens.set(TOKEN, { active: true, aud: AUDIENCE })
    expect((await verified(TOKEN, config)).caller?.provider).toBe('opaque')
  })
})

describe('a JWT of an issuer that is asked', () => {
  test('is asked about, and its own claims count for nothing', async () => {
    const server = await startIntrospectionEndpoint()
    const config = askingConfig(files, 'jwts.yaml', { endpoint: server.url })
    const { privateKey } = await generateKeyPair('ES256')
    const jwt = await new SignJWT({ iss: ISSUER, sub: 'mallory' }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
    server.tokens.set(jwt, { active: true, aud: AUDIENCE, sub: 'alice' })
    const { code, caller } = await verified(jwt, config)
    expect([code, caller?.claims.sub]).toEqual([0, 'alice'])
  })
})

describe('an encrypted token', () => {
  test('is opened, and what is inside is judged', async () => {
    const issuer = await startTestIssuer()
    const jwk = privateJwk('P-256')
    files.write('enc.jwk', jwk)
    const key = decryptionKey(Buffer.from(jwk))
    const config = askingConfig(files, 'encrypted.yaml', {
      providers: `  main: { type: jwt, issuer: "${issuer.issuer}", audiences: ["${AUDIENCE}"], keys: { jwksUri: "${issuer.jwksUri}" }, decryption: { keyFiles: [enc.jwk] } }\n`,
    })
    try {
      const plain = await issuer.mint()
      const token = await encrypted(key, {}, plain)
      const opened = await verified(token, config)
      expect([opened.code, opened.verdict]).toEqual([0, 'valid'])
      expect(opened.checks).toContainEqual({ check: 'decryption', result: 'ok' })
      const { checks } = await verified(plain, config)
      expect(checks.map(({ check }) => check)).not.toContain('decryption')
      const foreign = await verified(await encrypted(newKey('P-256'), {}, plain), config)
      expect([foreign.code, foreign.verdict]).toEqual([1, 'decryption_failed'])
      expect(foreign.checks.find(({ result }) => result === 'fails')?.check).toBe('decryption')
      expect(foreign.remedy).toContain('sallyport keys public')
    } finally {
      await issuer.close()
    }
  })
})

test('explain asks about a real token, too, as the route does', async () => {
  const server = await startIntrospectionEndpoint()
  const config = askingConfig(files, 'explained.yaml', {
    endpoint: server.url,
    routes: ['{ id: all, path: /**, require: { scopes: [orders:read] } }'],
  })
  server.tokens.set(TOKEN, { active: true, aud: AUDIENCE, sub: 'alice', scope: 'orders:write' })
  const { code, stdout } = await runCommand(explainCommand, ['GET', '/', '--token', TOKEN, '-c', config])
  expect(code).toBe(0)
  expect(stdout).toContain('GET /: scope_missing')
  expect(stdout).toContain('valid, of opaque')
  expect(stdout).not.toContain('marked')
  expect(server.questions).toHaveLength(1)
})
