/** The command `sallyport check` finds what starting would find, without starting, and what is legal but doubtful. */
import { systemClock } from '../lib/clock.ts'
import { check } from '../tools/check/check.ts'
import { checkAnnotations, checkJson, checkText } from '../tools/check/check-report.ts'
import { WARNING_CODES } from '../tools/check/warnings.ts'
import { closeToolServices, toolServices } from '../tools/engine/tool-policy.ts'
import { oneOf, parsedArguments } from './arguments.ts'
import { type Command, UsageError } from './command.ts'
import { configFile, namedFile } from './config-file.ts'
import { NO_FILES, namedFiles } from './no-files.ts'

export const checkCommand: Command = {
  help: `Usage: sallyport check [FILE] [--online | --no-files] [--strict] [--ignore CODE]... [--json | --format github]

Does everything that starting would do short of listening, and warns of what is legal but doubtful.
Nothing is fetched unless --online asks for it.

  FILE               configuration file, also as -c, --config FILE; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --online           also fetch the keys of every provider, ask about a token or for a login, and connect to upstreams
                     and the store
  --no-files         do not read the files that the configuration names: secrets, certificates, tokens, key sets
  --strict           warnings fail the check, too
  --ignore CODE      leave out a warning; may be repeated. Codes:
                     ${WARNING_CODES.join(', ')}
  --json             findings as JSON
  --format github    findings as annotations of a GitHub workflow

Exit codes: 0 fine; 1 --online found keys, a server or an upstream out of reach; 2 errors, or warnings with --strict.

Examples:
  sallyport check
  sallyport check deploy/sallyport.yaml --strict --ignore public-below-protected
  sallyport check --online --json
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('check', args, {
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        online: { type: 'boolean' },
        strict: { type: 'boolean' },
        ignore: { type: 'string', multiple: true },
        json: { type: 'boolean' },
        format: { type: 'string' },
        ...NO_FILES,
      },
    })
    const file = namedFile('check', positionals, values)
    if (values.format !== undefined && values.format !== 'github')
      throw new UsageError('--format knows `github` only; leave it out for text, or use --json.')
    if (values.online === true && values['no-files'] === true)
      throw new UsageError('--online needs the files that --no-files leaves out; give one of them')
    const services = toolServices({ ...io, clock: systemClock })
    const report = await check(
      {
        file: configFile(file, io.env),
        env: io.env,
        network: values.online === true ? 'online' : 'offline',
        namedFiles: namedFiles(values),
        ignored: new Set((values.ignore ?? []).map(text => oneOf(text, WARNING_CODES, 'warning'))),
      },
      services,
    )
    await closeToolServices(services)
    if (values.json === true) io.stdout(checkJson(report))
    else if (values.format === 'github') io.stdout(checkAnnotations(report))
    else io.stdout(checkText(report, io.paint, values.strict === true ? 'warnings' : 'errors'))
    if (report.errors.length > 0 || (values.strict === true && report.warnings.length > 0)) return 2
    return report.online.some(({ outcome }) => outcome === 'failed') ? 1 : 0
  },
}
