/** Tests `sallyport completion` in the shells that are there: what they offer for a line that is being typed. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { completeCommand } from '../../src/cli/complete.ts'
import { completionCommand } from '../../src/cli/completion.ts'
import { runCommand } from '../support/gateway/command.ts'
import { sallyport } from '../support/gateway/running.ts'
import { WITHOUT_SHELLS } from '../support/services/shell-programs.ts'
import { folder } from '../tools/support.ts'

const files = folder()
const program = files.write(
  'sallyport',
  `#!/bin/sh\nexec "${process.execPath}" "${process.env.SALLYPORT_BUNDLE}" "$@"\n`,
)
chmodSync(program, 0o755)

/** Half written, as files are that are being completed. */
const CONFIG = files.write(
  'half.yaml',
  `providers:
  main: { type: jwt }
  partners: { type: jwt }
upstreams: {}
routes:
  - id: orders
    path: /orders/:id
  - id: reports
    path: /reports/**
  - id: '$(touch ${files.path}/executed)'
    path: '/\`touch ${files.path}/executed\`'
  - nothing
`,
)

/** @returns what bash offers for the last of these words */
async function completed(...words: readonly string[]): Promise<readonly string[]> {
  const script = files.write('completion.bash', (await runCommand(completionCommand, ['bash'])).stdout)
  const quoted = words.map(word => `'${word}'`).join(' ')
  const lines = `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _sallyport; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync('bash', ['-c', `source ${script}; ${lines}`], { encoding: 'utf8', cwd: files.path })
    .split('\n')
    .filter(line => line !== '')
}

describe('sallyport completion', () => {
  test('knows every command and every option of its help, and no other', async () => {
    const usage = sallyport(['--help'])
    await usage.exited
    const commands = [...usage.stdout().matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name ?? '')
    expect((await completed('sallyport', '')).toSorted()).toEqual(
      [...commands, 'help', 'version', '--help', '--version'].toSorted(),
    )
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

  test.each<[...words: string[], offered: readonly string[]]>([
    ['ch', ['check']],
    ['check', '--st', ['--strict']],
    ['check', '--ignore', 'placeh', ['placeholder']],
    ['doctor', '--ignore', 'clo', ['clock']],
    ['init', '--preset', 'key', ['keycloak']],
    ['init', '--preset', '=', 'key', ['keycloak']],
    ['token', 'm', ['mint']],
    ['token', 'proof', '--', ['--dpop-key', '--nonce', '--help']],
    ['help', 'dif', ['diff']],
    ['explain', 'D', ['DELETE']],
  ])('completes a line: %s %s %s', async (...row) => {
    const offered = row.at(-1)
    expect(await completed('sallyport', ...(row.slice(0, -1) as string[]))).toEqual(offered)
  })

  test.each<[...words: string[], offered: readonly string[]]>([
    ['tail', '-c', 'half.yaml', '--route', '', ['orders', 'reports']],
    ['token', 'verify', '--config', '=', 'half.yaml', '--provider', 'p', ['partners']],
    ['explain', 'GET', '/o', '-c', 'half.yaml', ['/orders/']],
    ['tail', '-c', 'missing.yaml', '--route', '', []],
  ])('reads from the configuration of the line: %s %s %s', async (...row) => {
    const words = row.slice(0, -1) as string[]
    // What is completed is the last word, but for the path of `explain`.
    const line = words[0] === 'explain' ? [...words.slice(0, 1), ...words.slice(1, 3)] : words
    const env = words[0] === 'explain' ? `SALLYPORT_CONFIG=${CONFIG} ` : ''
    const script = files.write('ids.bash', (await runCommand(completionCommand, ['bash'])).stdout)
    const quoted = [program, ...line].map(word => `'${word}'`).join(' ')
    const run = `export ${env}A=; COMP_WORDS=(${quoted}); COMP_CWORD=${line.length}; _sallyport; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout, stderr } = spawnSync('bash', ['-c', `source ${script}; ${run}`], {
      encoding: 'utf8',
      cwd: files.path,
    })
    expect([stdout.trim().split('\n').filter(Boolean), stderr]).toEqual([row.at(-1), ''])
    expect(existsSync(join(files.path, 'executed'))).toBe(false)
  })

  test.each([
    ['a file with errors of syntax', 'routes: [{ id: a', 'routes'],
    ['a text', 'hello', 'routes'],
    ['another shape', 'routes: { a: 1 }\nproviders: [b]', 'paths'],
    ['an unknown kind', 'routes: []', 'toString'],
  ])('is silent about %s', async (_name, text, kind) => {
    const file = files.write('odd.yaml', text)
    const { code, stderr } = await runCommand(completeCommand, [kind, '-c', file])
    expect([code, stderr]).toEqual([0, ''])
  })

  test('leaves out what a shell would take for more than a word', async () => {
    const { stdout } = await runCommand(completeCommand, ['routes', `--config=${CONFIG}`])
    expect(stdout).toBe('orders\nreports\n')
    expect((await runCommand(completeCommand, ['paths', '-c', CONFIG])).stdout).toBe('/orders/\n/reports/\n')
  })

  test.each(WITHOUT_SHELLS ? ['bash'] : ['bash', 'zsh', 'fish'])(
    'the script for %s is one that the shell reads',
    async shell => {
      const script = files.write(`script.${shell}`, (await runCommand(completionCommand, [shell])).stdout)
      const { status, stderr } = spawnSync(shell, ['-n', script], { encoding: 'utf8' })
      expect([status, stderr]).toEqual([0, ''])
    },
  )

  test.skipIf(WITHOUT_SHELLS)('completes in fish', async () => {
    const script = files.write('sallyport.fish', (await runCommand(completionCommand, ['fish'])).stdout)
    const offered = (line: string) =>
      execFileSync('fish', ['--no-config', '-c', `source ${script}; complete -C '${line}'`], {
        encoding: 'utf8',
        cwd: files.path,
        env: { ...process.env, PATH: `${files.path}${delimiter}${process.env.PATH}` },
      })
        .split('\n')
        .map(each => each.split('\t')[0])
        .filter(Boolean)
    expect(offered('sallyport init --preset keyc')).toEqual(['keycloak'])
    expect(offered('sallyport check --ignore placeh')).toEqual(['placeholder'])
    expect(offered('sallyport tail -c half.yaml --route ')).toEqual(['orders', 'reports'])
  })

  test('refuses what is no shell', async () => {
    expect(await runCommand(completionCommand, ['toString'])).toMatchObject({
      code: 2,
      stderr:
        'there is no "completion toString"; write completion bash, completion zsh or completion fish\nSee sallyport completion --help.',
    })
  })
})
