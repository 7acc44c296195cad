/** Finds the configuration file that a command works on, in the same way for every command. */
import { type CommandIo, UsageError } from './command.ts'

/** @param named what the command line names, if anything @returns the path of the file @throws {UsageError} a URL */
export function configFile(named: string | undefined, env: CommandIo['env']): string {
  const file = named ?? env.SALLYPORT_CONFIG ?? 'sallyport.yaml'
  if (/^https?:\/\//i.test(file)) throw new UsageError(`${file} is a URL; the configuration is a file: fetch it first`)
  return file
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
