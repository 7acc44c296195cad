/** Tests what all commands have in common: how they are found, how they say what is wrong, and where they stand. */
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { callersFolder } from '../../src/cli/callers-folder.ts'
import { checkCommand } from '../../src/cli/check.ts'
import type { Command } from '../../src/cli/command.ts'
import { type CommandLoaders, dispatched } from '../../src/cli/dispatch.ts'
import { doctorCommand } from '../../src/cli/doctor.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { initCommand } from '../../src/cli/init.ts'
import { keysCommand } from '../../src/cli/keys.ts'
import { runCommand as gatewayCommand } from '../../src/cli/run.ts'
import { sessionsCommand } from '../../src/cli/sessions.ts'
import { tailCommand } from '../../src/cli/tail.ts'
import { tokenCommand } from '../../src/cli/token.ts'
import { type CommandResult, runCommand } from '../support/gateway/command.ts'
import { sallyport } from '../support/gateway/running.ts'
import { folder } from '../tools/support.ts'

const files = folder()
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const TOLD = {
  ...{ check: checkCommand, doctor: doctorCommand, explain: explainCommand, init: initCommand, keys: keysCommand },
  ...{ run: gatewayCommand, sessions: sessionsCommand, tail: tailCommand, token: tokenCommand },
}

const LOADERS = Object.fromEntries(
  Object.entries(TOLD).map(([name, command]) => [name, async () => command]),
) as unknown as CommandLoaders

/** Calls the program without starting a process. */
function called(line: string): Promise<CommandResult> {
  const program: Command = { help: '', run: (args, io) => dispatched(args, LOADERS, io) }
  return runCommand(program, line === '' ? [] : line.split(' '))
}

describe('a slip', () => {
  test.each([
    ['chekc', 'there is no command "chekc". Did you mean "check"? sallyport --help lists them'],
    ['frobnicate', 'there is no command "frobnicate"; sallyport --help lists them'],
    ['verify x', 'there is no command "verify". Did you mean "token verify"? sallyport --help lists them'],
    ['sallyport.yaml', '"sallyport.yaml" is no command. Did you mean: sallyport run -c sallyport.yaml'],
    ['/etc/sp.conf', '"/etc/sp.conf" is no command. Did you mean: sallyport run -c /etc/sp.conf'],
    ['sallyport check', '"sallyport" stands there twice; write: sallyport check'],
    ['-c a.yaml check', 'the command comes first: write "sallyport check …", and -c behind it'],
    ['--verbose', '"--verbose" is no command; sallyport --help lists them'],
    ['help chekc', 'there is no command "chekc". Did you mean "check"? sallyport --help lists them'],
    ['help token veriy', 'there is no "token veriy". Did you mean "token verify"?\nSee sallyport token --help.'],
    ['token veriy x', 'there is no "token veriy". Did you mean "token verify"?\nSee sallyport token --help.'],
    ['sessions', 'write what to do: sessions list or sessions end\nSee sallyport sessions --help.'],
    ['keys', 'write what to do: keys public\nSee sallyport keys --help.'],
    ['check --strcit', 'check has no option --strcit. Did you mean "--strict"?\nSee sallyport check --help.'],
    ['check -C a.yaml', 'check has no option -C. Did you mean "-c"?\nSee sallyport check --help.'],
    ['check -f a.yaml', 'check has no option -f. Did you mean "-c"?\nSee sallyport check --help.'],
    [
      'check --config-file=a',
      'check has no option --config-file. Did you mean "--config"?\nSee sallyport check --help.',
    ],
    ['check -config a', 'there is no option -config. Did you mean "--config"?\nSee sallyport check --help.'],
    ['check --helpp', 'check has no option --helpp. Did you mean "--help"?\nSee sallyport check --help.'],
    ['run --strict', 'run has no option --strict. It belongs to k8s lint and check.\nSee sallyport run --help.'],
    [
      'token verify x --create-key',
      'token verify has no option --create-key. It belongs to token mint.\nSee sallyport token --help.',
    ],
    ['run --online', 'run has no option --online. It belongs to check, doctor and bundle.\nSee sallyport run --help.'],
    ['check -c', '-c needs a value: -c VALUE\nSee sallyport check --help.'],
    ['check --config', '--config needs a value: --config=VALUE\nSee sallyport check --help.'],
    [
      'check -c --strict',
      '-c needs a value, and "--strict" looks like the next option; if it is the value, write --config=--strict\nSee sallyport check --help.',
    ],
    ['check --strict=no', '--strict takes no value; write --strict, or leave it out\nSee sallyport check --help.'],
    ['doctor -c a -c b', '-c is given twice; give it once\nSee sallyport doctor --help.'],
    ['run a.yaml b.yaml', 'run takes one file, and there are 2: a.yaml, b.yaml\nSee sallyport run --help.'],
    ['run sallyport check', 'run takes one file, and there are 2: sallyport, check\nSee sallyport run --help.'],
    [
      'tail a.yaml',
      'tail takes options only, and "a.yaml" is none. Did you mean: sallyport tail -c a.yaml\nSee sallyport tail --help.',
    ],
    ['sessions end alice', 'sessions end takes options only, and "alice" is none.\nSee sallyport sessions --help.'],
    ['check --ignore placeholdr', '"placeholdr" is no warning. Did you mean "placeholder"?'],
    [
      'check https://x.example/a.yaml',
      'https://x.example/a.yaml is a URL; the configuration is a file: fetch it first',
    ],
    ['explain /orders', 'explain takes a method and a path, as in: sallyport explain GET /orders'],
    ['tail --admin localhost:9090', '--admin "localhost:9090": write http://localhost:9090'],
    [
      'explain GET /orders --claims {sub:alice} --no-files -c config/demo.yaml',
      `the claims cannot be read: a blank is missing after a colon. Put them in single quotes, as in '{"sub": "alice"}'`,
    ],
    ['doctor --ignore clok', '"clok" is no check. Did you mean "clock"?'],
  ])('sallyport %s', async (line, message) => {
    expect(await called(line)).toEqual({ code: 2, stdout: '', stderr: message })
  })

  test('is never repeated where it might be a token', async () => {
    const { stderr } = await called('token decode eyJhbGciOiJub25lIn0.eyJzdWIiOiJh…fQ.c2ln')
    expect(stderr).toBe('the token is cut: a part in its middle stands as "…"; copy the whole of it')
  })
})

describe('help', () => {
  test.each([
    ['check --help', checkCommand],
    ['check -c a.yaml --strict -h', checkCommand],
    ['help check', checkCommand],
    ['--help check', checkCommand],
    ['help token', tokenCommand],
    ['help token verify', tokenCommand],
    ['token verify --help', tokenCommand],
    ['token --help', tokenCommand],
    ['explain --help', explainCommand],
    ['explain GET /orders -H a:b --help', explainCommand],
  ])('is printed for: sallyport %s', async (line, { help }) => {
    expect(await called(line)).toEqual({ code: 0, stdout: help, stderr: '' })
  })

  test.each([
    ['explain GET /orders --token --help', '--token needs a value, and "--help" looks like the next option'],
    ['check -- --help', '--help: the file cannot be read'],
  ])('is not asked for by: sallyport %s', async (line, message) => {
    const { stdout, stderr } = await called(line)
    expect([stdout === checkCommand.help, `${stdout}${stderr}`]).toEqual([false, expect.stringContaining(message)])
  })

  test.each(['version', '--version', '-V'])('%s prints the version', async word => {
    expect(await called(word)).toEqual({ code: 0, stdout: '0.0.0-test\n', stderr: '' })
  })

  test('lists the commands in lines that fit a terminal', async () => {
    const { code, stdout } = await called('help')
    expect(code).toBe(0)
    expect(await called('')).toEqual({ code: 2, stdout, stderr: '' })
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })
})

describe('a file without -c is the configuration', () => {
  const file = files.write('empty.yaml', '')

  test.each(['check', 'doctor', 'run'])('for %s', async command => {
    const result = await called(`${command} ${file}`).catch(error => ({ stdout: '', stderr: String(error) }))
    expect(`${result.stdout}${result.stderr}`).toContain('the file is empty')
  })
})

describe('npm run sallyport', () => {
  const pack = realpathSync(files.path)
  const packageFile = join(pack, 'package.json')
  const below = join(pack, 'deep')
  mkdirSync(below)
  writeFileSync(packageFile, '{}')
  const ENV = { INIT_CWD: below, npm_lifecycle_event: 'sallyport', npm_package_json: packageFile }

  test('reads paths from where its caller stands', async () => {
    const file = join(files.path, 'here.yaml')
    writeFileSync(file, '')
    const run = sallyport(['check', 'here.yaml'], {
      cwd: join(process.env.SALLYPORT_BUNDLE ?? '', '../..'),
      env: {
        INIT_CWD: files.path,
        npm_lifecycle_event: 'sallyport',
        npm_package_json: join(process.env.SALLYPORT_BUNDLE ?? '', '../../package.json'),
      },
    })
    expect([await run.exited, run.stdout()]).toEqual([2, expect.stringContaining('here.yaml:1:1 the file is empty')])
  })

  test('counts for our own scripts in our own package', () => {
    expect(callersFolder(ENV, pack, packageFile)).toBe(below)
    expect(callersFolder({ ...ENV, npm_lifecycle_event: 'start' }, pack, packageFile)).toBe(below)
  })

  test('follows links to the package', () => {
    const link = join(files.path, 'link')
    symlinkSync(pack, link)
    expect(callersFolder(ENV, pack, join(link, 'package.json'))).toBe(below)
  })

  test.each<[string, NodeJS.ProcessEnv, string]>([
    ['without npm', {}, pack],
    ['by a script of another name', { ...ENV, npm_lifecycle_event: 'test' }, pack],
    ['by a script of another package', { ...ENV, npm_package_json: join(ROOT, 'package.json') }, pack],
    ['in another folder since', ENV, below],
    ['called from a folder that is gone', { ...ENV, INIT_CWD: join(pack, 'gone') }, pack],
    ['called from a path that is not whole', { ...ENV, INIT_CWD: 'deep' }, pack],
  ])('changes nothing %s', (_how, env, current) => {
    expect(callersFolder(env, current, packageFile)).toBeUndefined()
  })
})
