/** The command `sallyport snippet` prints the configuration of a proxy that asks us before it forwards a request. */
import { loadConfigForTool } from '../config/read/load.ts'
import type { Config } from '../config/schema/schema.ts'
import { CALLERS, type Caller } from '../decision/callers.ts'
import { systemClock } from '../lib/clock.ts'
import { writtenAddress } from '../tools/admin/addresses.ts'
import { standIn } from '../tools/engine/stand-in.ts'
import { closeToolServices, toolServices } from '../tools/engine/tool-policy.ts'
import { type HostPort, onlyService, type Site, siteOf } from '../tools/snippet/site.ts'
import { snippet } from '../tools/snippet/snippet.ts'
import { Unwritable } from '../tools/snippet/written.ts'
import { looksLikeFile, oneOf, parsedArguments } from './arguments.ts'
import { type Command, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { listenOption } from './listen-option.ts'

export const snippetCommand: Command = {
  help: `Usage: sallyport snippet [${CALLERS.join('|')}] [-c FILE] [--listen HOST:PORT] [--service URL]

Prints the configuration of the proxy that asks the gateway before it forwards a request (decide). It clears what the
gateway alone may say, sets it from the answer, and forwards the path that was judged. Nothing that the file names is
read, and nothing is asked.

  nginx|…              the proxy; default: decide.caller
  -c, --config FILE    configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --listen HOST:PORT   where the proxy listens; default 0.0.0.0:80
  --service URL        where it forwards to, as http://host:port; default: the only upstream of the file, or
                       http://127.0.0.1:3000 if it has none

Exit codes: 0 printed; 2 a mistake in the file, a file without decide, another proxy than its caller, or wrong usage.

Examples:
  sallyport snippet > /etc/nginx/conf.d/orders.conf
  sallyport snippet envoy -c config/decide.yaml --listen 0.0.0.0:8000 --service http://127.0.0.1:3000
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('snippet', args, {
      allowPositionals: true,
      options: { config: { type: 'string', short: 'c' }, listen: { type: 'string' }, service: { type: 'string' } },
    })
    const [named, ...more] = positionals
    if (more.length > 0) throw new UsageError(`snippet takes one proxy: ${CALLERS.join(', ')}`)
    if (named !== undefined && looksLikeFile(named))
      throw new UsageError(
        `snippet takes a proxy, and "${named}" is a file. Did you mean: sallyport snippet -c ${named}`,
      )
    const asked = named === undefined ? undefined : oneOf(named, CALLERS, 'proxy that can ask')
    const listen = listenOption('--listen', values.listen ?? '0.0.0.0:80')
    const given = serviceOption(values.service)
    const file = configFile(values.config, io.env)
    const config = loadConfigForTool(file, io.env, 'unread')
    const { decide } = config
    if (decide === undefined)
      throw new UsageError(
        `${file} has no \`decide\`, so nobody is to ask; ` +
          `add decide: { listen: 127.0.0.1:8081, caller: ${asked ?? 'nginx'} }`,
      )
    const caller = callerOf(asked, decide.caller, file)
    const service = given ?? serviceOf(config, file)
    const services = toolServices({ ...io, clock: systemClock })
    const site = siteOf(config, decide, standIn(config, services).policy, { file, listen, service })
    await closeToolServices(services)
    io.stdout(written(caller, site))
    return 0
  },
}

function callerOf(asked: Caller | undefined, caller: Caller, file: string): Caller {
  if (asked === undefined || asked === caller) return caller
  throw new UsageError(
    `${file} is asked by ${caller} (decide.caller), which says what it asks about in another way; ` +
      `write sallyport snippet ${caller}, or caller: ${asked}`,
  )
}

/** @throws {UsageError} the file does not say which service, or how a proxy would forward to it */
function serviceOf(config: Config, file: string): HostPort {
  const service = onlyService(config)
  if (service !== undefined) return service
  const [name, ...more] = Object.keys(config.upstreams)
  throw new UsageError(
    more.length > 0
      ? `${file} has the upstreams ${[name, ...more].join(', ')}; ` +
          'say where the proxy forwards to: --service http://host:port'
      : `the upstream ${name} of ${file} is no http://host:port, and what is printed forwards to nothing else; ` +
          'write --service http://host:port, and change that place by hand',
  )
}

function written(caller: Caller, site: Site): string {
  try {
    return snippet(caller, site)
  } catch (error) {
    throw error instanceof Unwritable ? new UsageError(error.message) : error
  }
}

function serviceOption(text: string | undefined): HostPort | undefined {
  if (text === undefined) return undefined
  const address = writtenAddress(text)
  if (address === undefined || 'socketPath' in address)
    throw new UsageError('--service takes http://host:port: nothing may follow, since the path is passed on unchanged')
  return address
}
