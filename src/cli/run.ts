/** The command `sallyport run` runs the gateway on one configuration file until the process is asked to end. */
import type { Config } from '../config/schema/schema.ts'
import { systemClock } from '../lib/clock.ts'
import { systemScheduler } from '../lib/scheduler.ts'
import { load } from '../run/engine.ts'
import { setMemory } from '../run/memory-settings.ts'
import { type RunningGateway, type StartOptions, start } from '../run/start.ts'
import type { WorkerPart } from '../run/workers/messages.ts'
import { createLog, logDestination, sharedLogDestination } from '../telemetry/log.ts'
import { formattedLines } from '../telemetry/log-format.ts'
import { routeTable } from '../tools/dev/route-table.ts'
import { parsedArguments } from './arguments.ts'
import type { Command, CommandIo } from './command.ts'
import { configFile, namedFile } from './config-file.ts'

export const runCommand: Command = {
  help: `Usage: sallyport run [FILE] [--report-only]

Runs the gateway until SIGTERM or SIGINT. Requests under way are finished first, for as long as drain.timeout allows; a
second signal ends them. A changed file is put in force at once, and SIGHUP loads it again.

  FILE                configuration file, also as -c, --config FILE; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --report-only       decide, log and count, but let every request of a route pass, as \`mode: report\` does for one route.
                      NOTHING IS PROTECTED: for trying a policy on real traffic in front of what is protected otherwise

Examples:
  sallyport run -c /etc/sallyport/sallyport.yaml
  sallyport run --report-only
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('run', args, {
      allowPositionals: true,
      options: { config: { type: 'string', short: 'c' }, 'report-only': { type: 'boolean' } },
    })
    const mode = values['report-only'] === true ? 'report' : undefined
    const file = configFile(namedFile('run', positionals, values), io.env)
    // Before anything large is loaded.
    setMemory(io)
    if (io.workerOf !== undefined) return runAsWorker(file, io.workerOf, io, mode)
    if (mode === 'report') io.stderr('report only: every request that has a route passes; nothing is protected\n')
    let running: { reload(): unknown } | undefined
    // The task is there before anything is loaded, since a hang-up without a task ends the process.
    io.onHangup(() => running?.reload())
    const loaded = load(file, io.env)
    if (loaded.config.workers > 1) {
      const leading = await leader(file, loaded.config, io)
      running = leading
      await leading.start()
      await io.stopped
      await leading.stop()
      return 0
    }
    const gateway = await start({ ...startOptions(file, io.env, io, mode), loaded })
    running = gateway
    if (io.isTerminal && loaded.config.log.format !== 'json') io.stdout(runScreen(gateway, io.columns()))
    await io.stopped
    await gateway.drain()
    await gateway.close()
    return 0
  },
}

/** What people read at a terminal: what is served, and where to look at it. */
function runScreen({ url, adminUrl, config }: RunningGateway, columns: number): string {
  const admin = adminUrl === undefined ? '' : `  admin    ${adminUrl}\n`
  const console = config.admin?.console === undefined ? '' : `  console  ${adminUrl}/-/\n`
  return `\n  gateway  ${url}\n${admin}${console}\n${routeTable(config.routes, columns).join('\n')}\n\n`
}

/** Starts the gateway on the system's clock and with its log on standard output. */
export function startGateway(
  file: string,
  env: CommandIo['env'],
  io: CommandIo,
  further: Pick<StartOptions, 'use' | 'observer' | 'readFile'> = {},
): Promise<RunningGateway> {
  setMemory(io)
  return start({ ...startOptions(file, env, io), ...further })
}

function startOptions(file: string, env: CommandIo['env'], io: CommandIo, mode?: 'report'): StartOptions {
  const { version, nodeVersion, atExit } = io
  const destination = formattedLines(io.workerOf === undefined ? logDestination() : sharedLogDestination(), io)
  // Lines of the log are written many at a time, and the last ones must not be lost.
  atExit(() => destination.flushSync())
  return {
    file,
    env,
    clock: systemClock,
    log: level => createLog(level, destination),
    setLogFormat: destination.setFormat,
    atExit,
    version,
    nodeVersion,
    mode,
  }
}

/** Makes the process that leads the workers. Its code is loaded here, so that a single process does without it. */
async function leader(file: string, config: Config, io: CommandIo) {
  const { env, version, atExit } = io
  const { primary } = await import('../run/workers/primary.ts')
  const destination = formattedLines(sharedLogDestination(), io)
  destination.setFormat(config.log.format)
  const log = createLog(config.log.level, destination)
  const leading = primary({ file, config, env, clock: systemClock, scheduler: systemScheduler, log, version })
  atExit(() => {
    leading.kill()
    destination.flushSync()
  })
  return leading
}

async function runAsWorker(file: string, workerOf: string, io: CommandIo, mode: 'report' | undefined) {
  io.onHangup(() => {})
  const { runWorker } = await import('../run/workers/worker.ts')
  const { settings, besidePort } = JSON.parse(workerOf) as WorkerPart
  await runWorker({ ...startOptions(file, io.env, io, mode), workerOf: settings, besidePort })
  return 0 as const
}
