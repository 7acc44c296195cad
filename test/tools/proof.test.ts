/** Tests what `sallyport explain` and `sallyport test` make of DPoP proofs, as a user calls them. */
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { tokenCommand } from '../../src/cli/token.ts'
import type { Coverage } from '../../src/tools/cases/coverage.ts'
import type { Explanation } from '../../src/tools/explain/explanation.ts'
import { runCommand } from '../support/gateway/command.ts'
import { startTestStack } from '../support/gateway/gateway.ts'
import { AUDIENCE } from '../support/services/issuer.ts'
import { folder, textOf } from './support.ts'

const files = folder()
const HOLDER = await generateKeyPair('ES256', { extractable: true })

const ROUTES = [
  '{ id: bound, path: /bound, require: { proof: dpop } }',
  '{ id: scoped, path: /scoped, require: { proof: dpop, scopes: [a] } }',
  '{ id: elsewhere, path: /elsewhere, credentials: [{ header: X-Token }] }',
  '{ id: trial, path: /trial, mode: report }',
  '{ id: all, path: /** }',
]
const DPOP = 'dpop: { baseUrls: [https://api.example.com/v1/, https://other.example.com] }\n'
const config = files.write('sallyport.yaml', `${textOf(...ROUTES)}${DPOP}`)
const without = files.write('without.yaml', textOf('{ id: all, path: /** }'))
const withNonces = files.write(
  'nonces.yaml',
  `${textOf(...ROUTES)}${DPOP.replace(' }', ', nonce: { secretFile: nonce.secret } }')}`,
)
files.write('nonce.secret', 'n'.repeat(40))

describe('explain --proof', () => {
  async function run(file: string, ...args: readonly string[]) {
    return runCommand(explainCommand, [...args, '-c', file])
  }

  async function explained(file: string, ...args: readonly string[]): Promise<Explanation> {
    const { code, stdout, stderr } = await run(file, ...args, '--json')
    expect([code, stderr]).toEqual([0, ''])
    return JSON.parse(stdout) as Explanation
  }

  test('auto binds the token to a key, and presents it with a valid proof', async () => {
    const claims = ['--claims', '{ sub: alice }', '--proof', 'auto']
    const { decision, filledIn, checks, headers } = await explained(config, 'GET', '/bound?x=1', ...claims)
    expect(decision).toBe('allow')
    const { jkt } = filledIn.cnf as { jkt: string }
    expect(checks.map(({ check, result }) => `${check} ${result}`)).toEqual([
      'request ok',
      'token ok',
      'possession ok',
      'proof ok',
    ])
    expect(checks[2]).toMatchObject({
      wanted: 'a proof of the key that the token is bound to',
      saw: `the proof of key ${jkt}`,
    })
    expect(headers?.removed).toEqual([
      { name: 'DPoP', value: '(left out)' },
      { name: 'Authorization', value: 'DPoP (left out)' },
    ])
  })

  test('auto has the nonce that proofs need, with --no-files, too', async () => {
    const claims = ['--claims', '{ sub: alice }', '--proof', 'auto']
    for (const more of [[], ['--no-files']])
      expect((await explained(withNonces, 'GET', '/bound', ...claims, ...more)).decision).toBe('allow')
  })

  test('shows what a bound token without its proof is refused for, after the token itself', async () => {
    for (const file of [config, without]) {
      const { decision, checks } = await explained(file, 'GET', '/a', '--claims', '{ cnf: { jkt: x } }')
      expect(decision).toBe('proof_required')
      expect(checks[1]).toMatchObject({ check: 'token', result: 'ok', saw: 'valid, of main' })
      expect(checks[2]).toMatchObject({ check: 'possession', result: 'fails' })
      expect(checks[2]?.saw).toContain('proof_required (reason: ')
    }
  })

  test('shows that an unbound token needs no proof, and what a route wants of it', async () => {
    const { decision, checks } = await explained(config, 'GET', '/bound', '--claims', '{ sub: alice }')
    expect(decision).toBe('proof_required')
    expect(checks[2]).toMatchObject({ check: 'possession', result: 'ok', saw: 'a token that is not bound' })
    expect(checks[3]).toMatchObject({ check: 'proof', result: 'fails', saw: 'none' })
  })

  test('shows what a report-only route would refuse a proof for', async () => {
    const { decision, reported, checks } = await explained(config, 'GET', '/trial', '--claims', '{ cnf: { jkt: x } }')
    expect([decision, reported]).toEqual(['allow', 'proof_required'])
    expect(checks.map(({ result }) => result)).toEqual(['ok', 'ok', 'fails'])
  })

  test('is not asked of anybody without a token', async () => {
    const { checks } = await explained(config, 'GET', '/a')
    expect(checks[2]).toMatchObject({ check: 'possession', result: 'skipped' })
  })

  test('is not read where the route takes tokens from other places', async () => {
    const { decision } = await explained(config, 'GET', '/elsewhere', '--claims', '{ sub: a }', '--proof', 'auto')
    expect(decision).toBe('proof_required')
  })

  describe('with a real token', () => {
    const key = `${files.path}/dev.jwk`
    const client = `${files.path}/client.jwk`
    const keys = `keys: { jwksFile: dev.public.json }, tokenType: compatible, audiences`
    const real = files.write('real.yaml', `${textOf(...ROUTES).replace('audiences', keys)}${DPOP}`)
    const realNonces = files.write(
      'real-nonces.yaml',
      `${textOf(...ROUTES).replace('audiences', keys)}${DPOP.replace(' }', ', nonce: { secretFile: nonce.secret } }')}`,
    )

    async function minted(request: string, ...more: readonly string[]): Promise<{ token: string; proof: string }> {
      const claims = ['--claims', '{ iss: "https://auth.example.com/", aud: "https://api.example.com" }']
      const made = ['mint', '--key', key, '--dpop-key', client, '--proof', request, ...claims, ...more]
      const { stdout, code } = await runCommand(tokenCommand, made)
      expect(code).toBe(0)
      const [authorization = '', proof = ''] = stdout.trim().split('\n')
      return { token: authorization, proof }
    }

    test('takes the proof as it is copied, judges it, and prints neither its signature nor the token', async () => {
      const { token, proof } = await minted('GET https://api.example.com/v1/bound', '--create-key')
      for (const json of [[], ['--json']]) {
        const { stdout } = await run(real, 'GET', '/bound', '--token', token, '--proof', proof, ...json)
        expect(stdout).toContain('(left out)')
        for (const secret of [token, proof]) expect(stdout).not.toContain(secret.split('.')[2])
        expect(stdout).not.toContain(proof.slice(6, 40))
      }
      const file = files.write('proof.txt', proof)
      for (const given of [proof, `@${file}`, proof.slice(6)])
        expect((await explained(real, 'GET', '/bound', '--token', token, '--proof', given)).decision).toBe('allow')
    })

    test('says what was wanted of the proof, and what was seen', async () => {
      const { token, proof } = await minted('GET https://evil.example.com/bound')
      const { checks, response } = await explained(real, 'GET', '/bound', '--token', token, '--proof', proof)
      const saw = checks.find(({ check }) => check === 'possession')?.saw
      expect(saw).toContain('proof_invalid (reason: htu, wanted: https://api.example.com/v1/ or ')
      expect(saw).toContain('seen: https://evil.example.com/bound')
      expect(response?.headers).toContainEqual({
        name: 'www-authenticate',
        value: expect.stringMatching(/^DPoP .*error="invalid_dpop_proof"/),
      })
    })

    test('shows that a nonce is asked for', async () => {
      const { token, proof } = await minted('GET https://other.example.com/bound')
      const { decision, response } = await explained(realNonces, 'GET', '/bound', '--token', token, '--proof', proof)
      expect(decision).toBe('proof_nonce_required')
      const nonce = response?.headers.filter(({ name }) => name.toLowerCase() === 'dpop-nonce')
      expect(nonce?.map(({ value }) => value)).toEqual(['(another from time to time)'])
    })
  })

  test('agrees with the gateway, which takes what token proof makes, and a nonce when it asks for one', async () => {
    const url = 'https://api.example.com/orders'
    const dpop = { baseUrls: ['https://api.example.com'], nonce: { secretFile: 'nonce.secret' } }
    const stack = await startTestStack({ dpop }, { files: { 'nonce.secret': 'n'.repeat(40) } })
    const key = files.write('holder.jwk', JSON.stringify(await exportJWK(HOLDER.privateKey)))
    const jkt = await calculateJwkThumbprint(await exportJWK(HOLDER.publicKey))
    const token = await stack.issuer.mint({ scope: 'orders:read', cnf: { jkt } })
    const providers = { main: { type: 'jwt', issuer: stack.issuer.issuer, audiences: [AUDIENCE] } }
    const routes = [{ id: 'orders-read', path: '/orders/**', methods: ['GET'], require: { scopes: ['orders:read'] } }]
    const text = { listen: '127.0.0.1:0', providers, upstreams: { app: stack.upstream.url }, routes, dpop }
    const file = files.write(
      'stack.yaml',
      JSON.stringify(text).replace('"aud', `"keys":{"jwksUri":"${stack.issuer.jwksUri}"},"aud`),
    )

    const proven = async (...more: readonly string[]) => {
      const { stdout } = await runCommand(tokenCommand, ['proof', `GET ${url}`, token, '--dpop-key', key, ...more])
      return stdout
        .trim()
        .split('\n')
        .map(line => line.split(': ')) as Array<[string, string]>
    }
    const both = async (lines: ReadonlyArray<readonly [string, string]>) => {
      const headers = Object.fromEntries(lines)
      const explanation = await explained(file, 'GET', '/orders', '--token', token, '--proof', headers.DPoP ?? '')
      return { explanation, reply: await stack.request('/orders', { headers }) }
    }

    const first = await both(await proven())
    expect(first.reply.json()).toMatchObject({ code: 'proof_nonce_required' })
    expect(first.explanation.decision).toBe('proof_nonce_required')
    const names = Object.keys(first.reply.headers).filter(name => !['date', 'connection', 'keep-alive'].includes(name))
    const shown = first.explanation.response?.headers.map(({ name }) => name) ?? []
    expect([...new Set(shown)].toSorted()).toEqual(names.toSorted())

    const lines = await proven('--nonce', String(first.reply.headers['dpop-nonce']))
    const second = await both(lines)
    expect([second.explanation.decision, second.reply.status]).toEqual(['allow', 200])

    // A trial uses no proof up, whereas the gateway takes none twice.
    const third = await both(lines)
    expect(third.explanation.decision).toBe('allow')
    expect(third.reply.json()).toMatchObject({ code: 'proof_replayed' })
    await stack.close()
  })

  test.each([
    [config, ['--proof', 'auto'], '--proof belongs to a token'],
    [config, ['--proof', 'auto', '--token', 'x'], 'sallyport token proof'],
    [config, ['--proof', 'auto', '--claims', '{ cnf: { jkt: x } }'], 'leave it out of the claims'],
    [config, ['--proof', 'autoo', '--claims', '{}'], 'write --proof auto, or give --token'],
    [config, ['--proof', '@/absent', '--token', 'x'], 'cannot be read'],
    [without, ['--proof', 'auto', '--claims', '{}'], 'has no effect: the configuration has no section `dpop`'],
  ])('used in a wrong way is told with its remedy: %#', async (file, args, message) => {
    expect(await run(file, 'GET', '/a', ...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
  })
})

describe('a case with a proof', () => {
  let written = 0
  interface Tested {
    readonly code: number
    readonly stderr: string
    readonly tests: ReadonlyArray<Record<string, unknown>>
    readonly coverage: Coverage | undefined
  }

  async function tested(file: string, cases: readonly string[], ...more: readonly string[]): Promise<Tested> {
    written += 1
    const text = `tests:\n${cases.map(each => `  - { name: a, ${each} }\n`).join('')}`
    const path = files.write(`${written}.test.yaml`, text)
    const { code, stdout, stderr } = await runCommand(testCommand, [path, '-c', file, '--json', ...more])
    if (code === 2) return { code, stderr, tests: [], coverage: undefined }
    const { files: results, coverage } = JSON.parse(stdout) as {
      files: ReadonlyArray<{ tests: Tested['tests'] }>
      coverage: readonly Coverage[]
    }
    return { code, stderr, tests: results[0]?.tests ?? [], coverage: coverage[0] }
  }

  const sent = (proof: string, expected: string, request = 'GET /bound', claims = '{ sub: a }') =>
    `request: ${request}, claims: ${claims}, proof: ${proof}, expect: ${expected}`

  test.each([
    ['dpop', 'allow'],
    ['none', 'proof_required'],
    ['{ }', 'allow'],
    ['{ htu: "https://other.example.com/bound?x=2" }', 'allow'],
    ['{ htu: "https://evil.example.com/bound" }', 'proof_invalid'],
    ['{ age: 30s }', 'allow'],
    ['{ age: 2m }', 'proof_invalid'],
    ['{ key: other }', 'proof_mismatch'],
    ['{ age: 10s, key: other, htu: "https://other.example.com/bound" }', 'proof_mismatch'],
  ])('%s comes out as a client with such a proof would fare: %s', async (proof, expected) => {
    const { code, tests } = await tested(config, [sent(proof, expected)])
    expect(tests).toMatchObject([{ decision: expected }])
    expect(code).toBe(0)
  })

  test('has the nonce that is asked for, as old as the proof is', async () => {
    const cases = [sent('dpop', 'allow'), sent('{ age: 11m }', 'proof_nonce_required')]
    for (const more of [[], ['--no-files']]) expect((await tested(withNonces, cases, ...more)).code).toBe(0)
  })

  test('is as old as it says at the time of the case', async () => {
    const then = (proof: string, expected: string) => `now: 2040-01-01T00:00:00Z, ${sent(proof, expected)}`
    const cases = [then('dpop', 'allow'), then('{ age: 2m }', 'proof_invalid'), sent('dpop', 'allow')]
    expect((await tested(config, cases)).code).toBe(0)
    const nonces = [then('dpop', 'allow'), then('{ age: 11m }', 'proof_nonce_required'), sent('dpop', 'allow')]
    expect((await tested(withNonces, nonces)).code).toBe(0)
  })

  test('is never taken for a replay of another, however many there are', async () => {
    const { code } = await tested(config, Array(1200).fill(sent('dpop', 'allow')))
    expect(code).toBe(0)
  })

  test('may be about a token that is bound to a certificate, too', async () => {
    const { tests } = await tested(config, [sent('dpop', 'proof_required', 'GET /a', '{ cnf: { "x5t#S256": t } }')])
    expect(tests).toMatchObject([{ reason: expect.stringContaining('certificate') }])
  })

  test('covers what a route requires of the binding, and what it requires besides', async () => {
    const allowed = sent('dpop', 'allow', 'GET /scoped', '{ sub: a, scope: a }')
    const state = async (...cases: readonly string[]) => {
      const { coverage } = await tested(config, cases)
      const items = coverage?.routes.find(({ route }) => route === 'scoped')?.items ?? []
      return Object.fromEntries(items.map(each => [each.item, each.state]))
    }
    expect(await state(allowed, sent('none', 'proof_required', 'GET /scoped', '{ sub: a, scope: a }'))).toEqual({
      allowed: 'covered',
      'refused without a token': 'untested',
      'refused without scopes a': 'untested',
      'refused without proof': 'untested',
    })
    const unbound = 'request: GET /scoped, claims: { scope: a }, expect: proof_required'
    expect(await state(unbound, sent('dpop', 'scope_missing', 'GET /scoped'))).toMatchObject({
      'refused without scopes a': 'covered',
      'refused without proof': 'covered',
    })
  })

  test('fails where nobody judges proofs, but may show that a bound token is refused there', async () => {
    const { tests } = await tested(without, [sent('dpop', 'scheme_unsupported'), sent('none', 'proof_required')])
    expect(tests).toMatchObject([
      { passed: false, mismatches: [{ what: 'proof', expected: 'the section `dpop` in the configuration' }] },
      { passed: true },
    ])
  })

  test.each([
    ['request: GET /a, proof: dpop, expect: allow', 'needs `claims`'],
    [sent('dpop', 'allow', 'GET /a', '{ cnf: { jkt: x } }'), 'says what `cnf.jkt` is; leave it out of `claims`'],
    [sent('dpop', 'allow', 'GET /a', '{ cnf: [] }'), 'leave it out of `claims`'],
    [`${sent('dpop', 'allow')}, requestHeaders: { dpop: x }`, 'leave it out of `requestHeaders`'],
    [sent('DPoP', 'allow'), 'must be `dpop`, `none`, or a block like `{ age: 2m }`'],
    [sent('{ key: mine }', 'allow'), 'other'],
    [sent('{ age: 2 }', 'allow'), 'must be a duration with a unit'],
    [sent('{ jti: x }', 'allow'), 'jti'],
    [sent('[dpop]', 'allow'), 'must be text or a block of keys'],
  ])('that contradicts itself is told so: %s', async (written, message) => {
    const { code, stderr } = await tested(config, [written])
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})
