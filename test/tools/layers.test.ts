/** Tests that no command calls a token good that a layer of the gateway refuses: the one that knows who is revoked. */
import { expect, test } from 'vitest'
import type { Command } from '../../src/cli/command.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { tokenCommand } from '../../src/cli/token.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder, textOf } from './support.ts'

const files = folder()
const keyFile = `${files.path}/dev.jwk`
const config = files.write(
  'sallyport.yaml',
  `${textOf('{ id: all, path: /** }').replace('audiences:', 'keys: { jwksFile: dev.public.json }, audiences:')}
revocation: { file: revoked.yaml }
`,
)
const revoke = (sub: string) =>
  files.write(
    'revoked.yaml',
    `- { issuer: https://auth.example.com/, sub: ${sub}, before: 4102444800, reason: laptop stolen }\n`,
  )
const cases = (expected: string) =>
  files.write(
    `${expected}.yaml`,
    `config: sallyport.yaml\ntests:\n  - { name: it, request: GET /, claims: { sub: alice }, expect: ${expected} }\n`,
  )

async function run(command: Command, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await runCommand(command, args)
  return stdout + stderr
}

async function answers() {
  const token = (await run(tokenCommand, 'mint', '--key', keyFile, '--claim', 'sub=alice', '-c', config)).trim()
  return {
    verify: await run(tokenCommand, 'verify', token, '-c', config),
    explain: await run(explainCommand, 'GET', '/', '--token', token, '-c', config),
    test: await run(testCommand, cases('token_revoked')),
  }
}

test('what a layer refuses is refused by token verify, explain and test, and by none of them without it', async () => {
  revoke('alice')
  await run(tokenCommand, 'mint', '--key', keyFile, '--create-key', '-c', config)
  const refused = await answers()
  expect(refused.verify).toContain('token_revoked (revoked_by: sub')
  expect(refused.verify).toContain(
    'revoked by: sub alice of https://auth.example.com/, issued until 2100-01-01T00:00:00Z (in ',
  )
  expect(refused.verify).toContain(`reason: laptop stolen (${files.path}/revoked.yaml)`)
  expect(refused.verify).toMatch(/issued until 2100-01-01T00:00:00Z \(in \d+ years\), reason/)
  expect(refused.explain).toContain('token_revoked')
  expect(refused.explain).toMatch(/ok +token +wants a valid token of main +saw valid, of main\n/)
  expect(refused.explain).toMatch(
    /fails +revocation +wants a token that is not revoked +saw token_revoked \(revoked_by/,
  )
  expect(refused.test).toContain('1 passed')

  revoke('bob')
  const passed = await answers()
  expect(passed.verify).toContain('valid: a token of the provider main')
  expect(passed.explain).not.toContain('token_revoked')
  expect(passed.explain).toMatch(/ok +revocation +wants a token that is not revoked +saw no entry that revokes it\n/)
  expect(passed.test).toContain('1 failed')
})
