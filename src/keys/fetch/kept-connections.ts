/**
 * Keeps connections open between the requests to one server, for whoever asks often.
 *
 * A connection that lies idle for ten seconds, or for as long as the `Keep-Alive` of the server says, is closed.
 * Certificates and keys that have changed get connections of their own; requests on the others are left to finish.
 * Bytes that nobody asked for would be read as the answer to the next request; Node closes an idle connection on which
 * they arrive.
 */
import http, { type Agent } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'

/** What TLS takes, as PEM. Without `ca`, the system's roots count. */
export interface TlsMaterial {
  readonly ca?: string | undefined
  /** The certificate that we show, with its chain. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

export interface KeptConnections {
  agentFor(protocol: string, material: TlsMaterial): Agent
  /** Closes those that lie idle; what is under way finishes, and is not kept. */
  close(): void
}

const IDLE_MS = 10_000

/** @param most bounds how many requests are under way at a time; the others wait for theirs to end */
export function keptConnections(most: number): KeptConnections {
  let current: { readonly protocol: string; readonly material: TlsMaterial; readonly pool: Pool } | undefined
  return {
    agentFor(protocol, material) {
      if (current === undefined || current.protocol !== protocol || !isSame(current.material, material)) {
        current?.pool.retire()
        current = { protocol, material, pool: pool(protocol, material, most) }
      }
      return current.pool.agent
    },
    close() {
      current?.pool.retire()
      current = undefined
    },
  }
}

function isSame(one: TlsMaterial, other: TlsMaterial): boolean {
  return one.ca === other.ca && one.cert === other.cert && one.key === other.key
}

interface Pool {
  readonly agent: Agent
  retire(): void
}

/** What Node lets one replace in an agent. Its types do not say that it has a result. */
interface Keeping {
  keepSocketAlive(socket: Socket): boolean
}

function pool(protocol: string, material: TlsMaterial, most: number): Pool {
  const options = { keepAlive: true, maxSockets: most, maxFreeSockets: most, timeout: IDLE_MS } as const
  const agent = protocol === 'https:' ? new https.Agent({ ...options, ...material }) : new http.Agent(options)
  const keeping = agent as unknown as Keeping
  const keep = keeping.keepSocketAlive.bind(agent)
  let isRetired = false
  keeping.keepSocketAlive = socket => !isRetired && keep(socket)
  return {
    agent,
    retire() {
      isRetired = true
      for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy()
    },
  }
}
