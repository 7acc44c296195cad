/** Holds every command that a document names to the code: scripts, commands and their options, files. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { USAGE as BENCH_USAGE } from '../../bench/http/options.ts'
import type { Command } from '../../src/cli/command.ts'
import { DOCUMENTS, type Document, ROOT } from './markdown.ts'

interface Shown {
  readonly document: string
  readonly line: string
}

/** Of other projects: what these lines do is not ours to check. */
const OTHERS = ['buildah', 'curl', 'git', 'docker', 'helm', 'openssl']

const { scripts } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>
}

const shown = DOCUMENTS.flatMap(commandsOf)

test('there are commands', () => {
  expect(shown.length).toBeGreaterThan(20)
})

test.each(shown)('$document: $line', async ({ line }) => {
  const [program = '', ...args] = words(line)
  switch (program) {
    case 'sallyport':
      return expectSallyport(args)
    case 'npm':
      return expectNpm(args)
    case 'node':
      return expectFile(args[0])
    case 'kubectl':
      return args[0] === 'apply' ? expectFile(args[args.indexOf('-k') + 1]) : undefined
    case 'helm':
      return args[0] === 'install' ? expectFile(args[2]) : undefined
    default:
      expect(OTHERS).toContain(program)
  }
})

/** Lines of shell blocks, what stands behind a prompt, and commands in backticks. */
function commandsOf({ path, blocks, codes }: Document): readonly Shown[] {
  const lines = blocks.flatMap(({ info, text }) =>
    info === 'sh'
      ? text.split('\n')
      : info === 'console'
        ? [...text.matchAll(/^\$ (.*)$/gm)].map(([, line = '']) => line)
        : [],
  )
  const inline = codes.filter(code => /^(?:sallyport|npm|kubectl|docker) \S/.test(code))
  return [...lines, ...inline]
    .flatMap(line => line.replace(/(?:^|\s)#.*/, '').split(' && '))
    .map(line => ({ document: path, line: bare(line) }))
    .filter(({ line }) => line !== '')
}

/** Without what the shell does before it starts the program. */
function bare(line: string): string {
  return line
    .trim()
    .replace(/^\w+=\$\((.*)\)$/, '$1')
    .replace(/^(?:\w+=\S* |sudo )+/, '')
    .replace(/ > \S+$/, '')
}

function words(line: string): readonly string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, one, two, three]) => one ?? two ?? three ?? '')
}

async function expectSallyport([name = '', ...args]: readonly string[]): Promise<void> {
  // The program itself has `help` and `version`, as options, too.
  if (/^(?:-.*|help|version)?$/.test(name)) return
  const help = await helpOf(name)
  expect(named(`${help} --help`)).toEqual(expect.arrayContaining([...optionsOf(args)]))
  for (const file of args.filter(arg => arg.startsWith('config/'))) expectFile(file)
}

async function helpOf(name: string): Promise<string> {
  const module = (await import(`../../src/cli/${name}.ts`)) as Readonly<Record<string, Command>>
  return module[`${name}Command`]?.help ?? ''
}

async function expectNpm(args: readonly string[]): Promise<void> {
  const [name = '', ...rest] = args.filter(arg => arg !== '-s' && arg !== '--')
  const options = optionsOf(rest)
  switch (name) {
    case 'ci':
    case 'install':
    case 'pack':
    case 'test':
      expect(options).toEqual([])
      return
    case 'start':
      return expectSallyport(['dev', ...rest])
    case 'exec':
      for (const file of rest.filter(arg => arg.startsWith('test/'))) expectFile(file)
      return
    default: {
      const [script = '', ...scriptArgs] = rest
      expect(name).toBe('run')
      expect(Object.keys(scripts)).toContain(script)
      if (script === 'sallyport') return expectSallyport(scriptArgs)
      expect(named(usageOf(script))).toEqual(expect.arrayContaining([...options]))
    }
  }
}

/** What says which options a script takes: its help, or its source where it has none. */
function usageOf(script: string): string {
  if (script === 'bench') return `${BENCH_USAGE} --help`
  const [, file] = /^node (\S+)/.exec(scripts[script] ?? '') ?? []
  // `parseArgs` lists options as `seconds: { type: …`.
  return file === undefined ? '' : readFileSync(new URL(file, ROOT), 'utf8').replaceAll(/(\w+): \{ type:/g, '--$1 {')
}

/** The options that a help names. */
function named(help: string): readonly string[] {
  return [...help.matchAll(/(?<![\w-])--?[A-Za-z][\w-]*/g)].map(([option]) => option)
}

function optionsOf(args: readonly string[]): readonly string[] {
  return args.flatMap(arg => /^--?[A-Za-z][\w-]*/.exec(arg)?.[0] ?? [])
}

function expectFile(file: string | undefined): void {
  expect(file).toBeDefined()
  expect(existsSync(new URL(file ?? '', ROOT)), file).toBe(true)
}
