/**
 * Finds the server of the store that holds our keys, and opens connections to it.
 *
 * All keys have the same prefix in braces, so that a cluster keeps them in one slot, on one server. With sentinels the
 * server is the master that they name. The server is looked for anew with each connection: after a failover it is
 * another one.
 */

import {
  type ConnectionDeps,
  type ConnectionOptions,
  openConnection,
  type Reply,
  type ServerAddress,
  type StoreConnection,
} from './connection.ts'
import { StoreError, storeError } from './failure.ts'

/** Where a store is and how to speak with it: the section `store`, in the words of this room. */
export interface StoreDefinition extends ConnectionOptions {
  readonly topology: 'single' | 'sentinel' | 'cluster'
  /** With `sentinel` the host is the name of the master. */
  readonly url: ServerAddress
  readonly nodes: readonly ServerAddress[]
  readonly prefix: string
}

export interface Store {
  /** The name of a key of ours. */
  key(name: string): string
  /**
   * Opens a connection to the server that holds our keys.
   *
   * @param probe a command about one of our keys, by which the servers of a cluster tell who has it; it is for users
   *   who may not ask about the stream, which is the default
   * @throws {StoreError}
   */
  connect(probe?: readonly string[]): Promise<StoreConnection>
}

export function store(definition: StoreDefinition, deps: ConnectionDeps): Store {
  const key = (name: string): string => `{${definition.prefix}}:${name}`
  const open = (address: ServerAddress, options: ConnectionOptions = definition): Promise<StoreConnection> =>
    openConnection(address, options, deps)

  /** Sentinels often have no password, and refuse one then. So each gets ours only when it asks for one. */
  const masterNamedBy = async (node: ServerAddress): Promise<ServerAddress> => {
    const ask = async (options: ConnectionOptions): Promise<ServerAddress> => {
      const sentinel = await open(node, { ...options, database: 0 })
      try {
        return masterIn(await sentinel.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', definition.url.host]))
      } finally {
        sentinel.close()
      }
    }
    const anonymous = { ...definition, username: undefined, passwordFile: undefined }
    return ask(anonymous).catch((error: unknown) => {
      if (error instanceof StoreError && (error.code === 'NOAUTH' || isForbidden(error))) return ask(definition)
      throw error
    })
  }

  /** A server that does not hold our keys says who does. This takes no further right, unlike asking for all slots. */
  const openOwner = async (node: ServerAddress, probe: readonly string[]): Promise<StoreConnection> => {
    let address: ServerAddress = { host: node.host, port: node.port }
    for (let moves = 0; moves < MOST_MOVES; moves += 1) {
      const connection = await open(address)
      try {
        await connection.send(probe)
        return connection
      } catch (error) {
        const { code, movedTo } = storeError(error)
        if (code === 'NOKEY' || code === 'NOPERM' || code === 'WRONGTYPE') return connection
        if (movedTo === undefined) return dropped(connection, error)
        connection.close()
        address = addressIn(movedTo, address)
      }
    }
    throw new StoreError('is a cluster whose servers send us from one to the other', 'CLUSTERDOWN')
  }

  const FIND: Readonly<Record<StoreDefinition['topology'], Store['connect']>> = {
    single: () => open(definition.url),
    async sentinel() {
      const connection = await open(await firstAnswer(definition.nodes, masterNamedBy))
      // A sentinel may not have noticed yet that the master is one no more. Who may not ask learns it by writing.
      const role = await connection
        .send(['ROLE'])
        .catch(error => (isForbidden(error) ? ['master'] : dropped(connection, error)))
      if (Array.isArray(role) && role[0] === 'master') return connection
      return dropped(connection, new StoreError('is a replica, and the sentinels know no other master', 'READONLY'))
    },
    cluster: (probe = ['XINFO', 'STREAM', key('')]) =>
      firstAnswer([definition.url, ...definition.nodes], node => openOwner(node, probe)),
  }
  return { key, connect: FIND[definition.topology] }
}

const MOST_MOVES = 4

/** Asks one after the other. @throws {StoreError} what the last of them failed with */
async function firstAnswer<T>(nodes: readonly ServerAddress[], ask: (node: ServerAddress) => Promise<T>): Promise<T> {
  let failure: unknown = new StoreError('has no servers')
  for (const node of nodes) {
    try {
      return await ask(node)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

function masterIn(reply: Reply): ServerAddress {
  if (!Array.isArray(reply)) throw new StoreError('has no master of that name; the host of `url` is its name')
  const [host, port] = reply
  return { host: String(host), port: Number(port) }
}

/** Reads `10.0.0.1:6379`, `::1:6379` or `[::1]:6379`. An empty host stands for that of the server that was asked. */
function addressIn(text: string, asked: ServerAddress): ServerAddress {
  const at = text.lastIndexOf(':')
  const host = text.slice(0, at).replace(/^\[|\]$/g, '')
  return { host: host === '' || host === '?' ? asked.host : host, port: Number(text.slice(at + 1)) }
}

function isForbidden(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'NOPERM'
}

function dropped(connection: StoreConnection, error: unknown): never {
  connection.close()
  throw error
}
