/**
 * The command `sallyport complete` prints what the configuration file has of a kind, one word a line. The scripts of
 * `sallyport completion` call it with the words of the line that is being typed; people do not.
 *
 * A file is mostly completed while it is being written, so it need not be a good one, and whatever is wrong is no
 * output. Words with characters that mean something to a shell are left out, so that none is ever expanded.
 */
import { readAnyFile } from '../config/read/own-file.ts'
import { readSource } from '../config/read/source.ts'
import type { Command, CommandIo } from './command.ts'
import { configFile } from './config-file.ts'

const KINDS: Readonly<Record<string, (config: Members) => readonly unknown[]>> = {
  providers: ({ providers }) => Object.keys(members(providers)),
  routes: ({ routes }) => listed(routes).map(route => members(route).id),
  paths: ({ routes }) => listed(routes).map(route => fixedPart(members(route).path)),
}

type Members = Readonly<Record<string, unknown>>

export const completeCommand: Command = {
  help: `Usage: sallyport complete providers|routes|paths [WORD]...

Prints what the configuration file has, for the scripts of sallyport completion. The file is the one that the words of a
command line name with -c, else $SALLYPORT_CONFIG, else ./sallyport.yaml.
`,
  async run([kind = '', ...words], { env, stdout }) {
    const wordsOf = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined
    const found = wordsOf?.(configured(words, env)) ?? []
    stdout([...new Set(found)].flatMap(word => (isPlain(word) ? [`${word}\n`] : [])).join(''))
    return 0
  },
}

function configured(words: readonly string[], env: CommandIo['env']): Members {
  try {
    const text = readAnyFile(configFile(namedIn(words, env), env)).toString('utf8')
    return members(readSource(text, env).value)
  } catch {
    return {}
  }
}

/** Finds `-c FILE`, as bash hands it over: unexpanded, and with the `=` of `--config=FILE` as a word of its own. */
function namedIn(words: readonly string[], env: CommandIo['env']): string | undefined {
  const at = words.findLastIndex(word => /^(?:-c|--config)$|^--config=/.test(word))
  const [option = '', ...more] = at === -1 ? [] : words.slice(at)
  const named = option.startsWith('--config=') ? option.slice('--config='.length) : more.find(word => word !== '=')
  return named?.replace(/^~(?=\/)/, env.HOME ?? '~').replaceAll(/["'\\]/g, '')
}

function members(value: unknown): Members {
  return typeof value === 'object' && value !== null ? (value as Members) : {}
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Returns `/orders/` of `/orders/:id` and of `/orders/**`: what follows is up to the caller. */
function fixedPart(path: unknown): unknown {
  return typeof path === 'string' ? path.replace(/[:*].*$/, '') : undefined
}

function isPlain(word: unknown): word is string {
  return typeof word === 'string' && /^[\w/][\w./-]*$/.test(word)
}
