/** Reads a command line with Node's `parseArgs`, and turns its complaints into wrong usage with the way to the help. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from './command.ts'

/**
 * Reads the arguments of one command.
 *
 * @param name of the command, for the hint
 * @throws {UsageError} an option is unknown, or lacks its value, or an argument is not expected
 */
export function parsedArguments<T extends Omit<ParseArgsConfig, 'args'>>(
  name: string,
  args: readonly string[],
  config: T,
): ReturnType<typeof parseArgs<T & { args: string[] }>> {
  try {
    return parseArgs({ ...config, args: [...args] })
  } catch (error) {
    // Node goes on to explain how to write positional arguments that begin with a dash; its first sentence is enough.
    const [message] = String(error instanceof Error ? error.message : error).split('. To specify')
    throw new UsageError(`${message}\nSee sallyport ${name} --help.`)
  }
}
