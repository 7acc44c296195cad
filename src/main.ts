#!/usr/bin/env node
/**
 * The edge of the process: arguments, signals, exit codes. The only file that touches `process` and the terminal.
 *
 * Exit codes: 0 fine, 1 failed at run time, 2 bad configuration or usage.
 */
import { readFileSync } from 'node:fs'
import { type Command, type ExitCode, UsageError } from './cli/command.ts'
import { DevError, dev } from './cli/dev.ts'
import { runCommand } from './cli/run.ts'
import { schemaCommand } from './cli/schema.ts'
import { ConfigError } from './errors.ts'
import { systemClock } from './lib/clock.ts'
import { start } from './start.ts'
import { createLog, type Log } from './telemetry/log.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

/** The log of the gateway, once there is one. */
let log: Log | undefined

const startGateway = (file: string, env: NodeJS.ProcessEnv) =>
  start({
    file,
    env,
    clock: systemClock,
    log: level => (log = createLog(level)),
    version,
    nodeVersion: process.version,
  })

const devCommand: Command = {
  summary: 'try it: an issuer, a service and the gateway, with curl lines',
  help: '',
  async run(args, io) {
    const running = await dev(args, { write: io.stdout, env: io.env }, { startGateway })
    await io.stopped
    await running.close()
    return 0
  },
}

const COMMANDS: Readonly<Record<string, Command>> = {
  run: runCommand({ startGateway }),
  dev: devCommand,
  schema: schemaCommand,
}

const stopped = new Promise<void>(resolve => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
})

process.exitCode = await runMain(process.argv.slice(2))
log?.flush()
// Whatever still holds a handle is over: the command has ended.
process.exit()

async function runMain([name, ...args]: readonly string[]): Promise<ExitCode> {
  try {
    return await dispatch(name, args)
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`)
    else if (error instanceof UsageError || (error instanceof DevError && error.kind === 'usage'))
      process.stderr.write(`${error.message}\nsallyport --help shows the commands.\n`)
    else {
      process.stderr.write(`sallyport: ${describe(error)}\n`)
      return 1
    }
    return 2
  }
}

async function dispatch(name: string | undefined, args: readonly string[]): Promise<ExitCode> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage())
    return name === undefined ? 2 : 0
  }
  if (name === '--version') {
    process.stdout.write(`${version}\n`)
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) throw new UsageError(`there is no command "${name}"`)
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(command.help)
    return 0
  }
  return command.run(args, {
    env: process.env,
    stdout: text => process.stdout.write(text),
    stderr: text => process.stderr.write(text),
    stopped,
  })
}

function usage(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`)
  return `Sallyport ${version}: an authenticating reverse proxy.\n\nUsage: sallyport COMMAND [OPTIONS]\n\n${lines.join('\n')}\n\nsallyport COMMAND --help shows its options.\n`
}

/** A failure of the system is told in its own words; anything else is a bug and keeps its stack. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error || error instanceof DevError ? error.message : (error.stack ?? error.message)
}
