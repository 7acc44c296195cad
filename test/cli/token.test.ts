/** Tests `sallyport token` as a user calls it. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  calculateJwkThumbprint,
  decodeJwt,
  EmbeddedJWK,
  exportJWK,
  generateKeyPair,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tokenCommand } from '../../src/cli/token.ts'
import { STAGES } from '../../src/errors.ts'
import type { VerifiedToken } from '../../src/tools/token/verified-token.ts'
import { encrypted, newKey, privateJwk } from '../authenticate/encrypted/support.ts'
import { runCommand } from '../support/gateway/command.ts'
import { AUDIENCE, startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { askingConfig } from '../tools/introspection-support.ts'
import { folder, textOf } from '../tools/support.ts'

const files = folder()

/** The thumbprint of some key. */
const JKT = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'

function token(...args: readonly string[]) {
  return runCommand(tokenCommand, args)
}

describe('token decode', () => {
  const signature = 'c2lnbmF0dXJl-marked-c2lnbmF0dXJl'
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const jwt = (claims: unknown, header: unknown = { alg: 'RS256', kid: 'k' }) =>
    `${encoded(header)}.${encoded(claims)}.${signature}`

  test('says loudly that nothing was verified, and shows header, claims and times in words', async () => {
    const { code, stdout } = await token('decode', jwt({ sub: 'alice', exp: 946684800, iat: 4102444800 }))
    expect(code).toBe(0)
    expect(stdout).toMatch(/^NOT VERIFIED: anybody can write what follows/)
    expect(stdout).toContain('"kid": "k"')
    expect(stdout).toContain('"sub": "alice"')
    expect(stdout).toMatch(/exp +2000-01-01T00:00:00Z +\d+ years ago/)
    expect(stdout).toMatch(/iat +2100-01-01T00:00:00Z +in \d+ years/)
  })

  test('never prints a signature, not even of a token inside the token', async () => {
    const inner = jwt({ sub: 'inner' })
    for (const json of [[], ['--json']]) {
      const { stdout } = await token('decode', jwt({ act: inner, [inner]: 1 }, { alg: 'RS256', kid: inner }), ...json)
      expect(stdout).toContain('signature left out')
      expect(stdout).not.toContain('marked')
    }
  })

  test('looks into what the gateway refuses unseen, and says that it does', async () => {
    const { code, stdout } = await token('decode', `${jwt({ sub: 'a', exp: 1e18 }, { alg: 'none' })}=`)
    expect(code).toBe(0)
    expect(stdout).toContain('"alg": "none"')
    expect(stdout).toContain('not a time in seconds')
    expect(stdout).toContain(
      'The gateway refuses it unseen: token_malformed (reason: signature is not canonical base64url)',
    )
  })

  test.each([`Bearer ${jwt({ sub: 'alice' })}`, `Authorization: bearer ${jwt({ sub: 'alice' })}\n`])(
    'takes a token as it is copied from a header',
    async copied => {
      expect((await token('decode', copied, '--json')).stdout).toContain('"sub": "alice"')
    },
  )

  test('what is no JWT is wrong usage, and is not printed', async () => {
    const { code, stdout, stderr } = await token('decode', 'opaque-marked')
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).not.toContain('marked')
    expect(stderr).toContain('If it is an opaque token, `sallyport token verify` asks the server')
  })
})

describe('token verify', () => {
  let issuer: TestIssuer
  let config: string
  beforeAll(async () => {
    issuer = await startTestIssuer()
    const text = textOf('{ id: all, path: /** }')
    files.write('enc.jwk', privateJwk('P-256'))
    files.write('asking.secret', 'secret-of-the-client')
    config = files.write(
      'verify.yaml',
      `${text.replace(
        /main: .*/,
        `opaque: { type: introspection, issuer: https://opaque.example.com, endpoint: "http://127.0.0.1:9/", audiences: [${AUDIENCE}],
    client: { auth: basic, id: orders, secretFile: asking.secret } }
  main: { decryption: { keyFiles: [enc.jwk] }, type: jwt, issuer: "${issuer.issuer}", audiences: [${AUDIENCE}], maxLifetime: 2h, keys: { jwksUri: "${issuer.jwksUri}" } }`,
      )}revocation: { file: revoked.yaml }\n`,
    )
    files.write('revoked.yaml', `- { issuer: "${issuer.issuer}", jti: stolen }\n`)
  })
  afterAll(() => issuer.close())

  async function verified(given: string): Promise<VerifiedToken & { readonly code: number }> {
    const { code, stdout } = await token('verify', given, '-c', config, '--json')
    return { code, ...(JSON.parse(stdout) as VerifiedToken) }
  }

  test('runs the whole pipeline and says who is calling', async () => {
    const { code, verdict, checks, caller } = await verified(await issuer.mint({ scope: 'a b' }))
    expect([code, verdict]).toEqual([0, 'valid'])
    expect(checks.every(({ result }) => result === 'ok')).toBe(true)
    expect(caller).toMatchObject({ provider: 'main', scopes: ['a', 'b'], claims: { sub: 'alice' } })
  })

  const refusals: ReadonlyArray<readonly [check: string, verdict: string, token: () => Promise<string>]> = [
    ['form', 'token_malformed', async () => 'a.b.c'],
    ['form', 'request_malformed', async () => 'a b'],
    ['decryption', 'decryption_failed', async () => encrypted(newKey('P-256'))],
    ['introspection', 'introspection_unavailable', () => issuer.mint({ iss: 'https://opaque.example.com' })],
    ['form', 'algorithm_not_allowed', () => issuer.mint({}, { header: { jwk: { kty: 'oct' } } })],
    ['issuer', 'issuer_unknown', () => issuer.mint({ iss: `${issuer.issuer}/` })],
    [
      'algorithm',
      'algorithm_not_allowed',
      () => new SignJWT({ iss: issuer.issuer }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32)),
    ],
    ['key', 'key_unknown', () => issuer.mint({}, { header: { kid: 'nobody' } })],
    ['signature', 'signature_invalid', async () => `${(await issuer.mint()).slice(0, -12)}AAAAAAAAAAAA`],
    ['type', 'token_type_invalid', () => issuer.mint({}, { header: { typ: 'id+jwt' } })],
    ['claims', 'claim_invalid', () => issuer.mint({ sub: 7 })],
    ['audience', 'audience_mismatch', () => issuer.mint({ aud: 'elsewhere' })],
    ['lifetime', 'token_lifetime_exceeded', () => issuer.mint({ exp: Math.floor(Date.now() / 1000) + 9000 })],
    ['time', 'token_expired', () => issuer.mint({ iat: 1, exp: 2 })],
    ['revocation', 'token_revoked', () => issuer.mint({ jti: 'stolen' })],
    ['proof', 'proof_required', () => issuer.mint({ cnf: { jkt: JKT } })],
  ]

  test('every check of a token is one that a token fails here', () => {
    expect(new Set(refusals.map(([check]) => check))).toEqual(new Set(STAGES.ofToken))
  })

  test.each(refusals)(
    'names %s as the check that failed with %s, what it saw, and the remedy',
    async (check, verdict, make) => {
      const result = await verified(await make())
      expect([result.code, result.verdict]).toEqual([1, verdict])
      const at = result.checks.findIndex(each => each.check === check)
      expect(result.checks.map(each => each.result)).toEqual(
        result.checks.map((_, index) => (index < at ? 'ok' : index === at ? 'fails' : 'not reached')),
      )
      expect(result.reason).toContain(verdict)
      expect(result.remedy).toMatch(/^[A-Z].*\.$/)
      expect(result.caller).toBeUndefined()
    },
  )

  describe('with proofs that are judged', () => {
    const judging = () => {
      const text = readFileSync(config, 'utf8')
      return files.write('judging.yaml', `${text}dpop: { baseUrls: [https://api.example.com] }\n`)
    }

    test('calls a bound token valid as far as can be said, and says what each request needs besides', async () => {
      const minted = await issuer.mint({ cnf: { jkt: JKT } })
      const { code, stdout } = await token('verify', minted, '-c', judging())
      expect(code).toBe(0)
      expect(stdout).toMatch(/^ {2}revocation +ok\n {2}proof +with each request\n/m)
      expect(stdout).toContain(`the key ${JKT} (cnf.jkt): each request needs a proof`)
      const json = JSON.parse((await token('verify', minted, '-c', judging(), '--json')).stdout) as VerifiedToken
      expect(json).toMatchObject({ verdict: 'valid', caller: { confirmation: { jkt: JKT } } })
      expect(json.checks.at(-1)).toEqual({ check: 'proof', result: 'with each request' })
    })

    test('shows the proof as fine for a token that is not bound, and needs none', async () => {
      const { stdout } = await token('verify', await issuer.mint(), '-c', judging())
      expect(stdout).toMatch(/^ {2}proof +ok$/m)
      expect(stdout).not.toContain('bound to')
    })

    test.each([
      ['is revoked', { jti: 'stolen', cnf: { jkt: JKT } }, 'token_revoked'],
      ['is bound in an unknown way', { cnf: { kid: 'k' } }, 'proof_required'],
      ['is bound to no thumbprint', { cnf: { jkt: 'x' } }, 'proof_required'],
      [
        'is bound to a certificate, too, which nobody asks for',
        { cnf: { jkt: JKT, 'x5t#S256': JKT } },
        'proof_required',
      ],
    ])('refuses a bound token that %s', async (_what, claims, verdict) => {
      const { code, stdout } = await token('verify', await issuer.mint(claims), '-c', judging(), '--json')
      expect([code, (JSON.parse(stdout) as VerifiedToken).verdict]).toEqual([1, verdict])
    })
  })

  test('prints no signature, of a good token or a bad one', async () => {
    for (const claims of [{}, { iss: 'https://elsewhere' }, { sub: await issuer.mint() }, { aud: await issuer.mint() }])
      for (const json of [[], ['--json']]) {
        const minted = await issuer.mint(claims)
        const { stdout } = await token('verify', minted, '-c', config, ...json)
        expect(stdout).not.toContain(minted.split('.')[2])
        for (const inner of Object.values(claims)) expect(stdout).not.toContain(inner.split('.')[2] ?? 'none')
      }
  })

  test('providers with the same issuer have to be told apart', async () => {
    const twins = files.write(
      'twins.yaml',
      readFileSync(config, 'utf8')
        .replace(/^( *main:)(.*)$/m, '$1$2\n  twin:$2')
        .replace('path: /**', 'path: /**, providers: [main]'),
    )
    const minted = await issuer.mint()
    expect(await token('verify', minted, '-c', twins)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--provider'),
    })
    expect((await token('verify', minted, '-c', twins, '--provider', 'twin')).stdout).toContain(
      'valid: a token of the provider twin',
    )
  })
})

describe('token mint', () => {
  test('makes a key once, readable by its owner alone, and tokens that its public set verifies', async () => {
    const key = join(files.path, 'dev.jwk')
    files.write('mint.yaml', textOf('{ id: all, path: /** }'))
    const config = ['-c', join(files.path, 'mint.yaml')]
    const made = await token(
      'mint',
      '--key',
      key,
      '--create-key',
      '--claim',
      'sub=alice',
      '--claim',
      'roles=["a"]',
      ...config,
    )
    expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining('keep it out of git') })
    expect(statSync(key).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(files.path, 'dev.public.json'), 'utf8')).not.toContain('"d"')
    files.write(
      'mint.yaml',
      textOf('{ id: all, path: /** }').replace(
        'audiences',
        'keys: { jwksFile: dev.public.json }, tokenType: compatible, audiences',
      ),
    )
    const verified = await token('verify', made.stdout, ...config, '--json')
    expect(JSON.parse(verified.stdout)).toMatchObject({
      verdict: 'valid',
      caller: { roles: ['a'], claims: { sub: 'alice' } },
    })
    const short = await token('mint', '--key', key, '--expires', '5m', '--claims', '{ sub: bob }', ...config)
    const { caller } = JSON.parse((await token('verify', short.stdout, ...config, '--json')).stdout) as VerifiedToken
    expect(Number(caller?.claims.exp) - Number(caller?.claims.iat)).toBe(300)
    const before = readFileSync(key, 'utf8')
    const again = await token('mint', '--key', key, '--create-key', ...config)
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(readFileSync(key, 'utf8')).toBe(before)
  })

  test('a public key set that a gateway may be running by is never replaced', async () => {
    const key = join(files.path, 'moved.jwk')
    const set = join(files.path, 'moved.public.json')
    writeFileSync(set, 'in use')
    const { code, stderr } = await token('mint', '--key', key, '--create-key', '--claim', 'iss=a', '--claim', 'aud=b')
    expect([code, stderr]).toEqual([2, expect.stringContaining(`${set} is there, and its key is not; move it away`)])
    expect([existsSync(key), readFileSync(set, 'utf8')]).toEqual([false, 'in use'])
  })

  test('needs no configuration when iss and aud are given', async () => {
    const key = join(files.path, 'alone.jwk')
    const { code, stdout } = await token(
      'mint',
      '--key',
      key,
      '--create-key',
      '--claim',
      'iss=me',
      '--claim',
      'aud=you',
    )
    expect(code).toBe(0)
    expect(stdout.split('.')).toHaveLength(3)
  })

  test.each([
    ['', ''],
    [
      ', tokens: { jwts: false }',
      'warning: the provider opaque takes no JWTs (`tokens.jwts: false`), and so never this token\n',
    ],
  ])('for a provider that is asked about tokens%s it warns where that takes no JWTs', async (keys, warning) => {
    const key = join(files.path, 'asked.jwk')
    await token('mint', '--key', key, '--create-key', '--claim', 'iss=me', '--claim', 'aud=you')
    const file = askingConfig(files, 'asked.yaml', { keys })
    const { code, stdout, stderr } = await token('mint', '--key', key, '--provider', 'opaque', '-c', file)
    expect([code, stderr]).toEqual([0, warning])
    expect(decodeJwt(stdout.trim())).toMatchObject({ iss: 'https://opaque.example.com' })
  })

  test('a key file that is none is refused without quoting it', async () => {
    const bad = files.write('bad.jwk', 'marked')
    const { code, stderr } = await token('mint', '--key', bad, '--claim', 'iss=me', '--claim', 'aud=you')
    expect(code).toBe(2)
    expect(stderr).not.toContain('marked')
    const publicOnly = files.write('public.jwk', JSON.stringify({ kty: 'oct', alg: 'ES256', k: 'marked' }))
    const used = await token('mint', '--key', publicOnly, '--claim', 'iss=me', '--claim', 'aud=you')
    expect(used).toMatchObject({ code: 2, stderr: expect.stringContaining('no private key that can sign with ES256') })
  })
})

describe('a token that is bound to a key', () => {
  const key = join(files.path, 'bound-dev.jwk')
  const dpopKey = join(files.path, 'client.jwk')
  const given = ['--key', key, '--dpop-key', dpopKey, '--claim', 'iss=me', '--claim', 'aud=you']
  const url = 'https://api.example.com/orders'

  /** The two headers, taken apart as a server would. */
  async function proven(stdout: string) {
    const [, bound = '', proof = ''] = /^Authorization: DPoP (\S+)\nDPoP: (\S+)\n$/.exec(stdout) ?? []
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, { typ: 'dpop+jwt' })
    const jwk = protectedHeader.jwk as JWK
    return { bound, payload, jwk, jkt: await calculateJwkThumbprint(jwk), claims: decodeJwt(bound) }
  }

  test('is minted with a key that is made once, readable by its owner alone, beside that of the issuer', async () => {
    const made = await token('mint', ...given, '--create-key')
    expect(made.code).toBe(0)
    expect(made.stderr.split('\n')).toHaveLength(4)
    expect(made.stderr).toContain(`made ${dpopKey} (private`)
    expect(statSync(dpopKey).mode & 0o777).toBe(0o600)
    const { kty, crv, x, y } = JSON.parse(readFileSync(dpopKey, 'utf8'))
    expect([kty, crv]).toEqual(['EC', 'P-256'])
    const jkt = await calculateJwkThumbprint({ kty, crv, x, y })
    expect(made.stdout.split('\n')).toHaveLength(2)
    expect(decodeJwt(made.stdout.trim()).cnf).toEqual({ jkt })
    const again = await token('mint', ...given, '--create-key')
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(decodeJwt(again.stdout.trim()).cnf).toEqual({ jkt })
    const another = join(files.path, 'another.jwk')
    const one = await token('mint', '--key', key, ...given.slice(4), '--dpop-key', another, '--create-key')
    expect(one).toMatchObject({ code: 0, stderr: expect.stringMatching(/^made \S+another.jwk .*\n$/) })
  })

  test('comes with a proof as the header lines that curl reads, and the proof fits token, method, URL and key', async () => {
    const { stdout } = await token('mint', ...given, '--proof', `POST ${url}?page=1#x`, '--nonce', 'n-1')
    const { bound, payload, jkt, claims, jwk } = await proven(stdout)
    expect(claims.cnf).toEqual({ jkt })
    expect(payload).toMatchObject({ htm: 'POST', htu: url, nonce: 'n-1', jti: expect.any(String) })
    expect(payload.ath).toBe(createHash('sha256').update(bound).digest('base64url'))
    expect(Math.abs(Number(payload.iat) - Date.now() / 1000)).toBeLessThan(60)
    expect(Object.keys(jwk).toSorted()).toEqual(['crv', 'kty', 'x', 'y'])
  })

  test('that an issuer has made gets a proof, a new one each time, and a warning where the key is another', async () => {
    const bound = (await token('mint', ...given)).stdout.trim()
    const proofs = await Promise.all([1, 2].map(() => token('proof', `GET ${url}`, bound, '--dpop-key', dpopKey)))
    const [one, two] = await Promise.all(proofs.map(({ stdout }) => proven(stdout)))
    expect([one?.bound, one?.payload.nonce]).toEqual([bound, undefined])
    expect(one?.payload.jti).not.toBe(two?.payload.jti)
    expect(proofs.map(({ stderr }) => stderr)).toEqual(['', ''])
    const foreign = await token('proof', `GET ${url}`, bound, '--dpop-key', key)
    expect(foreign).toMatchObject({ code: 0, stderr: expect.stringContaining('proof_mismatch') })
    const unbound = (await token('mint', '--key', key, ...given.slice(4))).stdout
    expect(await token('proof', `GET ${url}`, unbound, '--dpop-key', dpopKey)).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/bound to no key .*proof_mismatch.*send it as Bearer\n$/),
    })
    const opaque = await token('proof', `GET ${url}`, 'DPoP opaque', '--dpop-key', key)
    expect(opaque.stderr).toBe('')
    expect((opaque.stdout.split('\n')[0] ?? '').trim()).toBe('Authorization: DPoP opaque')
  })

  test.each(['RS256', 'Ed25519', 'ES384'])('may be bound to a key of the type of %s that says no alg', async alg => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true })
    const { alg: _, ...jwk } = await exportJWK(privateKey)
    const file = files.write(`${alg}.jwk`, JSON.stringify(jwk))
    const minted = await token('mint', '--key', key, ...given.slice(4), '--dpop-key', file, '--proof', `GET ${url}`)
    const { payload, claims, jkt } = await proven(minted.stdout)
    expect([payload.htu, claims.cnf]).toEqual([url, { jkt }])
  })

  test('may be bound to a certificate besides', async () => {
    const { stdout } = await token('mint', ...given, '--claim', 'cnf={"x5t#S256":"t"}')
    expect(decodeJwt(stdout.trim()).cnf).toEqual({ 'x5t#S256': 't', jkt: expect.any(String) })
  })

  test('a key that cannot sign proofs is refused without quoting it', async () => {
    const { kty, crv, x, y } = JSON.parse(readFileSync(dpopKey, 'utf8'))
    for (const text of ['marked', '{"kty":"oct","k":"marked"}', '7', JSON.stringify({ kty, crv, x, y })]) {
      const bad = files.write('bad-client.jwk', text)
      const { code, stdout, stderr } = await token('proof', `GET ${url}`, 'opaque', '--dpop-key', bad)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).not.toMatch(/marked|"x"/)
    }
  })

  test.each([
    [['mint', '--key', key, '--proof', `GET ${url}`], '--proof needs --dpop-key FILE'],
    [['mint', ...given, '--nonce', 'n'], 'add --proof'],
    [['mint', ...given, '--proof', '/orders'], 'write a method and a whole URL'],
    [['mint', ...given, '--proof', `get ${url}`], 'write a method and a whole URL'],
    [['proof', `get ${url}`, 'opaque', '--dpop-key', key], 'methods are in capitals: GET'],
    [['mint', ...given, '--proof', `GET ${url}`, '--proof', `PUT ${url}`], 'make the others with token proof'],
    [['mint', ...given, '--claim', 'cnf={"jkt":"x"}'], 'leave it out of the claims'],
    [['proof', `GET ${url}`], 'takes a request and a token'],
    [['proof', `GET ${url}`, 'opaque'], 'needs --dpop-key FILE'],
    [
      ['proof', `GET ${url}`, 'opaque', '--dpop-key', '/absent'],
      '(ENOENT); name the file with the key that the token is bound to',
    ],
    [['mint', '--key', key, '--dpop-key', '/absent', '--claim', 'iss=me', '--claim', 'aud=you'], 'add --create-key'],
  ])('wrong usage %j is told with its remedy', async (args, message) => {
    expect(await token(...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) })
  })
})

test.each([
  [[], 'token decode, token verify, token mint or token proof'],
  [['toString'], 'token decode, token verify, token mint or token proof'],
  [['decode'], 'takes one token'],
  [['decode', '@/absent'], 'cannot be read: there is no such file or folder (ENOENT)'],
  [['verify', 'a', 'b'], 'takes one token'],
  [['mint'], 'needs --key'],
  [['mint', '--key', '/absent', '--claim', 'a'], 'write --claim NAME=VALUE'],
  [['mint', '--key', '/absent', '--expires', '1'], 'is no duration'],
  [['mint', '--key', '/absent', '--claim', 'iss=a', '--claim', 'aud=b'], 'add --create-key'],
])('wrong usage %j is told with its remedy', async (args, message) => {
  const { code, stderr } = await token(...args)
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})
