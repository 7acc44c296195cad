/** Tests what `explain` and `test` make of revocations that are given to them to try. */
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder, textOf } from './support.ts'

const files = folder()
const ALIASED = textOf(
  '{ id: all, path: /** }',
  '{ id: lax, path: /lax, revocation: { whenStale: allow } }',
  '{ id: open, path: /open, access: optional }',
).replace('audiences:', 'maxLifetime: 1h, issuerAliases: [https://old.example.com/], audiences:')
const withStore = files.write(
  'store.yaml',
  `${ALIASED}store: { url: redis://127.0.0.1:1 }
revocation: { whenStale: refuse, shortLived: 5m, store: {} }
`,
)
const withFile = files.write(
  'file.yaml',
  `${textOf('{ id: all, path: /** }')}revocation: { file: revoked.yaml }
`,
)
files.write('revoked.yaml', '- { issuer: https://auth.example.com/, sub: mallory, before: 4102444800 }\n')
const without = files.write('without.yaml', textOf('{ id: all, path: /** }'))

let written = 0
async function cases(config: string, lines: string, ...args: readonly string[]) {
  written += 1
  const file = files.write(`cases-${written}.yaml`, `config: ${config}\ntests:\n${lines}`)
  return runCommand(testCommand, [file, ...args])
}

/** Makes a case of GET / by alice, with these further keys. */
const alice = (keys: string, claims = 'sub: alice, jti: t1, sid: s1, client_id: shop') =>
  `  - { name: it, request: GET /, claims: { ${claims} }, ${keys} }\n`

describe('a case', () => {
  test.each([
    ['{ sub: alice }', 'token_revoked'],
    ['{ jti: t1 }', 'token_revoked'],
    ['{ sid: s1 }', 'token_revoked'],
    ['{ client: shop }', 'token_revoked'],
    ['{ all: true }', 'token_revoked'],
    ['{ sub: bob }', 'allow'],
    ['{ sub: alice, issuer: https://auth.example.com/ }', 'token_revoked'],
    ['{ sub: alice, issuer: https://old.example.com/ }', 'token_revoked'],
    ['{ sub: alice, issuer: https://other.example.com/ }', 'allow'],
    ['{ sub: alice, before: 2020-01-01T00:00:00Z }', 'allow'],
    ['{ sub: alice, until: 2020-01-01T00:00:00Z }', 'allow'],
  ])('in which %s is revoked comes out as %s', async (entry, expected) => {
    expect(await cases('store.yaml', alice(`revoked: [${entry}], expect: ${expected}`))).toMatchObject({ code: 0 })
  })

  test('is judged by the time at which its token was issued', async () => {
    const claims = 'sub: alice, iat: 1767225600, exp: 4102444800'
    expect(
      await cases(
        'file.yaml',
        alice('revoked: [{ sub: alice, before: 1767225599 }], expect: allow', claims) +
          alice('revoked: [{ sub: alice, before: 1767225600 }], expect: token_revoked', claims),
      ),
    ).toMatchObject({ code: 0 })
  })

  test('knows nothing of what another case has revoked', async () => {
    const lines = alice('revoked: [{ sub: alice }], expect: token_revoked') + alice('expect: allow')
    expect(await cases('store.yaml', lines)).toMatchObject({ code: 0 })
  })

  test('that is stale comes out as its route says, and what is known is refused all the same', async () => {
    const now = Math.floor(Date.now() / 1000)
    const lines = `${alice('revocation: stale, expect: revocation_unavailable')}${alice('revocation: stale, revoked: [{ sub: alice }], expect: token_revoked')}${alice('expect: allow')}  - { name: lax, request: GET /lax, claims: {}, revocation: stale, expect: allow }
  - { name: nobody, request: GET /open, revocation: stale, expect: allow }
  - { name: short, request: GET /, claims: { iat: ${now}, exp: ${now + 300} }, revocation: stale, expect: allow }
`
    expect((await cases('store.yaml', lines)).stdout).toContain('6 passed')
  })

  test('without use for what it says fails', async () => {
    const { stdout, code } = await cases(
      'without.yaml',
      alice('revoked: [{ sub: bob }], expect: allow') + alice('revocation: stale, expect: allow'),
    )
    expect(code).toBe(1)
    expect(stdout).toContain('has no effect: it needs the section `revocation` in the configuration')
    expect(stdout).toContain(
      'has no effect: it needs `revocation.store` in the configuration, which alone can be stale',
    )
  })

  test('is judged by the file of the configuration, too, but not with --no-files', async () => {
    const lines = alice('expect: token_revoked', 'sub: mallory')
    expect(await cases('file.yaml', lines)).toMatchObject({ code: 0 })
    expect(await cases('file.yaml', lines, '--no-files')).toMatchObject({ code: 1 })
  })

  test.each([
    [
      'revoked: [{ sub: alice, sid: s1 }]',
      'must have exactly one of `jti`, `sub`, `sid`, `client` and `all`, not `sub` and `sid`',
    ],
    ['revoked: [{}]', 'must have exactly one of'],
    ['revoked: [{ sbu: alice }]', 'Did you mean "sub"?'],
    ['revocation: fresh', 'must be `stale`'],
  ])('with %s is refused', async (keys, message) => {
    const { stderr, code } = await cases('store.yaml', alice(`${keys}, expect: allow`))
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})

describe('explain', () => {
  const explained = async (config: string, ...args: readonly string[]) =>
    runCommand(explainCommand, ['GET', '/', '-c', config, '--claims', '{ sub: alice }', ...args])

  test('shows what entries of a file would do', async () => {
    const file = files.write('tried.yaml', '- { issuer: https://auth.example.com/, sub: alice, before: 4102444800 }\n')
    const { stdout, code } = await explained(withStore, '--revoked', file)
    expect(code).toBe(0)
    expect(stdout).toContain('GET /: token_revoked')
    expect(stdout).toMatch(/fails +revocation +wants a token that is not revoked +saw token_revoked \(revoked_by: sub/)
    expect((await explained(withStore)).stdout).toContain('GET /: allow')
  })

  test('refuses a file that is wrong, and one that has no effect', async () => {
    const wrong = files.write('wrong.yaml', '- { issuer: https://auth.example.com/, sub: alice }\n')
    expect(await explained(withStore, '--revoked', wrong)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${wrong}:1:3 [0].before: is missing`),
    })
    expect(await explained(without, '--revoked', wrong)).toMatchObject({
      code: 2,
      stderr: '--revoked has no effect: the configuration has no section `revocation`',
    })
    expect((await explained(withStore, '--revoked', '/nowhere')).stderr).toContain('/nowhere cannot be read')
  })

  test('asks nobody without a token, and no file with --no-files', async () => {
    const { stdout } = await runCommand(explainCommand, ['GET', '/', '-c', withFile])
    expect(stdout).toMatch(/skipped +revocation +wants a token that is not revoked +saw no token to ask it of/)
    const mallory = (...args: readonly string[]) =>
      runCommand(explainCommand, ['GET', '/', '-c', withFile, '--claims', '{ sub: mallory }', ...args])
    expect((await mallory()).stdout).toContain('GET /: token_revoked')
    expect((await mallory('--no-files')).stdout).toContain('GET /: allow')
  })
})
