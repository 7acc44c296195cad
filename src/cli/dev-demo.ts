/** Starts the demo: an OpenID provider, a service, and the gateway between them with `config/demo.yaml`. */
import { randomBytes } from 'node:crypto'
import { freePort } from '../demo/loopback.ts'
import type { CommandIo } from './command.ts'
import { PORTS, type Ports } from './dev-ports.ts'
import { demoScreen, demoTokenLines } from './dev-report.ts'
import { type DevRun, demoServers, privateFile, readySoon, type Started, temporaryFolder } from './dev-running.ts'
import { startGateway } from './run.ts'

/** @throws {Error} a port is taken, or the issuer is not here; what has started is in `started` */
export async function startDemo(named: Ports, io: CommandIo, started: Started): Promise<DevRun> {
  const { DEMO_CONFIG, startDemoService, startIssuer } = await demoServers()
  const { gateway: wanted = PORTS.gateway.port, admin = PORTS.admin.port } = named
  const folder = temporaryFolder(io)
  // Browsers and the issuer have to know where the gateway is before it is there.
  const gatewayPort = wanted === 0 ? await freePort() : wanted
  // To a browser, that is another site than the issuer's, as it mostly is in life.
  const browserUrl = `http://localhost:${gatewayPort}`
  const issuer = started.add(
    await startIssuer({
      port: named.issuer ?? PORTS.issuer.port,
      gatewayUrl: browserUrl,
      onError: error => io.stdout(`issuer: ${error.stack ?? error}\n`),
    }),
  )
  const service = started.add(await startDemoService({ port: named.service ?? PORTS.service.port }))
  privateFile(folder, 'session-key', randomBytes(32).toString('base64url'))
  privateFile(folder, 'client-secret', issuer.clientSecret)
  const configFile = privateFile(folder, 'demo.yaml', DEMO_CONFIG)
  const env = {
    ...io.env,
    [PORTS.gateway.variable]: String(gatewayPort),
    [PORTS.admin.variable]: String(admin),
    [PORTS.issuer.variable]: new URL(issuer.issuer).port,
    [PORTS.service.variable]: new URL(service.url).port,
    SALLYPORT_DEMO_SECRETS: folder,
  }
  const gateway = started.add(await startGateway(configFile, env, io))
  await readySoon(gateway)
  return {
    gateway,
    tokenLines: demoTokenLines(issuer.issuer),
    screen: demoScreen({ gateway, browserUrl, issuer, service, configFile, columns: io.columns() }),
    close: () => started.close(),
  }
}
