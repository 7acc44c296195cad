/** Runs one part of the demo alone, for containers that have a network to themselves, as those of a pod have. */
import type { CommandIo } from './command.ts'
import { PORTS, type Ports } from './dev-ports.ts'
import { type DevRun, demoServers, type Started } from './dev-running.ts'

export async function startPart(
  only: 'issuer' | 'service',
  ports: Ports,
  io: CommandIo,
  started: Started,
): Promise<DevRun> {
  const { startDemoService, startIssuer } = await demoServers()
  const port = ports[only] ?? PORTS[only].port
  const run = { gateway: undefined, tokenLines: [], close: () => started.close() }
  if (only === 'service') {
    const { url } = started.add(await startDemoService({ port }))
    return { ...run, screen: `service  ${url}\n` }
  }
  const onError = (error: Error): void => io.stdout(`issuer: ${error.stack ?? error}\n`)
  const { issuer } = started.add(await startIssuer({ port, onError }))
  return { ...run, screen: `issuer  ${issuer} (tokens: ${issuer}/demo/tokens/reader, writer, expired)\n` }
}
