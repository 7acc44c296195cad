#!/usr/bin/env node
/**
 * This is the edge of the process: it reads arguments, listens to signals, calls the command and sets the exit code.
 *
 * No other file of the program touches `process` or the terminal. The exit code is 0 when all is fine, 1 when something
 * failed at run time, and 2 when the configuration or the usage is bad. A command is loaded when it is called, so that
 * each starts with what it needs and no more.
 */
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { styleText } from 'node:util'
import { type Command, type CommandIo, type ExitCode, UsageError } from './cli/command.ts'
import { terminalKeys } from './cli/terminal-keys.ts'
import { ConfigError } from './errors.ts'
import { WORKER_VARIABLE } from './run/workers/messages.ts'

interface ListedCommand {
  readonly summary: string
  load(): Promise<Command>
}

const COMMANDS: Readonly<Record<string, ListedCommand>> = {
  run: { summary: 'run the gateway', load: async () => (await import('./cli/run.ts')).runCommand },
  dev: {
    summary: 'try it on this machine, in front of a demo or of your own service',
    load: async () => (await import('./cli/dev.ts')).devCommand,
  },
  check: {
    summary: 'check a configuration without starting',
    load: async () => (await import('./cli/check.ts')).checkCommand,
  },
  doctor: {
    summary: 'find out why it does not work here, step by step',
    load: async () => (await import('./cli/doctor.ts')).doctorCommand,
  },
  bundle: {
    summary: 'write what a support ticket needs into one file, without secrets',
    load: async () => (await import('./cli/bundle.ts')).bundleCommand,
  },
  k8s: {
    summary: 'find the mistakes in Kubernetes manifests with the gateway',
    load: async () => (await import('./cli/k8s.ts')).k8sCommand,
  },
  explain: {
    summary: 'show how a request is decided, and why',
    load: async () => (await import('./cli/explain.ts')).explainCommand,
  },
  test: {
    summary: 'put test cases to a policy',
    load: async () => (await import('./cli/test.ts')).testCommand,
  },
  diff: {
    summary: 'show which requests a change of configuration treats otherwise',
    load: async () => (await import('./cli/diff.ts')).diffCommand,
  },
  token: {
    summary: 'decode, verify or mint a token',
    load: async () => (await import('./cli/token.ts')).tokenCommand,
  },
  keys: {
    summary: 'print the public keys that issuers encrypt tokens for',
    load: async () => (await import('./cli/keys.ts')).keysCommand,
  },
  revoke: {
    summary: 'take tokens back before they expire',
    load: async () => (await import('./cli/revoke.ts')).revokeCommand,
  },
  revocations: {
    summary: 'list what is revoked, or say what revokes a token',
    load: async () => (await import('./cli/revocations.ts')).revocationsCommand,
  },
  sessions: {
    summary: 'list who is logged in, or end sessions of browsers',
    load: async () => (await import('./cli/sessions.ts')).sessionsCommand,
  },
  why: {
    summary: 'tell why a running gateway refused a request',
    load: async () => (await import('./cli/why.ts')).whyCommand,
  },
  tail: {
    summary: 'show what a running gateway refuses, as it happens',
    load: async () => (await import('./cli/tail.ts')).tailCommand,
  },
  import: {
    summary: 'make a configuration from an OpenAPI document',
    load: async () => (await import('./cli/import.ts')).importCommand,
  },
  init: {
    summary: 'write a configuration to begin with',
    load: async () => (await import('./cli/init.ts')).initCommand,
  },
  inject: {
    summary: 'put the gateway into Kubernetes manifests',
    load: async () => (await import('./cli/inject.ts')).injectCommand,
  },
  schema: {
    summary: 'print the JSON Schema of the configuration file, for editors',
    load: async () => (await import('./cli/schema.ts')).schemaCommand,
  },
  completion: {
    summary: 'print the completion script of a shell',
    load: async () => (await import('./cli/completion.ts')).completionCommand,
  },
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

// A worker has a channel to its primary, too; the variable alone may have been inherited from anything.
const workerOf = process.channel === undefined ? undefined : process.env[WORKER_VARIABLE]

const io: CommandIo = {
  env: process.env,
  version,
  nodeVersion: process.version,
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
// A pipe takes 64 KiB at a time, and what its reader has not taken yet would be lost.
if (process.stdout.writableLength > 0) await new Promise(resolve => process.stdout.write('', resolve))
// The command has ended, so the process ends, too, whatever handles are still open.
process.exit()

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

async function runMain([name, ...args]: readonly string[]): Promise<ExitCode> {
  try {
    return await dispatch(name, args)
  } catch (error) {
    const isUsersError = error instanceof UsageError || error instanceof ConfigError
    io.stderr(isUsersError ? `${error.message}\n` : `sallyport: ${describe(error)}\n`)
    return isUsersError ? 2 : 1
  }
}

async function dispatch(name: string | undefined, args: readonly string[]): Promise<ExitCode> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.stdout(usage())
    return name === undefined ? 2 : 0
  }
  if (name === '--version') {
    io.stdout(`${version}\n`)
    return 0
  }
  const listed = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (listed === undefined) throw new UsageError(`there is no command "${name}"; sallyport --help lists them`)
  const command = await listed.load()
  if (args.includes('--help') || args.includes('-h')) {
    io.stdout(command.help)
    return 0
  }
  return command.run(args, io)
}

function usage(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(11)} ${summary}`)
  return `Sallyport ${version}: an authenticating reverse proxy.

Usage: sallyport COMMAND [OPTIONS]

${lines.join('\n')}

sallyport COMMAND --help shows the options of one.
`
}

/** Tells a failure of the system in its own words; anything else is a bug and is told with its stack. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? error.message : (error.stack ?? error.message)
}
