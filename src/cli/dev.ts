/**
 * The command `sallyport dev` starts the gateway with an OpenID provider of its own, in front of a demo service or of
 * somebody's own. It prints where to sign in with a browser, and `curl` lines to try. All of it runs in this process
 * and can be reached from this machine only.
 *
 * It is for trying things and for development; `demo/issuer.ts` says why it must not be used in production.
 */
import { upstreamUrl } from '../config/schema/address.ts'
import { served } from '../tools/dev/served.ts'
import { wrapped } from '../tools/text/fitted-table.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, type CommandIo, type ExitCode, RuntimeError, UsageError } from './command.ts'
import { startDemo } from './dev-demo.ts'
import { followKeys, KEYS_LINE } from './dev-keys.ts'
import { type OwnService, startOwn } from './dev-own.ts'
import { startPart } from './dev-part.ts'
import { explained, namedPorts, PORT_OPTIONS, PORTS, PORTS_HELP } from './dev-ports.ts'
import { type DevRun, started } from './dev-running.ts'
import { claimsObject } from './inputs.ts'

const HELP = `Usage: sallyport dev [--upstream URL] [-c FILE] [--claims JSON] [--scope SCOPES]

Runs the gateway on this machine, with an OpenID provider of its own, to be tried: in front of a demo service, or with
--upstream or -c in front of your own. It prints what to try: where to sign in with a browser, where tokens are, and
curl lines. A changed file is in force at once. Not for production: the provider believes whatever name one signs in
with, and gives tokens to whoever asks.

  --upstream URL      your service; id=URL for one of several upstreams of the file; may be repeated
  -c, --config FILE   your routes and requirements, which stay as they are: tokens made here have the \`iss\`, the audience
                      and the claims that the file asks for. Without a file every path needs a token
  --save FILE         writes the policy that is used without -c, to be changed and used with -c
  --claims JSON       claims of the tokens made here, as {"sub":"bob"} or @FILE
  --scope SCOPES      scope of the tokens made here, in place of what each route asks for

${PORTS_HELP}
                      with -c, gateway and admin keep the ports of the file

  --only PART         runs the demo's issuer or service alone: for containers, as in config/compose.yaml
  --ask NAME          prints a token of the issuer that runs at --issuer-port: the id of a route, or \`reader\`, \`writer\`
                      and \`expired\` of the demo

Examples:
  sallyport dev
  sallyport dev --upstream http://127.0.0.1:3000
  sallyport dev --upstream http://127.0.0.1:3000 --save sallyport.yaml
  sallyport dev --upstream http://127.0.0.1:3000 -c sallyport.yaml --claims '{"tenant":"acme"}'
`

export const devCommand: Command = {
  help: HELP,
  async run(args, io) {
    const { values } = parsedArguments('dev', args, {
      options: {
        ...PORT_OPTIONS,
        upstream: { type: 'string', multiple: true },
        config: { type: 'string', short: 'c' },
        save: { type: 'string' },
        claims: { type: 'string' },
        scope: { type: 'string' },
        only: { type: 'string' },
        ask: { type: 'string' },
      },
    })
    const ports = namedPorts(values, io.env)
    if (values.ask !== undefined) return asked(values.ask, ports.issuer ?? PORTS.issuer.port, io)
    const { only } = values
    if (only !== undefined && only !== 'issuer' && only !== 'service')
      throw new UsageError(`--only takes \`issuer\` or \`service\`, not "${only}"`)
    const own = ownService(values, ports)
    if (own !== undefined && only !== undefined)
      throw new UsageError('--only is for the demo: leave out --upstream and -c')
    const parts = started()
    let run: DevRun
    try {
      if (only !== undefined) run = await startPart(only, ports, io, parts)
      else run = own === undefined ? await startDemo(ports, io, parts) : await startOwn(own, io, parts)
    } catch (error) {
      await parts.close()
      throw explained(error, ports)
    }
    await untilTheEnd(run, io)
    return 0
  },
}

async function untilTheEnd(run: DevRun, io: CommandIo): Promise<void> {
  const { promise: hasQuit, resolve: quit } = Promise.withResolvers<void>()
  io.stdout(run.screen)
  io.onHangup(() => quit())
  if (io.onKey !== undefined) {
    followKeys(run, io, quit)
    io.stdout(`${wrapped(KEYS_LINE, io.columns()).join('\n')}\n\n`)
  }
  await Promise.race([io.stopped, hasQuit])
  const counted = run.gateway && (await served(run.gateway.operations))
  await run.close()
  // The last lines of the log are written at the end of the process, and this one comes after them.
  if (counted !== undefined) io.atExit(() => io.stdout(goodbye(counted)))
}

function goodbye({ passed, refused }: Awaited<ReturnType<typeof served>>): string {
  if (passed + refused === 0) return 'Goodbye.\n'
  return `Goodbye: ${passed} ${passed === 1 ? 'request' : 'requests'} passed, ${refused} refused.\n`
}

function ownService(
  {
    upstream,
    config,
    save,
    claims,
    scope,
  }: {
    readonly upstream?: readonly string[] | undefined
    readonly config?: string | undefined
    readonly save?: string | undefined
    readonly claims?: string | undefined
    readonly scope?: string | undefined
  },
  ports: OwnService['ports'],
): OwnService | undefined {
  if (upstream === undefined && config === undefined) {
    const lost = Object.entries({ save, claims, scope }).find(([, value]) => value !== undefined)
    if (lost !== undefined)
      throw new UsageError(`--${lost[0]} needs --upstream URL, or -c FILE: the demo has its own tokens`)
    return undefined
  }
  if (save !== undefined && config !== undefined)
    throw new UsageError('--save writes the policy that is used without -c: leave out one of them')
  return {
    ports,
    upstreams: new Map((upstream ?? []).map(namedUpstream)),
    config,
    save,
    claims: claims === undefined ? {} : claimsObject(claims.replace(/^@/, '')),
    scope,
  }
}

function namedUpstream(text: string): readonly [id: string, url: string] {
  const [, id = '', url = text] = /^([A-Za-z][\w-]*)=(.*)$/.exec(text) ?? []
  try {
    upstreamUrl(url)
  } catch (error) {
    throw new UsageError(`--upstream ${url} ${error instanceof Error ? error.message : error}`)
  }
  return [id, url]
}

const TIMEOUT_MS = 5_000

async function asked(name: string, issuerPort: number, io: CommandIo): Promise<ExitCode> {
  const issuer = `http://127.0.0.1:${issuerPort}`
  try {
    const answer = await fetch(`${issuer}/demo/tokens/${encodeURIComponent(name)}`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (!answer.ok) throw new RuntimeError(`the issuer at ${issuer} has no token "${name}"`)
    io.stdout(`${await answer.text()}\n`)
    return 0
  } catch (error) {
    if (error instanceof RuntimeError) throw error
    throw new RuntimeError(`no issuer answers at ${issuer}: start \`sallyport dev\`, or say where with --issuer-port`)
  }
}
