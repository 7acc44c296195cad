/** The command `sallyport bundle` writes what a support ticket needs to know into one file, and no secret. */
import { rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { systemClock } from '../lib/clock.ts'
import { codeOf, fileFailureText } from '../lib/failure-text.ts'
import { bundle } from '../tools/bundle/bundle.ts'
import { doctor } from '../tools/doctor/doctor.ts'
import { closeToolServices, toolServices } from '../tools/engine/tool-policy.ts'
import { adminOption } from './admin-option.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, RuntimeError, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { thisMachine } from './this-machine.ts'

const STEP_MS = 5_000

export const bundleCommand: Command = {
  help: `Usage: sallyport bundle -o FILE.tgz [-c FILE] [--online] [--admin URL] [--force]

Writes what a support ticket needs to know into one archive: versions, the configuration as it is written, the files
that it names without their content, what sallyport doctor finds, and of a gateway that runs its status, its metrics and
the last refusals, with subjects hashed. Only what is known to be no secret is in it, and what looks like one is taken
out all the same. manifest.json lists what is in it, and why something is missing. Look through it before you send it.

  -o, --output FILE    archive to write; it is not replaced without --force
  -c, --config FILE    configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --online             let doctor go the way to providers, upstreams, the store and the collector of traces
  --admin URL          admin listener of the gateway that runs: http://host:port or unix:/path; else admin.listen
  --force              replace the file

Exit codes: 0 written; 1 it could not be written; 2 wrong usage.

Examples:
  sallyport bundle -o ticket.tgz
  sallyport bundle -o ticket.tgz -c /etc/sallyport/sallyport.yaml --online
`,
  async run(args, io) {
    const { values } = parsedArguments('bundle', args, {
      options: {
        output: { type: 'string', short: 'o' },
        config: { type: 'string', short: 'c' },
        online: { type: 'boolean' },
        admin: { type: 'string' },
        force: { type: 'boolean' },
      },
    })
    const { output } = values
    if (output === undefined || output === '') throw new UsageError('name the archive to write: bundle -o FILE.tgz')
    const admin = adminOption(values.admin)
    const file = configFile(values.config, io.env)
    const services = toolServices({ ...io, clock: systemClock })
    const made = await bundle({
      ...{ file, env: io.env, admin, version: io.version, nodeVersion: io.nodeVersion },
      nowMs: systemClock.nowMs(),
      stepMs: STEP_MS,
      doctor: () =>
        doctor(
          {
            ...{ file, env: io.env, admin, machine: thisMachine(), clock: systemClock, stepMs: STEP_MS },
            network: values.online === true ? 'online' : 'offline',
            through: undefined,
            serviceListen: undefined,
          },
          services,
        ),
    })
    await closeToolServices(services)
    write(output, made.archive, values.force === true ? 'replace' : 'new')
    const missing = made.missing.map(({ name, reason }) => `  without ${name}: ${reason}\n`)
    io.stdout(
      `wrote ${resolve(output)}\nwith ${made.names.join(', ')}\n${missing.join('')}look through it before you send it\n`,
    )
    return 0
  },
}

/** @throws {UsageError} the file is there @throws {RuntimeError} it cannot be written */
function write(file: string, content: Buffer, how: 'new' | 'replace'): void {
  try {
    // A file that is there keeps its mode when it is written to, so it is removed first.
    if (how === 'replace') rmSync(file, { force: true })
    writeFileSync(file, content, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new UsageError(`${file} is there already; name another one, or add --force`)
    throw new RuntimeError(`${file} cannot be written: ${fileFailureText(error)}`)
  }
}
