/** Which configuration a command works on, the same for every command. */
import type { CommandIo } from './command.ts'

/** @param named what the command line names, if anything */
export function configFile(named: string | undefined, env: CommandIo['env']): string {
  return named ?? env.SALLYPORT_CONFIG ?? 'sallyport.yaml'
}
