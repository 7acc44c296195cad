/** Reads a command line with Node's `parseArgs`, and turns its complaints into wrong usage with the way to the help. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from './command.ts'

/**
 * @param name of the command, for the hint
 * @throws {UsageError}
 */
export function parsedArguments<T extends Omit<ParseArgsConfig, 'args'>>(
  name: string,
  args: readonly string[],
  config: T,
): ReturnType<typeof parseArgs<T & { args: string[] }>> {
  try {
    return parseArgs({ ...config, args: [...args] })
  } catch (error) {
    // Node appends a lecture on positional arguments to its first sentence.
    const [message] = String(error instanceof Error ? error.message : error).split('. To specify')
    throw new UsageError(`${message}\nSee sallyport ${name} --help.`)
  }
}
