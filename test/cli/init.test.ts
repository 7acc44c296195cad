/** Tests `sallyport init` and `sallyport completion` as a user calls them. */

import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkCommand } from '../../src/cli/check.ts'
import { completionCommand } from '../../src/cli/completion.ts'
import { initCommand } from '../../src/cli/init.ts'
import { loadConfig } from '../../src/config/read/load.ts'
import { PRESETS } from '../../src/tools/init/presets.ts'
import { runCommand } from '../support/gateway/command.ts'
import { sallyport } from '../support/gateway/running.ts'
import { jwtOf } from '../support/jwt-provider.ts'
import { folder } from '../tools/support.ts'

const files = folder()

describe('sallyport init', () => {
  test('writes a file that checks without a warning, and the schema its first line names', async () => {
    const file = join(files.path, 'sallyport.yaml')
    expect((await runCommand(initCommand, [file])).code).toBe(0)
    expect(readFileSync(file, 'utf8')).toMatch(/^# yaml-language-server: \$schema=\.\/sallyport\.schema\.json\n/)
    expect(JSON.parse(readFileSync(join(files.path, 'sallyport.schema.json'), 'utf8'))).toHaveProperty('$schema')
    expect(await runCommand(checkCommand, [file, '--strict'])).toMatchObject({ code: 0 })
  })

  test('writes what nobody else may write, whatever the umask is, so that it can be run', async () => {
    const file = join(files.path, 'open.yaml')
    const before = process.umask(0)
    onTestFinished(() => void process.umask(before))
    expect((await runCommand(initCommand, [file])).code).toBe(0)
    expect(statSync(file).mode & 0o777).toBe(0o644)
  })

  test('overwrites nothing unless it is told to', async () => {
    const file = files.write('mine.yaml', 'mine')
    expect(await runCommand(initCommand, [file])).toMatchObject({ code: 2, stderr: expect.stringContaining('--force') })
    expect(readFileSync(file, 'utf8')).toBe('mine')
    expect((await runCommand(initCommand, [file, '--force'])).code).toBe(0)
    expect(readFileSync(file, 'utf8')).not.toBe('mine')
  })

  test.each(Object.keys(PRESETS).filter(preset => preset !== 'kubernetes'))(
    'the preset %s checks without a warning, but for what has to be filled in',
    async preset => {
      const file = join(files.path, `${preset}.yaml`)
      expect((await runCommand(initCommand, [file, '--force', '--preset', preset])).code).toBe(0)
      const { code, stdout } = await runCommand(checkCommand, [file, '--strict'])
      expect(code).toBe(stdout.includes('has the placeholder') ? 2 : 0)
      expect(await runCommand(checkCommand, [file, '--strict', '--ignore', 'placeholder'])).toMatchObject({ code: 0 })
    },
  )

  test.each(Object.keys(PRESETS))(
    'the preset %s is a good configuration but for files of the machine',
    async preset => {
      const { code, stdout } = await runCommand(initCommand, ['-', '--preset', preset])
      expect(code).toBe(0)
      const ofTheMachine = stdout.replaceAll(/^ +(caFile|bearerFile): .*\n/gm, '')
      expect(loadConfig({ text: ofTheMachine, file: '/etc/sallyport.yaml', env: {} }).routes).toHaveLength(
        preset === 'mcp' ? 2 : 3,
      )
    },
  )

  test.each(['https://sso.example.com/realms/shop', 'https://x"y: {', '- a', 'yes # no', 'true', 'a\nb: c'])(
    'the issuer %j arrives as it was given',
    async issuer => {
      const { stdout } = await runCommand(initCommand, ['-', `--issuer=${issuer}`, `--audience=${issuer}`])
      const withKeys = stdout.replace('clockTolerance: 5s', 'keys: { jwksUri: https://x.example }')
      try {
        const config = loadConfig({ text: withKeys, file: '/etc/sallyport.yaml', env: {} })
        expect(jwtOf(config).issuer).toBe(issuer)
      } catch (error) {
        expect(String(error)).toContain('must be text of one line')
      }
    },
  )

  test.each([
    [['--preset', 'okta'], 'there are generic, keycloak'],
    [['a', 'b'], 'takes one file'],
  ])('wrong usage %j is told with its remedy', async (args, message) => {
    expect(await runCommand(initCommand, args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
  })
})

describe('sallyport completion', () => {
  /** @returns what bash offers for the last of these words */
  async function completed(...words: readonly string[]): Promise<readonly string[]> {
    const script = files.write('completion.bash', (await runCommand(completionCommand, ['bash'])).stdout)
    const quoted = words.map(word => `'${word}'`).join(' ')
    const lines = `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _sallyport; printf '%s ' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', `source ${script}; ${lines}`], { encoding: 'utf8' })
      .trim()
      .split(' ')
  }

  test('knows every command and every option of its help, and no other', async () => {
    const usage = sallyport(['--help'])
    await usage.exited
    const commands = [...usage.stdout().matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name ?? '')
    expect((await completed('sallyport', '')).toSorted()).toEqual([...commands, '--help', '--version'].toSorted())
    for (const command of commands) {
      const help = sallyport([command, '--help'])
      expect(await help.exited).toBe(0)
      const [, options = ''] = /^(Usage: [\s\S]*?\n)Examples?:/m.exec(help.stdout()) ?? ['', help.stdout()]
      const named = new Set([...options.matchAll(/--([a-z][a-z-]*)/g)].map(([option]) => option))
      // A word stands between, since some commands take one of a few words right after their name.
      const offered = await completed('sallyport', command, 'word', '--')
      expect([command, offered.toSorted()]).toEqual([command, [...named, '--help'].toSorted()])
    }
  }, 120_000)

  test('completes in bash', async () => {
    expect(await completed('sallyport', 'ch')).toEqual(['check'])
    expect(await completed('sallyport', 'check', '--st')).toEqual(['--strict'])
    expect(await completed('sallyport', 'init', '--preset', 'key')).toEqual(['keycloak'])
    expect(await completed('sallyport', 'token', 'm')).toEqual(['mint'])
  })

  test('has a script for each shell, and refuses others', async () => {
    for (const shell of ['bash', 'zsh', 'fish'])
      expect((await runCommand(completionCommand, [shell])).stdout).toContain('keycloak')
    expect((await runCommand(completionCommand, ['toString'])).code).toBe(2)
  })
})
