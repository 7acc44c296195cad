/** Tests what the commands say of a SPIFFE trust domain, and of the JWT-SVIDs of its workloads. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { checkCommand } from '../../src/cli/check.ts'
import { diffCommand } from '../../src/cli/diff.ts'
import { doctorCommand } from '../../src/cli/doctor.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { revocationsCommand } from '../../src/cli/revocations.ts'
import { testCommand } from '../../src/cli/test.ts'
import { tokenCommand } from '../../src/cli/token.ts'
import { runCommand } from '../support/gateway/command.ts'
import { json, startKeyServer } from '../support/services/key-server.ts'
import { svidAuthority } from '../support/services/svid-authority.ts'
import { folder } from './support.ts'

const files = folder()
const CHECKOUT = 'spiffe://example.org/ns/shop/sa/checkout'
const MAIN = '{ type: jwt, issuer: https://auth.example.com/, audiences: [orders] }'

const textWith = (workloads: string) => `listen: 127.0.0.1:8080
providers:
  main: ${MAIN}
  workloads: { type: spiffe, trustDomain: example.org, audiences: [orders]${workloads} }
upstreams: { app: http://127.0.0.1:3000 }
revocation: { file: revoked.yaml }
routes:
  - { id: all, path: /** }
  - { id: machines, path: /machines, providers: [workloads], require: { claims: { sub: ["${CHECKOUT}"] } } }
`
const FILE = ', bundle: { file: dev.public.json }'
const key = join(files.path, 'dev.jwk')
let config = ''

beforeAll(async () => {
  files.write('revoked.yaml', `[{ issuer: spiffe://example.org, sub: "${CHECKOUT}", before: 2020-01-01T00:00:00Z }]\n`)
  const made = await runCommand(tokenCommand, [
    'mint',
    '--key',
    key,
    '--create-key',
    '--bundle',
    '--claim',
    'iss=a',
    '--claim',
    'aud=b',
  ])
  expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining('(public: for `bundle.file`)') })
  config = files.write('sallyport.yaml', textWith(FILE))
})

describe('token mint', () => {
  test('makes a bundle, and JWT-SVIDs that its provider takes', async () => {
    const { keys } = JSON.parse(readFileSync(join(files.path, 'dev.public.json'), 'utf8'))
    expect(keys).toMatchObject([{ use: 'jwt-svid', kid: expect.any(String) }])
    const of = ['-c', config, '--provider', 'workloads']
    const minted = await runCommand(tokenCommand, ['mint', '--key', key, ...of])
    const verified = await runCommand(tokenCommand, ['verify', minted.stdout, '-c', config, '--json'])
    expect([minted.stderr, JSON.parse(verified.stdout)]).toMatchObject([
      '',
      { verdict: 'valid', caller: { provider: 'workloads', claims: { sub: 'spiffe://example.org/minted' } } },
    ])
  })

  test('wants a key to be made for a bundle', async () => {
    const { code, stderr } = await runCommand(tokenCommand, ['mint', '--key', key, '--bundle'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('--bundle says what --create-key makes')])
  })
})

describe('explain', () => {
  const of = (provider: string) => expect.arrayContaining([expect.objectContaining({ saw: `valid, of ${provider}` })])
  const explained = async (path: string, claims: object) => {
    const args = ['GET', path, '-c', config, '--json', '--claims', JSON.stringify(claims)]
    return JSON.parse((await runCommand(explainCommand, args)).stdout)
  }

  test.each<readonly [string, object, object]>([
    ['/machines', { sub: CHECKOUT }, { decision: 'allow', filledIn: { aud: 'orders' } }],
    ['/machines', {}, { decision: 'claim_forbidden', filledIn: { sub: 'spiffe://example.org/stand-in' } }],
    ['/machines', { sub: 'alice' }, { decision: 'issuer_unknown' }],
    ['/machines', { sub: CHECKOUT, iss: 'https://auth.example.com/' }, { decision: 'issuer_unknown' }],
    ['/a', { sub: CHECKOUT }, { decision: 'allow', checks: of('workloads') }],
    ['/a', { sub: 'alice' }, { decision: 'allow', checks: of('main') }],
    ['/a', { sub: CHECKOUT, iss: 'https://auth.example.com/' }, { decision: 'allow', checks: of('main') }],
    ['/a', { sub: CHECKOUT, iss: 'https://nobody.example' }, { decision: 'allow', checks: of('workloads') }],
  ])('of %s with %j', async (path, claims, expected) => {
    expect(await explained(path, claims)).toMatchObject(expected)
  })
})

test('test tries claims of workloads', async () => {
  const cases = files.write(
    'cases.yaml',
    `config: sallyport.yaml
tests:
  - { name: checkout may, request: GET /machines, claims: { sub: "${CHECKOUT}" }, expect: allow }
  - { name: others may not, request: GET /machines, claims: { sub: spiffe://example.org/x }, expect: claim_forbidden }
  - { name: no path, request: GET /machines, claims: { sub: spiffe://example.org }, expect: issuer_unknown }
  - { name: no slash twice, request: GET /machines, claims: { sub: spiffe://example.org//x }, expect: claim_invalid }
`,
  )
  const { code, stdout } = await runCommand(testCommand, [cases])
  expect([stdout, code]).toEqual([expect.stringContaining('4 '), 0])
})

test('revocations finds the entry of a workload, by its trust domain', async () => {
  const authority = await svidAuthority()
  const check = async (claims: object) => {
    const token = await authority.svid({ aud: 'orders', sub: CHECKOUT, iat: 1, ...claims })
    const { code } = await runCommand(revocationsCommand, ['check', token, '-c', config])
    return code === 1
  }
  files.write('revoked.yaml', `[{ issuer: spiffe://example.org, sub: "${CHECKOUT}", before: 2099-01-01T00:00:00Z }]\n`)
  expect(await check({})).toBe(true)
  expect(await check({ iss: 'https://nobody.example' })).toBe(true)
  expect(await check({ iss: 'https://auth.example.com/' })).toBe(false)
  expect(await check({ sub: 'spiffe://example.org/other' })).toBe(false)
})

test('diff says who gets in besides', async () => {
  const after = files.write(
    'after.yaml',
    textWith(`, bundle: { url: "https://a.example/" }`).replace('example.org,', 'example.net,'),
  )
  const { code, stdout } = await runCommand(diffCommand, [config, after])
  expect(code).toBe(0)
  expect(stdout).toContain('trustDomain: example.org → example.net')
  expect(stdout).toContain('workloads of example.net')
  expect(stdout).toContain('bundle.url')
})

test('check --online and doctor ask the bundle endpoint', async () => {
  const server = await startKeyServer()
  const authority = await svidAuthority()
  const workloads = `, bundle: { url: "${server.origin}/bundle" }`
  const online = files.write('online.yaml', textWith(workloads).replace(/ {2}main:.*\n/, ''))
  const both = async () =>
    Promise.all([
      runCommand(checkCommand, ['--online', online]),
      runCommand(doctorCommand, ['-c', online, '--online', '--json']),
    ])
  server.answer(json(authority.bundle()))
  const [checked, examined] = await both()
  expect(checked.stdout).toMatch(/workloads.*keys .* ES256/)
  const findings = (text: string) =>
    JSON.parse(text).findings.filter(({ subject }: { subject: string }) => subject === 'provider workloads')
  expect(findings(examined.stdout)).toContainEqual(expect.objectContaining({ check: 'keys', outcome: 'ok' }))
  server.answer(json({ keys: [] }))
  const [revoked, later] = await both()
  expect(revoked.stdout + revoked.stderr).toContain('the bundle revokes all keys')
  expect(findings(later.stdout)).toContainEqual(expect.objectContaining({ check: 'keys', outcome: 'fail' }))
})
