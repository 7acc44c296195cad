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
import { StoreError } from './failure.ts'

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
  /** Opens a connection to the server that holds our keys. @throws {StoreError} */
  connect(): Promise<StoreConnection>
}

export function store(definition: StoreDefinition, deps: ConnectionDeps): Store {
  const key = (name: string): string => `{${definition.prefix}}:${name}`
  const open = (address: ServerAddress, options: ConnectionOptions = definition): Promise<StoreConnection> =>
    openConnection(address, options, deps)

  const FIND: Readonly<Record<StoreDefinition['topology'], () => Promise<StoreConnection>>> = {
    single: () => open(definition.url),
    async sentinel() {
      // Sentinels have no databases. Where they have users, those are the same as at the servers.
      const master = await firstAnswer(definition.nodes, async node => {
        const sentinel = await open(node, { ...definition, database: 0 })
        try {
          return masterIn(await sentinel.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', definition.url.host]))
        } finally {
          sentinel.close()
        }
      })
      const connection = await open(master)
      try {
        // A sentinel may not have noticed yet that the master is one no more.
        const role = await connection.send(['ROLE'])
        if (Array.isArray(role) && role[0] === 'master') return connection
        throw new StoreError('is a replica, and the sentinels know no other master', 'READONLY')
      } catch (error) {
        connection.close()
        throw error
      }
    },
    async cluster() {
      const owner = await firstAnswer([definition.url, ...definition.nodes], async node => {
        const connection = await open(node)
        try {
          const slot = await connection.send(['CLUSTER', 'KEYSLOT', key('')])
          return ownerIn(await connection.send(['CLUSTER', 'SLOTS']), Number(slot), node)
        } finally {
          connection.close()
        }
      })
      return open(owner)
    },
  }
  return { key, connect: FIND[definition.topology] }
}

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

/** Each row is `[first slot, last slot, [host, port, …] of the master, …]`. */
function ownerIn(reply: Reply, slot: number, asked: ServerAddress): ServerAddress {
  const rows = Array.isArray(reply) ? reply : []
  for (const row of rows) {
    if (!Array.isArray(row)) continue
    const [first, last, master] = row
    if (Number(first) > slot || slot > Number(last) || !Array.isArray(master)) continue
    // An empty host stands for that of the server that was asked.
    return { host: String(master[0] || asked.host), port: Number(master[1]) }
  }
  throw new StoreError('is a cluster in which nobody holds our keys', 'CLUSTERDOWN')
}
