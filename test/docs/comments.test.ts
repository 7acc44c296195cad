/**
 * Holds comments to what is true: the files they name exist, their lines end where the code's do, and what file headers
 * claim about timers, the time and the process is so.
 */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  type Comment,
  EVERYTHING,
  filesIn,
  parseSource,
  ROOT,
  readSource,
  readSources,
  type Source,
} from '../support/sources.ts'

const sources = readSources('src')
const all = [...sources, ...readSources('test'), ...readSources('bench'), readSource('vitest.config.ts')]
const atTheTop = readdirSync(ROOT, { withFileTypes: true }).filter(entry => entry.isFile())
const files = [
  ...['src', 'test', 'bench', 'config', 'k8s', '.ci'].flatMap(filesIn),
  ...atTheTop.map(({ name }) => name),
]
/** The folders at the top of the project and of `src/`, by which a comment may begin a path. */
const folders = new Set(files.flatMap(file => /^(?:src\/)?([^/]+)\//.exec(file)?.[1] ?? []))

describe('what a comment names', () => {
  /** Names that stand for no file of the project, and what they are. */
  const ELSEWHERE: ReadonlyMap<string, string> = new Map([
    ['dist/sallyport.js', 'what the build writes'],
    ['dist/index.js', 'what the build writes for applications'],
    ['dist/types/', 'the types that the build writes'],
    ['lib/provider.js', 'a file of oidc-provider'],
    ['lib/_http_server.js', 'a file of Node'],
    ['application/', 'how a media type begins'],
    ['RTSP/', 'how the version of another protocol begins'],
  ])

  const naming = all.flatMap(({ path, comments }) => comments.flatMap(each => named(path, each)))

  test('exists, when it is a file or a folder of the project', () => {
    const missing = naming.filter(({ name }) => !ELSEWHERE.has(name) && !exists(name))
    expect(missing.map(({ path, line, name }) => `${path}:${line} names ${name}, which does not exist`)).toEqual([])
  })

  test('is named, when it is said to be elsewhere', () => {
    const names = new Set(naming.map(({ name }) => name))
    expect([...ELSEWHERE.keys()].filter(name => !names.has(name) || exists(name))).toEqual([])
  })

  interface Naming {
    readonly path: string
    readonly line: number
    readonly name: string
  }

  function named(path: string, { text, line }: Comment): readonly Naming[] {
    return text
      .split('\n')
      .flatMap((content, index) => namesIn(content).map(name => ({ path, line: line + index, name })))
  }

  /** @returns files by their ending, and paths that begin with a folder of the project or end with a slash */
  function namesIn(content: string): readonly string[] {
    const words = content.matchAll(/(?<![\w./@{}*:-])\w[\w.-]*(?:\/[\w.-]+)*\/?(?![\w/@{}*-])/g).map(([word]) => word)
    return [...words].map(word => word.replace(/\.+$/, '')).filter(word => isFile(word) || isFolder(word, content))
  }

  function isFile(word: string): boolean {
    return /\w\.(?:ts|m?js|json|ya?ml|md|lua|sh)$/.test(word)
  }

  function isFolder(word: string, content: string): boolean {
    const [first = '', ...others] = word.split('/')
    return (others.length > 0 && folders.has(first)) || (word.endsWith('/') && content.includes(`\`${word}\``))
  }

  function exists(name: string): boolean {
    const path = `/${name.replace(/\/$/, '')}`
    return files.some(file => `/${file}`.endsWith(path) || `/${file}`.includes(`${path}/`))
  }
})

test('a patch of what we stand on says which test breaks first, and when it can go', () => {
  const marks = /^ \* Breaks first: `test\/[\w/.-]+\.test\.ts`.*\n(?: \* .*\n)*? \* Remove when: \S/m
  const patches = sources.filter(({ path }) => path.startsWith('src/node/') || path === 'src/build/leaner.ts')
  expect(patches.filter(({ lines }) => !marks.test(lines.join('\n'))).map(({ path }) => path)).toEqual([])
})

describe('a line of a comment', () => {
  const WIDEST_COLUMNS = 120

  const wide = all.flatMap(wideLines)

  test('is no wider than one of the code', () => {
    expect(wide).toEqual([])
  })

  function wideLines({ path, lines, comments }: Source): readonly string[] {
    const numbers = comments.flatMap(({ text, line }) => text.split('\n').map((_content, index) => line + index))
    const columns = (line: number): number => [...(lines[line - 1] ?? '')].length
    return numbers
      .filter(line => columns(line) > WIDEST_COLUMNS)
      .map(line => `${path}:${line} has ${columns(line)} columns`)
  }
})

describe('file headers say the truth', () => {
  /** Each file that sets a timer of its own, and why it does not ask the scheduler it is given. */
  const TIMERS: ReadonlyMap<string, string> = new Map([
    ['src/lib/scheduler.ts', 'it is the scheduler'],
    ['src/forward/request-body.ts', 'its timer starts anew with every part of a body, for which Node has `refresh`'],
    ['src/downstream/unread-body.ts', 'its timers only bound how long a connection lingers that is as good as over'],
    ['src/tools/revocation/admin-call.ts', 'its timeout bounds one call of a command that ends after it'],
    ['src/tools/refusals/admin-listener.ts', 'its timeout bounds one call of a command that ends after it'],
    ['src/cli/tail.ts', 'it waits until it calls again, and ends when it is asked to'],
    ['src/cli/dev-running.ts', 'it looks again whether the gateway is ready, for a second at most'],
    ['src/cli/dev.ts', 'its timeout bounds one call of a command that ends after it'],
    ['src/tools/check/login-results.ts', 'its timeouts bound fetches of a command that ends after them'],
    ['src/tools/check/online.ts', 'its timeout bounds one fetch of a command that ends after it'],
    ['src/run/workers/primary.ts', 'its pause between two starts of a worker ends with a signal'],
  ])
  const TIMER = /^(?:set(?:Timeout|Interval)|AbortSignal\.timeout)$/
  const TIME = /^(?:Date\.now|new Date\(\)|performance\.now|performance\.timeOrigin)$/
  const CLOCKS: ReadonlyMap<string, string> = new Map([['src/lib/clock.ts', 'it is the clock']])
  const PROCESSES: ReadonlyMap<string, string> = new Map([
    ['src/main.ts', 'it is the edge of the process'],
    ['src/library/index.ts', 'it is the edge of the package, and reads what main.ts reads for the program'],
    ['src/build/build.ts', 'it is a program of its own'],
    ['src/build/pack.ts', 'it is a program of its own'],
    ['src/build/compile-cache.ts', 'it is a program of its own'],
    ['src/build/declarations.ts', 'it is a program of its own'],
    ['src/run/unix-socket.ts', 'the mode of a socket comes from the umask of the process'],
    ['src/lib/trusted-file.ts', 'whom a file must belong to depends on who runs the process'],
  ])

  test('about who sets timers', () => expect(untruths(TIMER, TIMERS)).toEqual([]))

  test('about who reads the time', () => {
    expect(untruths(TIME, CLOCKS)).toEqual([])
  })

  test('about who touches the process', () => expect(untruths(/^process$/, PROCESSES)).toEqual([]))

  test('and nobody imports the process or timers under another name', () => {
    expect(sources.filter(isRenaming).map(({ path }) => path)).toEqual([])
  })

  /** Timers that are imported by their names are found like those that are not imported. */
  function isRenaming({ imports }: Source): boolean {
    return imports.some(
      ({ target, names }) =>
        /^node:(?:process|timers)$/.test(target) || (target === 'node:timers/promises' && names.includes(EVERYTHING)),
    )
  }

  test.each([
    ["import * as t from 'node:timers/promises'", 'another name'],
    ["import { setTimeout as later } from 'node:timers/promises'", 'a timer'],
    ['const signal = AbortSignal.timeout(1)', 'a timer'],
    ['globalThis.setTimeout(() => {}, 1)', 'a timer'],
    ['const { now } = Date', 'the time'],
    ['const { performance: { now } } = globalThis, { timeOrigin } = globalThis.performance', 'the time'],
    ['globalThis.performance.now()', 'the time'],
    ['const { process: here } = globalThis', 'the process'],
  ])('and the rules see through `%s`', (text, expected) => {
    const source = parseSource('src/lib/made-up.ts', text)
    const has = (name: RegExp): boolean => source.globals.some(each => name.test(each.name))
    const seen = [
      ...(isRenaming(source) ? ['another name'] : []),
      ...(has(TIMER) ? ['a timer'] : []),
      ...(has(TIME) ? ['the time'] : []),
      ...(has(/^process$/) ? ['the process'] : []),
    ]
    expect(seen).toEqual([expected])
  })

  /** @returns uses outside of the table, and files of the table without a use */
  function untruths(name: RegExp, table: ReadonlyMap<string, string>): readonly string[] {
    const found = sources.flatMap(({ path, globals }) =>
      globals.filter(each => name.test(each.name)).map(each => ({ path, ...each })),
    )
    const strangers = found.filter(({ path }) => !table.has(path))
    const idle = [...table.keys()].filter(path => found.every(each => each.path !== path))
    return [
      ...strangers.map(each => `${each.path}:${each.line} uses ${each.name}, which the table does not say`),
      ...idle.map(path => `${path} has no such use, though the table says so`),
    ]
  }
})
