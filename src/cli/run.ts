/** `sallyport run`: the gateway on one configuration file, until the process is asked to end. */
import { parseArgs } from 'node:util'
import type { RunningGateway } from '../start.ts'
import { type Command, UsageError } from './command.ts'

export interface RunDeps {
  startGateway(file: string, env: NodeJS.ProcessEnv): Promise<RunningGateway>
}

export function runCommand({ startGateway }: RunDeps): Command {
  return {
    summary: 'run the gateway',
    help: `Usage: sallyport run [-c FILE]

Runs the gateway until SIGTERM or SIGINT.

  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml

Example:
  sallyport run -c /etc/sallyport/sallyport.yaml
`,
    async run(args, io) {
      const running = await startGateway(configFile(args, io.env), io.env)
      await io.stopped
      await running.close()
      return 0
    },
  }
}

/** @throws {UsageError} */
export function configFile(args: readonly string[], env: NodeJS.ProcessEnv): string {
  try {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string', short: 'c' } } })
    return values.config ?? env.SALLYPORT_CONFIG ?? 'sallyport.yaml'
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
