/** `sallyport run`: the gateway on one configuration file, until the process is asked to end. */
import { systemClock } from '../lib/clock.ts'
import { type RunningGateway, start } from '../start.ts'
import { createLog, logDestination } from '../telemetry/log.ts'
import { parsedArguments } from './arguments.ts'
import type { Command, CommandIo } from './command.ts'
import { configFile } from './config-file.ts'

export const runCommand: Command = {
  help: `Usage: sallyport run [-c FILE] [--report-only]

Runs the gateway until SIGTERM or SIGINT. Requests under way are finished first, for as long as drain.timeout allows; a
second signal ends them. A changed file is put in force at once, and SIGHUP loads it again.

  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --report-only       decide, log and count, but let every request of a route pass, as \`mode: report\` does for one route.
                      NOTHING IS PROTECTED: for trying a policy on real traffic in front of what is protected otherwise

Examples:
  sallyport run -c /etc/sallyport/sallyport.yaml
  sallyport run --report-only
`,
  async run(args, io) {
    const { values } = parsedArguments('run', args, {
      options: { config: { type: 'string', short: 'c' }, 'report-only': { type: 'boolean' } },
    })
    const mode = values['report-only'] === true ? 'report' : undefined
    if (mode === 'report') io.stderr('report only: every request that has a route passes; nothing is protected\n')
    let running: RunningGateway | undefined
    // From the first moment: without it a hang-up ends the process.
    io.onHangup(() => running?.reload())
    running = await startGateway(configFile(values.config, io.env), io.env, io, mode)
    await io.stopped
    await running.drain()
    await running.close()
    return 0
  },
}

/** The gateway as every command runs it: on the system's clock, logging to standard output. */
export function startGateway(
  file: string,
  env: CommandIo['env'],
  { version, nodeVersion, atExit }: CommandIo,
  mode?: 'report',
): Promise<RunningGateway> {
  const destination = logDestination()
  // Lines are written many at a time; the last ones must not be lost.
  atExit(() => destination.flushSync())
  return start({
    file,
    env,
    clock: systemClock,
    log: level => createLog(level, destination),
    version,
    nodeVersion,
    mode,
  })
}
