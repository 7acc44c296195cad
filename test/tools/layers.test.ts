/**
 * Tests that no command calls a token good that a layer of the gateway refuses.
 *
 * No layer can be asked for by configuration alone, so one is planted where the gateway and the commands get theirs.
 */
import { beforeEach, expect, test, vi } from 'vitest'
import type { Command } from '../../src/cli/command.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { tokenCommand } from '../../src/cli/token.ts'
import { Denial } from '../../src/errors.ts'
import type { requestChecks } from '../../src/run/request-checks.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder, textOf } from './support.ts'

const planted = vi.hoisted(() => ({ isStrict: true }))
vi.mock(import('../../src/run/request-checks.ts'), () => ({
  requestChecks: (): ReturnType<typeof requestChecks> => ({
    layers: () => [
      inner => async (credential, facts) => {
        const principal = await inner(credential, facts)
        if (planted.isStrict) throw new Denial('claim_forbidden', { evidence: { layer: 'planted' } })
        return principal
      },
    ],
    tokenChecks: [],
    isRevoked: undefined,
    endpoints: [],
  }),
}))

const files = folder()
const keyFile = `${files.path}/dev.jwk`
const config = files.write(
  'sallyport.yaml',
  textOf('{ id: all, path: /** }').replace('audiences:', 'keys: { jwksFile: dev.public.json }, audiences:'),
)
const cases = (expected: string) =>
  files.write(
    `${expected}.yaml`,
    `config: sallyport.yaml\ntests:\n  - { name: it, request: GET /, claims: {}, expect: ${expected} }\n`,
  )

beforeEach(() => {
  planted.isStrict = true
})

async function run(command: Command, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await runCommand(command, args)
  return stdout + stderr
}

async function answers() {
  const token = (await run(tokenCommand, 'mint', '--key', keyFile, '-c', config)).trim()
  return {
    verify: await run(tokenCommand, 'verify', token, '-c', config),
    explain: await run(explainCommand, 'GET', '/', '--token', token, '-c', config),
    test: await run(testCommand, cases('claim_forbidden')),
  }
}

test('what a layer refuses is refused by token verify, explain and test, and by none of them without it', async () => {
  await run(tokenCommand, 'mint', '--key', keyFile, '--create-key', '-c', config)
  const refused = await answers()
  expect(refused.verify).toContain('claim_forbidden (layer: planted)')
  expect(refused.explain).toContain('claim_forbidden')
  expect(refused.test).toContain('1 passed')

  planted.isStrict = false
  const passed = await answers()
  expect(passed.verify).toContain('valid: a token of the provider main')
  expect(passed.explain).not.toContain('claim_forbidden')
  expect(passed.test).toContain('1 failed')
})
