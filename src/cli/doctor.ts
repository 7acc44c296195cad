/** The command `sallyport doctor` looks at a configuration where it runs, and says what is wrong and what to do. */
import { systemClock } from '../lib/clock.ts'
import { doctor } from '../tools/doctor/doctor.ts'
import { doctorJson, doctorText } from '../tools/doctor/doctor-report.ts'
import { CHECK_NAMES } from '../tools/doctor/finding.ts'
import { closeToolServices, toolServices } from '../tools/engine/tool-policy.ts'
import type { HostPort } from '../tools/snippet/site.ts'
import { adminOption } from './admin-option.ts'
import { oneOf, parsedArguments } from './arguments.ts'
import { type Command, UsageError } from './command.ts'
import { configFile, namedFile } from './config-file.ts'
import { listenOption } from './listen-option.ts'
import { thisMachine } from './this-machine.ts'

export const doctorCommand: Command = {
  help: `Usage: sallyport doctor [FILE] [--online] [--through URL] [--service-listen HOST:PORT] [--admin URL]
                        [--timeout SECONDS] [--ignore CHECK]... [--json]

Looks at a configuration where it runs, or would run: in the container of the gateway, as its user. Each check says ok,
warn, fail, or skipped, what it has seen, and what to do. Nothing is changed, and no secret is shown.

  FILE                 configuration file, also as -c, --config FILE; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --online             also go the way to each provider, upstream, the store and the collector of traces, step by step
  --through URL        also send requests without a token through the gateway that runs there; a path in the URL is used
  --service-listen HOST:PORT
                       the URL is that of a proxy that asks the gateway (decide): listen there in place of its service,
                       and say what of forged headers and odd paths arrives
  --admin URL          admin listener of the gateway that runs: http://host:port or unix:/path; else admin.listen
  --timeout SECONDS    longest time for one step over the network; default 5
  --ignore CHECK       leave out what a check finds; may be repeated. Checks:
                       ${CHECK_NAMES.slice(0, 13).join(', ')},
                       ${CHECK_NAMES.slice(13).join(', ')}
  --json               findings as JSON

Exit codes: 0 no check failed; 1 a check failed; 2 wrong usage.

Examples:
  sallyport doctor
  sallyport doctor /etc/sallyport/sallyport.yaml --online --through http://127.0.0.1:8080
  sallyport doctor --through http://127.0.0.1:8000 --service-listen 127.0.0.1:3000
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('doctor', args, {
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        online: { type: 'boolean' },
        through: { type: 'string' },
        'service-listen': { type: 'string' },
        admin: { type: 'string' },
        timeout: { type: 'string', default: '5' },
        ignore: { type: 'string', multiple: true },
        json: { type: 'boolean' },
      },
    })
    const file = namedFile('doctor', positionals, values)
    const ignored = new Set((values.ignore ?? []).map(text => oneOf(text, CHECK_NAMES, 'check')))
    const services = toolServices({ ...io, clock: systemClock })
    const all = await doctor(
      {
        file: configFile(file, io.env),
        env: io.env,
        network: values.online === true ? 'online' : 'offline',
        machine: thisMachine(),
        clock: systemClock,
        stepMs: milliseconds(values.timeout),
        admin: adminOption(values.admin),
        through: throughUrl(values.through),
        serviceListen: serviceListenOption(values['service-listen'], values.through),
      },
      services,
    )
    await closeToolServices(services)
    const findings = all.filter(({ check }) => !ignored.has(check))
    io.stdout(values.json === true ? doctorJson(findings) : doctorText(findings, io.paint))
    return findings.some(({ outcome }) => outcome === 'fail') ? 1 : 0
  },
}

function milliseconds(seconds: string): number {
  const number = Number(seconds)
  if (!/^\d{1,3}(?:\.\d{1,3})?$/.test(seconds) || number === 0 || number > 60)
    throw new UsageError('--timeout takes seconds, more than 0 and at most 60')
  return number * 1000
}

function serviceListenOption(text: string | undefined, through: string | undefined): HostPort | undefined {
  if (text === undefined) return undefined
  if (through === undefined) throw new UsageError('--service-listen belongs to --through, the URL of the proxy')
  return listenOption('--service-listen', text)
}

function throughUrl(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new UsageError('--through takes a URL without credentials, such as http://127.0.0.1:8080')
  return url
}
