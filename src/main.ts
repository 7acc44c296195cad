#!/usr/bin/env node
/**
 * This is the edge of the process: it reads arguments, listens to signals, calls the command and sets the exit code.
 *
 * No other file of the program touches `process` or the terminal. The exit code is 0 when all is fine, 1 when something
 * failed at run time, and 2 when the configuration or the usage is bad.
 */
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'
import { callersFolder } from './cli/callers-folder.ts'
import { type CommandIo, type ExitCode, UsageError } from './cli/command.ts'
import { type CommandLoaders, dispatched } from './cli/dispatch.ts'
import { terminalKeys } from './cli/terminal-keys.ts'
import { ConfigError } from './errors.ts'
import { WORKER_VARIABLE } from './run/workers/messages.ts'

/** A command is loaded when it is called, so that each starts with what it needs and no more. */
const LOADERS: CommandLoaders = {
  run: async () => (await import('./cli/run.ts')).runCommand,
  dev: async () => (await import('./cli/dev.ts')).devCommand,
  check: async () => (await import('./cli/check.ts')).checkCommand,
  doctor: async () => (await import('./cli/doctor.ts')).doctorCommand,
  bundle: async () => (await import('./cli/bundle.ts')).bundleCommand,
  inject: async () => (await import('./cli/inject.ts')).injectCommand,
  k8s: async () => (await import('./cli/k8s.ts')).k8sCommand,
  snippet: async () => (await import('./cli/snippet.ts')).snippetCommand,
  explain: async () => (await import('./cli/explain.ts')).explainCommand,
  test: async () => (await import('./cli/test.ts')).testCommand,
  diff: async () => (await import('./cli/diff.ts')).diffCommand,
  token: async () => (await import('./cli/token.ts')).tokenCommand,
  keys: async () => (await import('./cli/keys.ts')).keysCommand,
  revoke: async () => (await import('./cli/revoke.ts')).revokeCommand,
  revocations: async () => (await import('./cli/revocations.ts')).revocationsCommand,
  sessions: async () => (await import('./cli/sessions.ts')).sessionsCommand,
  why: async () => (await import('./cli/why.ts')).whyCommand,
  tail: async () => (await import('./cli/tail.ts')).tailCommand,
  import: async () => (await import('./cli/import.ts')).importCommand,
  init: async () => (await import('./cli/init.ts')).initCommand,
  schema: async () => (await import('./cli/schema.ts')).schemaCommand,
  completion: async () => (await import('./cli/completion.ts')).completionCommand,
  complete: async () => (await import('./cli/complete.ts')).completeCommand,
}

const PACKAGE_FILE = fileURLToPath(new URL('../package.json', import.meta.url))

const { version } = JSON.parse(readFileSync(PACKAGE_FILE, 'utf8')) as { version: string }

// A worker has a channel to its primary, too; the variable alone may have been inherited from anything.
const workerOf = process.channel === undefined ? undefined : process.env[WORKER_VARIABLE]

const io: CommandIo = {
  env: process.env,
  version,
  nodeVersion: process.version,
  nodeFlags: [...process.execArgv, process.env.NODE_OPTIONS].join(' '),
  stdout: text => process.stdout.write(text),
  stderr: text => process.stderr.write(text),
  isTerminal: process.stdout.isTTY === true,
  columns: () => process.stdout.columns ?? 80,
  onKey: process.stdout.isTTY === true ? terminalKeys(process.stdin, process) : undefined,
  // Node looks at `NO_COLOR`, `FORCE_COLOR` and whether the stream is a terminal.
  paint: (style, text) => styleText(style, text, { stream: process.stdout }),
  workerOf,
  stopped: workerOf === undefined ? firstSignal() : noSignal(),
  onHangup: task => process.on('SIGHUP', task),
  atExit: task => process.once('exit', task),
}

// It is no failure when nobody reads the output any more (`sallyport schema | head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

process.exitCode = await runMain(process.argv.slice(2))
// A pipe takes 64 KiB at once, and what waits for its reader would be lost.
await Promise.all([process.stdout, process.stderr].map(written))
// The command has ended, so the process ends, too, whatever handles are still open.
process.exit()

/** Resolves when a stream has handed over what was written to it. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise(resolve => stream.write('', () => resolve()))
}

/**
 * Resolves at the first signal that asks the process to end. A second one ends it at once, with the exit code that a
 * shell gives to a process ended by that signal.
 */
function firstSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let isFirst = true
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (!isFirst) process.exit(128 + constants.signals[signal])
      isFirst = false
      resolve()
    })
  }
  return promise
}

/** Ignores signals in a worker: a terminal sends them to the primary, too, which tells its workers what to do. */
function noSignal(): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => {})
  return new Promise(() => {})
}

async function runMain(args: readonly string[]): Promise<ExitCode> {
  try {
    standWhereCalled()
    return await dispatched(args, LOADERS, io)
  } catch (error) {
    const isUsersError = error instanceof UsageError || error instanceof ConfigError
    io.stderr(isUsersError ? `${error.message}\n` : `sallyport: ${describe(error)}\n`)
    return isUsersError ? 2 : 1
  }
}

/** Goes back to the folder that npm has left, so that `npm run sallyport -- check FILE` finds its caller's file. */
function standWhereCalled(): void {
  const folder = callersFolder(process.env, process.cwd(), PACKAGE_FILE)
  if (folder !== undefined) process.chdir(folder)
}

/** Tells a failure of the system in its own words; anything else is a bug and is told with its stack. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? error.message : (error.stack ?? error.message)
}
