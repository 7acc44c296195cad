/** Runs the commands of "Try it" in `config/proof-of-possession.md`, on the files that stand there. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { sallyport } from '../support/gateway/running.ts'
import { documentAt } from './markdown.ts'

const FOLDER = '/tmp/try/'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-try-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const { blocks } = documentAt('config/proof-of-possession.md')

for (const { text } of blocks.filter(({ info }) => info === 'yaml try')) {
  const [, name = ''] = /^# (\S+)\n/.exec(text) ?? []
  writeFileSync(placed(name), text, { mode: 0o600 })
}

/** Those that serve or ask a gateway are left out. */
const lines = blocks
  .filter(({ info, text }) => info === 'sh' && text.includes(FOLDER))
  .flatMap(({ text }) => text.trim().split('\n'))
  .filter(line => !/^(?:sallyport run|curl) /.test(line))

test('each command does what is said of it, one after the other', async () => {
  for (const line of lines) {
    const [command = '', output] = line.split(' > ')
    const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => placed(quoted ?? plain ?? ''))
    const [program = '', ...args] = words
    const { code, printed } = program === 'sallyport' ? await ran(args) : ranOther(program, args)
    expect(code, line).toBe(0)
    if (args[0] === 'explain') expect(printed).toContain(': allow')
    if (output !== undefined) writeFileSync(placed(output), printed, { mode: 0o600 })
  }
  expect(lines.length).toBeGreaterThan(6)
})

function placed(text: string): string {
  return text.replace(FOLDER, `${folder}/`)
}

interface Ran {
  readonly code: number | null
  readonly printed: string
}

async function ran(args: readonly string[]): Promise<Ran> {
  const { exited, stdout } = sallyport(args)
  return { code: await exited, printed: stdout() }
}

function ranOther(program: string, args: readonly string[]): Ran {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' })
  return { code: status, printed: stdout }
}
