/** Tests what `sallyport token` makes of a file in which browsers log in, as a user calls it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { tokenCommand } from '../../src/cli/token.ts'
import { runCommand } from '../support/gateway/command.ts'
import { sessionText } from '../tools/session-support.ts'
import { folder } from '../tools/support.ts'

const files = folder()
const key = join(files.path, 'dev.jwk')
writeFileSync(join(files.path, 'session-key'), '0123456789abcdef'.repeat(4), { mode: 0o600 })
writeFileSync(join(files.path, 'client-secret'), 'secret', { mode: 0o600 })
const text = (browser: readonly string[]) =>
  sessionText({ browser }).replace(
    'audiences: [https://api.example.com] }',
    'audiences: [https://api.example.com], keys: { jwksFile: dev.public.json } }',
  )
const config = files.write('sallyport.yaml', text([]))

function token(...args: readonly string[]) {
  return runCommand(tokenCommand, [...args, '-c', config])
}

beforeAll(async () => {
  // The key has to be there before the configuration that names it can be read.
  await runCommand(tokenCommand, ['mint', '--key', key, '--create-key', '--claim', 'iss=x', '--claim', 'aud=x'])
})

describe('with a provider at which browsers log in', () => {
  test('a token is minted for the one that takes tokens, and verified by it', async () => {
    const minted = await token('mint', '--key', key, '--claim', 'sub=alice')
    expect(minted.code).toBe(0)
    const { stdout, code } = await token('verify', minted.stdout.trim())
    expect(stdout).toContain('valid: a token of the provider main')
    expect(stdout).toContain('  subject  alice')
    expect(code).toBe(0)
  })

  test.each([
    ['mint', '--key', key],
    ['verify', 'x.y.z'],
  ])('%s does not take it', async (...args) => {
    const { stderr, code } = await token(...args, '--provider', 'browser')
    expect(stderr).toContain(
      'browser takes no tokens: browsers log in there; name main, which judges what their sessions bring',
    )
    expect(code).toBe(2)
  })

  test('the choice of providers is one of those that take tokens', async () => {
    const { stderr, code } = await token('verify', 'x.y.z', '--provider', 'other')
    expect(stderr).toContain('there is no provider "other"; there is main')
    expect(code).toBe(2)
  })

  test('a token of its issuer is nobody’s', async () => {
    const claims = '{ iss: "https://login.example.com/", aud: shop }'
    const minted = await token('mint', '--key', key, '--claims', claims)
    const { stdout, code } = await token('verify', minted.stdout.trim())
    expect(stdout).toContain('refused: issuer_unknown')
    expect(code).toBe(1)
  })

  test('decode reads a token as ever', async () => {
    const minted = await token('mint', '--key', key, '--claim', 'sub=alice')
    const { stdout, code } = await token('decode', minted.stdout.trim())
    expect(stdout).toContain('alice')
    expect(code).toBe(0)
  })
})
