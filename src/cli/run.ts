/** `sallyport run`: the gateway on one configuration file, until the process is asked to end. */
import { systemClock } from '../lib/clock.ts'
import { type RunningGateway, start } from '../start.ts'
import { createLog, logDestination } from '../telemetry/log.ts'
import { parsedArguments } from './arguments.ts'
import type { Command, CommandIo } from './command.ts'
import { configFile } from './config-file.ts'

export const runCommand: Command = {
  help: `Usage: sallyport run [-c FILE]

Runs the gateway until SIGTERM or SIGINT.

  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml

Example:
  sallyport run -c /etc/sallyport/sallyport.yaml
`,
  async run(args, io) {
    const { values } = parsedArguments('run', args, { options: { config: { type: 'string', short: 'c' } } })
    const running = await startGateway(configFile(values.config, io.env), io.env, io)
    await io.stopped
    await running.close()
    return 0
  },
}

/** The gateway as every command runs it: on the system's clock, logging to standard output. */
export function startGateway(
  file: string,
  env: CommandIo['env'],
  { version, nodeVersion, atExit }: CommandIo,
): Promise<RunningGateway> {
  const destination = logDestination()
  // Lines are written in the background; the last ones must not be lost.
  atExit(() => destination.flushSync())
  return start({ file, env, clock: systemClock, log: level => createLog(level, destination), version, nodeVersion })
}
