/** The log is for people on a terminal and for machines elsewhere, unless the configuration says otherwise. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { sallyport } from '../support/gateway/running.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PROGRAM = process.env.SALLYPORT_BUNDLE ?? 'src/main.ts'
const folder = mkdtempSync(join(tmpdir(), 'sallyport-format-'))
/** What a test that fails leaves running. */
const terminals = new Set<{ stop(): Promise<unknown> }>()
afterAll(async () => {
  for (const each of terminals) await each.stop()
  rmSync(folder, { recursive: true, force: true })
})

function configFile(name: string, more = ''): string {
  const file = join(folder, name)
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
upstreams: { app: "http://127.0.0.1:1" }
routes: [{ id: all, path: /**, access: public }]
${more}
`,
  )
  return file
}

const TIME = String.raw`\d\d:\d\d:\d\d\.\d{3}`

/** Runs the gateway on a terminal: `script` makes one, and passes on what is written to it. */
function onTerminal(file: string, env: Record<string, string>) {
  const pidFile = `${file}.pid`
  const command = `echo $$ > '${pidFile}'; exec '${process.execPath}' '${PROGRAM}' run -c '${file}'`
  // Node takes a terminal of a CI system for one without colours.
  const { FORCE_COLOR: _, NO_COLOR: __, CI: ___, ...others } = process.env
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: ROOT,
    env: { ...others, TERM: 'xterm', SHELL: '/bin/sh', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  const terminal = {
    async printed(pattern: RegExp): Promise<string> {
      while (!pattern.test(text)) await once(child.stdout, 'data')
      return text
    },
    async stop(): Promise<string> {
      terminals.delete(terminal)
      const closed = once(child, 'close')
      process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM')
      await closed
      return text
    },
  }
  terminals.add(terminal)
  return terminal
}

test('on a terminal it is lines for people in colour, from the first to the last', async () => {
  const gateway = onTerminal(configFile('terminal.yaml'), {})
  const [, url = ''] = /url=\S*?(http:[\d./:]+)/.exec(await gateway.printed(/url=[^\n]*\n/)) ?? []
  await fetch(`${url}/orders/17`)
  const shown = (await gateway.stop()).trimEnd().split('\r\n')
  const dim = (text: string) => `\\u001b\\[2m${text}\\u001b\\[22m`
  // The table of routes comes besides, and has no times.
  const isTable = (line: string) => line === '' || line.startsWith('  ')
  const lines = shown.filter(line => !isTable(line))
  expect(shown.filter(isTable).join('\n')).toContain('ROUTE')
  expect(lines[0]).toMatch(new RegExp(`^${dim(TIME)} \\u001b\\[32mINFO \\u001b\\[39m listening ${dim('url=')}`))
  for (const line of lines) expect(line).toMatch(new RegExp(`^${dim(TIME)} `))
  expect(lines.filter(line => line.includes('GET /orders/17'))).toHaveLength(1)
  expect(lines.at(-1)).toContain('drained')
})

test('NO_COLOR is heeded there, and a reload changes the form', async () => {
  const file = configFile('reloaded.yaml')
  const gateway = onTerminal(file, { NO_COLOR: '1' })
  await gateway.printed(/ INFO {2}listening url=http/)
  configFile('reloaded.yaml', 'log: { format: json }')
  await gateway.printed(/"msg":"configuration reloaded"/)
  configFile('reloaded.yaml', 'log: { format: text }')
  await gateway.printed(/ INFO {2}configuration reloaded trigger=change/)
  expect(await gateway.stop()).not.toContain('\u001b')
})

test('text elsewhere has no colour, and workers write whole lines', async () => {
  const file = configFile('workers.yaml', 'log: { format: text }\nworkers: 2')
  const gateway = sallyport(['run', '-c', file], { env: { NO_COLOR: '1' } })
  const [, url = ''] = /url=(http:\S+)/.exec(await gateway.printed(/ listening url=.*\n/)) ?? []
  await Promise.all(Array.from({ length: 200 }, (_, at) => fetch(`${url}/of/${at}`)))
  gateway.child.kill('SIGTERM')
  await gateway.exited
  const lines = gateway.stdout().trimEnd().split('\n')
  for (const line of lines) expect(line).toMatch(new RegExp(`^${TIME} (INFO |ERROR) \\S.*[^=]$`))
  const paths = lines.flatMap(
    line => / 502 upstream_unreachable GET (\S+) .* worker=\d+ id=\w{32}$/.exec(line)?.[1] ?? [],
  )
  expect(paths.toSorted()).toEqual(Array.from({ length: 200 }, (_, at) => `/of/${at}`).toSorted())
})

test('audit records stay JSON among lines for people', async () => {
  const file = configFile('records.yaml', 'log: { format: text }\naudit: { file: stdout }')
  const gateway = sallyport(['run', '-c', file])
  const [, url = ''] = /url=(http:\S+)/.exec(await gateway.printed(/ listening url=.*\n/)) ?? []
  await fetch(`${url}/orders/17`)
  gateway.child.kill('SIGTERM')
  await gateway.exited
  const records = gateway.stdout().match(/^\{.*\}$/gm) ?? []
  expect(records.map(line => JSON.parse(line))).toMatchObject([
    { type: 'audit', path: '/orders/17', client: '127.0.0.1', decision: 'allow' },
  ])
})

test('no request passes without its record when nobody reads them any more', async () => {
  const file = configFile('unread.yaml', 'audit: { file: stdout, onFull: refuse }')
  const gateway = sallyport(['run', '-c', file])
  const [, url = ''] = /"url":"(http:[^"]*)"/.exec(await gateway.printed(/"listening"/)) ?? []
  gateway.child.stdout?.destroy()
  await expect
    .poll(async () => (await fetch(`${url}/orders/17`)).json(), { timeout: 10_000 })
    .toMatchObject({ code: 'audit_unavailable' })
  gateway.child.kill('SIGTERM')
  await gateway.exited
})
