/** Finds the configuration file that a command works on, in the same way for every command. */
import { type CommandIo, UsageError } from './command.ts'

/** Returns the path of the file. @param named what the command line names, if anything */
export function configFile(named: string | undefined, env: CommandIo['env']): string {
  return named ?? env.SALLYPORT_CONFIG ?? 'sallyport.yaml'
}

/**
 * Returns the one file that the command line of `run`, `check` or `doctor` names, with `-c` or without: nothing else of
 * theirs could be meant by an argument.
 *
 * @throws {UsageError} there are several
 */
export function namedFile(
  command: string,
  positionals: readonly string[],
  { config }: { readonly config?: string | undefined },
): string | undefined {
  const [file, ...others] = [...positionals, ...(config === undefined ? [] : [config])]
  if (others.length === 0) return file
  throw new UsageError(
    `${command} takes one file, and there are ${others.length + 1}: ${[file, ...others].join(', ')}\nSee sallyport ${command} --help.`,
  )
}
