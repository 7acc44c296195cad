/** Tests `sallyport init` as a user calls it. */
import { readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkCommand } from '../../src/cli/check.ts'
import { initCommand } from '../../src/cli/init.ts'
import { loadConfig } from '../../src/config/read/load.ts'
import { PRESETS } from '../../src/tools/init/presets.ts'
import { runCommand } from '../support/gateway/command.ts'
import { jwtOf } from '../support/jwt-provider.ts'
import { folder } from '../tools/support.ts'

const files = folder()

describe('sallyport init', () => {
  test('writes a file that checks without a warning, and the schema its first line names', async () => {
    const file = join(files.path, 'sallyport.yaml')
    const { code, stdout } = await runCommand(initCommand, [relative('', file)])
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining(`wrote ${file}\nand ${files.path}/sallyport.schema.json\n`),
    ])
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
    [['--preset', 'okta'], '"okta" is no preset; there are generic, keycloak'],
    [['--preset', 'keycloack'], '"keycloack" is no preset. Did you mean "keycloak"?'],
    [['a', 'b'], 'takes one file'],
  ])('wrong usage %j is told with its remedy', async (args, message) => {
    expect(await runCommand(initCommand, args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
  })
})
