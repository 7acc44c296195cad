/**
 * Finds the command that a command line calls, or the help that it asks for, and says what was probably meant where
 * there is no such command.
 *
 * `--help` is an option of every command, wherever it stands: but not as the value of another option, and not after
 * `--`, where every word is an argument.
 */
import { didYouMean } from '../config/schema/suggest.ts'
import { looksLikeFile, unknownAction } from './arguments.ts'
import type { Command, CommandIo, ExitCode } from './command.ts'
import { UsageError } from './command.ts'
import { actionsOf, COMMANDS, type CommandName, GROUPS, isCommand, optionsOf, SHOWN_COMMANDS } from './command-list.ts'

/** Loads each command when it is called, so that each starts with what it needs and no more. */
export type CommandLoaders = Readonly<Record<CommandName, () => Promise<Command>>>

/** @throws {UsageError} there is no such command */
export async function dispatched(
  [name, ...args]: readonly string[],
  loaders: CommandLoaders,
  io: CommandIo,
): Promise<ExitCode> {
  if (name === undefined) {
    io.stdout(overview(io.version))
    return 2
  }
  if (isVersion(name)) {
    io.stdout(`${io.version}\n`)
    return 0
  }
  if (isHelp(name)) return helped(args, loaders, io)
  if (!isCommand(name)) throw unknownCommand(name, args)
  if (asksForHelp(name, args)) return helped([name], loaders, io)
  return (await loaders[name]()).run(args, io)
}

/** Prints the help of a command, or the overview. The help of `token` has that of `token verify` in it. */
async function helped(words: readonly string[], loaders: CommandLoaders, io: CommandIo): Promise<ExitCode> {
  const [name, action] = words.filter(word => !word.startsWith('-'))
  if (name === undefined || isHelp(name)) {
    io.stdout(overview(io.version))
    return 0
  }
  if (!isCommand(name)) throw unknownCommand(name, [])
  const actions = actionsOf(name)
  if (action !== undefined && actions.length > 0 && !actions.includes(action)) throw unknownAction(name, action)
  io.stdout((await loaders[name]()).help)
  return 0
}

function isHelp(word: string): boolean {
  return ['help', '--help', '-h', '-help', '-?'].includes(word)
}

function isVersion(word: string): boolean {
  return ['version', '--version', '-V', '-v', '-version'].includes(word)
}

function asksForHelp(command: CommandName, args: readonly string[]): boolean {
  const withValue = optionsOf(command).filter(({ takesValue }) => takesValue)
  const isValueAt = (at: number) =>
    withValue.some(({ name, short }) => args[at - 1] === name || (at > 0 && args[at - 1] === short))
  const end = args.indexOf('--')
  const words = end === -1 ? args : args.slice(0, end)
  return words.some((word, at) => (word === '--help' || word === '-h') && !isValueAt(at))
}

function unknownCommand(name: string, args: readonly string[]): UsageError {
  const [next] = args
  const called = args.find(isCommand)
  if (name.startsWith('-'))
    return new UsageError(
      called === undefined
        ? `"${name}" is no command; sallyport --help lists them`
        : `the command comes first: write "sallyport ${called} …", and ${name} behind it`,
    )
  if (name === 'sallyport' && next !== undefined && isCommand(next))
    return new UsageError(`"sallyport" stands there twice; write: sallyport ${next}`)
  if (looksLikeFile(name)) return new UsageError(`"${name}" is no command. Did you mean: sallyport run -c ${name}`)
  const meant = didYouMean(name, [...SHOWN_COMMANDS, 'help', 'version']) || ownerOfAction(name)
  return new UsageError(`there is no command "${name}"${meant === '' ? ';' : `.${meant}`} sallyport --help lists them`)
}

/** Knows `sallyport verify` for `sallyport token verify`. */
function ownerOfAction(word: string): string {
  const owner = SHOWN_COMMANDS.find(command => actionsOf(command).includes(word))
  return owner === undefined ? '' : ` Did you mean "${owner} ${word}"?`
}

function overview(version: string): string {
  const groups = GROUPS.map(group => {
    const rows = SHOWN_COMMANDS.filter(name => COMMANDS[name].group === group)
    return rows.length === 0
      ? ''
      : `\n${group}\n${rows.map(name => `  ${name.padEnd(11)} ${COMMANDS[name].summary}\n`).join('')}`
  })
  return `Sallyport ${version}: an authenticating reverse proxy.

Usage: sallyport COMMAND [OPTIONS]
${groups.join('')}
sallyport COMMAND --help shows the options of one.
`
}
