/** Listens on an address of the configuration. When that fails, the error names the setting and says why in words. */

import { once } from 'node:events'
import { type AddressInfo, createServer, type ListenOptions } from 'node:net'
import { platform } from 'node:os'
import type { Address, Listener } from '../config/schema/schema.ts'
import type { FailureWords } from '../lib/failure-text.ts'
import { type ListenPlace, listen } from './listening.ts'
import { freeSocketPath, SocketPathTaken } from './unix-socket.ts'

type ListenSetting = 'listen' | 'decide.listen' | 'admin.listen'

const REASONS: FailureWords = {
  EADDRINUSE: 'something else listens there already',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'we may not listen there; ports below 1024 need a right of their own',
  EPERM: 'we may not listen there; ports below 1024 need a right of their own',
  ENOENT: 'there is no such folder',
  ENOTFOUND: 'there is no host of that name',
  EAFNOSUPPORT: 'this machine does not have that kind of address',
}

/** Said where several sockets cannot listen on one port. */
const NO_SHARED_PORTS: ReadonlySet<string | undefined> = new Set(['ENOTSUP', 'EINVAL', 'ENOPROTOOPT'])

/** @throws {Error} with the `code` of what went wrong */
export async function listenAs(
  setting: ListenSetting,
  app: Parameters<typeof listen>[0],
  listener: Listener,
  scheme: 'http' | 'https',
  place: ListenPlace = 'own',
): Promise<string> {
  return named(setting, listener.address, () => listen(app, listener, scheme, place))
}

/** Makes way for the socket of `listen`, where that is one, for a process that opens it later. */
export async function freeListenPath({ address }: Listener): Promise<void> {
  if ('socketPath' in address) await named('listen', address, () => freeSocketPath(address.socketPath))
}

/**
 * Finds out which port several processes may listen on, each by itself.
 *
 * It is taken as one process would take it first, so that a port which somebody else has is an error, even where they
 * would share it. Until the processes listen it is free again, so its name is kept before: of two gateways that start
 * at the same time, one gets it.
 *
 * @returns undefined for a Unix socket, and where this system has no such ports
 */
export async function sharedPort({ address }: Listener): Promise<number | undefined> {
  if ('socketPath' in address) return undefined
  const isNamed = address.port !== 0 && platform() === 'linux'
  if (isNamed) await named('listen', address, () => keepName(addressText(address)))
  const port = await named('listen', address, () => taken(address))
  return taken({ ...address, port, reusePort: true }).catch((error: NodeJS.ErrnoException) => {
    if (NO_SHARED_PORTS.has(error.code)) return undefined
    throw error
  })
}

/** Keeps a name for as long as this process runs: unix(7), "abstract". @throws {Error} `EADDRINUSE`: another has it */
async function keepName(place: string): Promise<void> {
  const server = createServer(socket => void socket.destroy()).unref()
  server.listen({ path: `\0sallyport ${place}`, exclusive: true })
  await once(server, 'listening')
}

/** Listens for a moment. @returns the port, which may be asked for as 0 */
async function taken(options: ListenOptions): Promise<number> {
  const server = createServer(socket => void socket.destroy())
  server.listen({ ...options, exclusive: true })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function named<T>(setting: ListenSetting, address: Address, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    const { code = '', port } = error as NodeJS.ErrnoException & { readonly port?: number }
    const reason = error instanceof SocketPathTaken ? error.reason : Object.hasOwn(REASONS, code) && REASONS[code]
    if (typeof reason !== 'string') throw error
    const message = `\`${setting}\`: cannot listen on ${addressText(address)}: ${reason} (${code})`
    throw Object.assign(new Error(message, { cause: error }), { code, ...(port !== undefined && { port }) })
  }
}

/** Says in words why an address cannot be listened on. @param code of the system */
export function listenFailureText(code: string): string {
  return Object.hasOwn(REASONS, code) ? `${REASONS[code]} (${code})` : code
}

export function addressText(address: Address): string {
  if ('socketPath' in address) return `unix:${address.socketPath}`
  const { host, port } = address
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
