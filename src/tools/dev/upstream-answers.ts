/** Looks whether somebody listens where the services are. It connects, and sends nothing. */
import { connect } from 'node:net'
import type { Config } from '../../config/schema/schema.ts'
import { connectionFailureText } from '../../lib/connection-failure.ts'

const TIMEOUT_MS = 1_000

/** @returns why there is no connection, by the id of the upstream; those that answer are left out */
export async function silentUpstreams({ upstreams }: Config): Promise<ReadonlyMap<string, string>> {
  const looks = Object.entries(upstreams).map(async ([id, { url }]) => [id, await failureOf(url)] as const)
  const found = await Promise.all(looks)
  return new Map(found.flatMap(([id, failure]) => (failure === undefined ? [] : [[id, failure] as const])))
}

function failureOf({ origin, socketPath }: Config['upstreams'][string]['url']): Promise<string | undefined> {
  const { hostname, port, protocol } = new URL(origin)
  const host = hostname.replace(/^\[|\]$/g, '')
  const address =
    socketPath === undefined ? { host, port: Number(port || (protocol === 'https:' ? 443 : 80)) } : { path: socketPath }
  return new Promise(resolve => {
    const socket = connect({ ...address, timeout: TIMEOUT_MS })
    const end = (failure: string | undefined): void => {
      socket.destroy()
      resolve(failure)
    }
    socket.once('connect', () => end(undefined))
    socket.once('timeout', () => end('there was no answer in time'))
    socket.once('error', error => end(connectionFailureText(error)))
  })
}
