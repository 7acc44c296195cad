/**
 * Runs the commands of the documents that put a policy to the test, and compares what they print with what is shown.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { sallyport } from '../support/gateway/running.ts'
import { blocksOf } from './markdown.ts'

const shown = blocksOf('console')
  .filter(({ text }) => /^\$ sallyport (check|explain|test) .*config\//.test(text))
  .map(({ text }) => text.split(/^\$ (.*)\n/))
  .map(([, line = '', output = '']) => [line, output] as const)
if (shown.length === 0) throw new Error('no document shows one of these commands')

test.each(shown)('%s prints what is shown', async (line, output) => {
  const args = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '').slice(1)
  const { exited, stdout } = sallyport(args, { env: { NO_COLOR: '1' } })
  expect(await exited).toBe(0)
  expect(stdout()).toBe(output)
})

test('inject prints what is shown to be missing', async () => {
  const inject = blocksOf('console').filter(({ text }) => text.startsWith('$ sallyport inject '))
  expect(inject).toHaveLength(1)
  const [line = '', ...output] = inject[0]?.text.split('\n') ?? []
  const { exited, stdout } = sallyport(line.split(' ').slice(2))
  expect(await exited).toBe(1)
  expect(stdout()).toBe(output.join('\n'))
})

test('the cases that are shown are among those of config/tests/demo.yaml', () => {
  const [excerpt = ''] = blocksOf('yaml cases').map(({ text }) => text)
  const whole = readFileSync(new URL('../../config/tests/demo.yaml', import.meta.url), 'utf8')
  const [some, all] = [excerpt, whole].map(text => parse(text).tests as readonly unknown[])
  expect(some).not.toEqual([])
  expect(all).toEqual(expect.arrayContaining([...(some ?? [])]))
})

test('a diff prints what is shown of one that lets viewers change orders', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-readme-'))
  try {
    const old = readFileSync(new URL('../../config/demo.yaml', import.meta.url), 'utf8')
    const loosened = old.replace('anyRole: [editor, admin]', 'anyRole: [editor, admin, viewer]')
    const files = { 'old.yaml': old, 'sallyport.yaml': loosened }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    const { exited, stdout } = sallyport(
      ['diff', join(folder, 'old.yaml'), join(folder, 'sallyport.yaml'), '--no-files', '--fail-on', 'loosened'],
      { env: { NO_COLOR: '1' } },
    )
    expect(await exited).toBe(1)
    expect(blocksOf('console').some(({ text }) => text.endsWith(`--fail-on loosened\n${stdout()}`))).toBe(true)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
