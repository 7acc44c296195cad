/** Finds the configuration file that a command works on, in the same way for every command. */
import type { CommandIo } from './command.ts'

/** Returns the path of the file. @param named what the command line names, if anything */
export function configFile(named: string | undefined, env: CommandIo['env']): string {
  return named ?? env.SALLYPORT_CONFIG ?? 'sallyport.yaml'
}
