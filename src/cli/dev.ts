/**
 * The command `sallyport dev` starts an OpenID provider, a service and the gateway between them. It prints where to
 * sign in with a browser, and `curl` lines to try. All of it runs in this process and can be reached from this machine
 * only.
 *
 * It is for trying things and for development; `demo/issuer.ts` says why it must not be used in production.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../demo/loopback.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, type CommandIo, RuntimeError, UsageError } from './command.ts'
import { devReport } from './dev-report.ts'
import { startGateway } from './run.ts'

/** Says where each part listens unless it is told otherwise. `config/demo.yaml` refers to the variables. */
const PORTS = {
  gateway: { option: 'port', variable: 'SALLYPORT_DEMO_PORT', port: 8080 },
  admin: { option: 'admin-port', variable: 'SALLYPORT_DEMO_ADMIN_PORT', port: 9090 },
  issuer: { option: 'issuer-port', variable: 'SALLYPORT_DEMO_ISSUER_PORT', port: 4000 },
  service: { option: 'service-port', variable: 'SALLYPORT_DEMO_SERVICE_PORT', port: 3000 },
} as const

type Part = keyof typeof PORTS
type Ports = Readonly<Record<Part, number>>

const HELP = `Usage: sallyport dev [--port N] [--admin-port N] [--issuer-port N] [--service-port N]

Starts an OpenID provider, a demo service and the gateway in front of it, all on this machine only, and prints where to
sign in with a browser, a token and curl lines to try. Ctrl-C stops all of it. Not for production: the provider believes whatever name one signs in with.

${Object.entries(PORTS)
  .map(
    ([part, { option, variable, port }]) =>
      `  --${`${option} N`.padEnd(16)} where the ${part} listens; else $${variable}, else ${port}; 0 takes a free port`,
  )
  .join('\n')}

Example:
  sallyport dev --port 8081
`

export const devCommand: Command = {
  help: HELP,
  async run(args, io) {
    const close = await dev(chosenPorts(args, io.env), io)
    await io.stopped
    await close()
    return 0
  },
}

/**
 * Starts the parts one after the other. When one fails to start, those that have started are stopped again.
 *
 * @returns stops all of it at once
 * @throws {RuntimeError} a port is taken, or the file with the issuer is missing
 */
async function dev(ports: Ports, io: CommandIo): Promise<() => Promise<void>> {
  const { DEMO_CONFIG, startDemoService, startIssuer } = await demoServers()
  const parts: Array<{ close(): Promise<void> }> = []
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-demo-'))
  io.atExit(() => rmSync(folder, { recursive: true, force: true }))
  const close = async (): Promise<void> => {
    await Promise.all(parts.splice(0).map(part => part.close()))
  }
  try {
    // Browsers and the issuer have to know where the gateway is before it is there.
    const gatewayPort = ports.gateway === 0 ? await freePort() : ports.gateway
    // To a browser, that is another site than the issuer's, as it mostly is in life.
    const browserUrl = `http://localhost:${gatewayPort}`
    const issuer = await startIssuer({
      port: ports.issuer,
      gatewayUrl: browserUrl,
      onError: error => io.stdout(`issuer: ${error.stack ?? error}\n`),
    })
    parts.push(issuer)
    const service = await startDemoService({ port: ports.service })
    parts.push(service)
    writeSecret(folder, 'session-key', randomBytes(32).toString('base64url'))
    writeSecret(folder, 'client-secret', issuer.clientSecret)
    const configFile = join(folder, 'demo.yaml')
    writeFileSync(configFile, DEMO_CONFIG, { mode: 0o600 })
    const gateway = await startGateway(
      configFile,
      {
        ...io.env,
        [PORTS.gateway.variable]: String(gatewayPort),
        [PORTS.admin.variable]: String(ports.admin),
        [PORTS.issuer.variable]: new URL(issuer.issuer).port,
        [PORTS.service.variable]: new URL(service.url).port,
        SALLYPORT_DEMO_SECRETS: folder,
      },
      io,
    )
    parts.push(gateway)
    io.stdout(
      devReport({
        ...{ gateway, browserUrl, issuer, service },
        configFile,
        token: await issuer.requestToken('orders:read'),
      }),
    )
    return close
  } catch (error) {
    await close()
    throw explained(error, ports)
  }
}

/** Loads the servers of the demo, which a bundle has in a file beside it. */
async function demoServers() {
  try {
    return await import('../demo/servers.ts')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error
    throw new RuntimeError(
      'the embedded issuer is not here: an image for servers is made without it. Use the package or a checkout ' +
        '(there, `npm ci` installs what it needs)',
    )
  }
}

function writeSecret(folder: string, name: string, secret: string): void {
  writeFileSync(join(folder, name), secret, { mode: 0o600 })
}

function chosenPorts(args: readonly string[], env: CommandIo['env']): Ports {
  const { values } = parsedArguments('dev', args, {
    options: {
      port: { type: 'string' },
      'admin-port': { type: 'string' },
      'issuer-port': { type: 'string' },
      'service-port': { type: 'string' },
    },
  })
  const chosen = (part: Part): number => {
    const { option, variable, port } = PORTS[part]
    const text = values[option] ?? env[variable] ?? String(port)
    if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
      throw new UsageError(`"${text}" is no port: give --${option} or ${variable} a number from 0 to 65535`)
    return Number(text)
  }
  return { gateway: chosen('gateway'), admin: chosen('admin'), issuer: chosen('issuer'), service: chosen('service') }
}

/** Turns a failure that the user can do something about into a message that says what to do. */
function explained(error: unknown, ports: Ports): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  if (error.code !== 'EADDRINUSE' || !('port' in error)) return error
  const taken = Object.entries(PORTS).find(([part]) => ports[part as Part] === error.port)
  if (taken === undefined) return error
  const [part, { option, variable }] = taken
  return new RuntimeError(
    `port ${error.port} of the ${part} is taken: choose a different one with --${option} N or ${variable}=N`,
  )
}
