/** Starts a cluster of three masters on loopback, without the scripts of redis-cli. */
import type { RespReply } from '../clients/resp-client.ts'
import type { StoreKind } from './store-programs.ts'
import { eventually, type StoreServer, startStoreServer } from './store-server.ts'

export interface StoreCluster {
  readonly servers: readonly StoreServer[]
  /** As in `store.url`: the first server. */
  readonly url: string
  /** As in `store.nodes`: the other servers. */
  readonly nodes: readonly string[]
  /** The server that has a key. */
  ownerOf(key: string): Promise<StoreServer>
  /** Sends a command to the server that has the key, its first argument. */
  command(name: string, key: string, ...args: ReadonlyArray<string | number>): Promise<RespReply>
  stop(): Promise<void>
}

const SLOTS = 16_384

interface ClusterOptions {
  readonly kind?: StoreKind
  /** As for one server. */
  readonly users?: readonly string[]
}

export async function startStoreCluster({ kind = 'redis', users = [] }: ClusterOptions = {}): Promise<StoreCluster> {
  const servers = await Promise.all(
    [0, 1, 2].map(() =>
      startStoreServer({ kind, users, config: ['cluster-enabled yes', 'cluster-node-timeout 2000'] }),
    ),
  )
  const [first, ...others] = servers
  if (first === undefined) throw new Error('a cluster has a first server')
  const lastSlot = (index: number): number => Math.floor((SLOTS * (index + 1)) / servers.length) - 1
  for (const [index, server] of servers.entries()) {
    await server.command('CLUSTER', 'ADDSLOTSRANGE', index === 0 ? 0 : lastSlot(index - 1) + 1, lastSlot(index))
    await server.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
  }
  for (const { port } of others) await first.command('CLUSTER', 'MEET', '127.0.0.1', port)
  for (const server of servers)
    await eventually(async () => {
      const info = String(await server.command('CLUSTER', 'INFO'))
      return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${servers.length}`)
    })
  const ownerOf = async (key: string): Promise<StoreServer> => {
    const slot = Number(await first.command('CLUSTER', 'KEYSLOT', key))
    return servers.find((_server, index) => slot <= lastSlot(index)) ?? first
  }
  return {
    servers,
    url: first.url,
    nodes: others.map(({ address }) => address),
    ownerOf,
    command: async (name, key, ...args) => (await ownerOf(key)).command(name, key, ...args),
    async stop() {
      await Promise.all(servers.map(server => server.stop()))
    },
  }
}
