/** Keys at a terminal: `script` gives the command a real one, and passes on what is typed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-dev-keys-'))
const children: ChildProcess[] = []
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const ENDED = /modes: .*\bicanon\b/

/** Runs the command in a terminal of 60 columns, and then shows the modes in which it has left that. */
function atTerminal(args: string) {
  // A plain shell ends with a Ctrl-C that its child has heard, too, and would tell no modes.
  const command = `trap : INT; stty cols 60; '${process.execPath}' '${process.env.SALLYPORT_BUNDLE}' ${args}; echo "exit $?"; echo "modes: $(stty -a | tr '\\n' ' ')"`
  // Node takes a terminal of a CI system for one without colours.
  const { FORCE_COLOR: _, NO_COLOR: __, CI: ___, ...env } = process.env
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    ...{ cwd: folder, env: { ...env, SHELL: '/bin/sh', TERM: 'xterm' } },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece.replaceAll('\r\n', '\n')
  })
  return {
    async shows(pattern: RegExp): Promise<string> {
      while (!pattern.test(text)) await once(child.stdout, 'data')
      const shown = text
      text = ''
      return shown
    },
    type: (keys: string) => child.stdin.write(keys),
  }
}

const DEV = 'dev --upstream http://127.0.0.1:1 --port 0 --admin-port 0 --issuer-port 0'
const IS_UP = /Keys: [\s\S]*quit\n/

test('t prints where a token is, r reloads, l tells the last refusal, and q says goodbye', async () => {
  const terminal = atTerminal(DEV)
  const screen = await terminal.shows(IS_UP)
  expect(screen).not.toContain('{"')
  // What is to be pasted is not broken, and neither are lines of the log.
  const plain = screen.split('\n').filter(line => !line.includes('\x1b') && !/https?:|^#/.test(line))
  expect(plain.filter(line => line.length > 60)).toEqual([])
  const [, gateway = ''] = /^ {2}gateway +(\S+)/m.exec(screen) ?? []
  terminal.type('l')
  await terminal.shows(/nothing was refused yet\n/)
  await fetch(`${gateway}/orders/1`)
  // Who looks sees the decision at once, in colour.
  expect(await terminal.shows(/GET \/orders\/1.*\n/)).toContain('\x1b[33m401\x1b[39m \x1b[33mtoken_missing')
  terminal.type('l')
  expect(await terminal.shows(/To see how it is decided:\n.*\n/)).toContain('token_missing')
  terminal.type('t')
  const [, tokenUrl = ''] = /curl -s (\S+)/.exec(await terminal.shows(/prints a token.*\n/)) ?? []
  expect(await (await fetch(tokenUrl)).text()).toMatch(/^eyJ/)
  terminal.type('r')
  await terminal.shows(/reloaded.*the routes are the same\n/)
  terminal.type('?')
  await terminal.shows(IS_UP)
  terminal.type('q')
  const end = await terminal.shows(ENDED)
  expect(end).toContain('Goodbye: 0 requests passed, 1 refused.\n')
  expect(end).toContain('exit 0\n')
})

test.each([
  ['Ctrl-C', '\x03'],
  ['Ctrl-D', '\x04'],
  ['Ctrl-\\', '\x1c'],
])('%s ends it, and the terminal is as it was', async (_name, key) => {
  const terminal = atTerminal(DEV)
  await terminal.shows(IS_UP)
  terminal.type(key)
  const end = await terminal.shows(ENDED)
  expect(end).toContain('Goodbye.\n')
  expect(end).toContain('exit 0\n')
})

test('`run` shows what it serves, too', async () => {
  const terminal = atTerminal(
    `init sallyport.yaml > /dev/null; sed -i 's/0.0.0.0:[0-9]*/127.0.0.1:0/' sallyport.yaml; '${process.execPath}' '${process.env.SALLYPORT_BUNDLE}' run`,
  )
  const screen = await terminal.shows(/orders-write.*\n/)
  expect(screen).toMatch(/^ {2}gateway +http:\/\/127\.0\.0\.1:\d+$/m)
  expect(screen).toMatch(/^ {2}ROUTE +METHODS +PATH/m)
  expect(screen).toMatch(/^ {2}health +GET +\/healthz +public/m)
  terminal.type('\x03')
  expect(await terminal.shows(ENDED)).toContain('exit 0\n')
})
