/** Starts a master, its replica and the sentinels that watch over them, on loopback. */
import type { StoreKind } from './store-programs.ts'
import { eventually, type StoreProcess, type StoreServer, startStoreProcess, startStoreServer } from './store-server.ts'

export interface SentinelSetUp {
  /** Name of the master, the host in `store.url`. */
  readonly name: string
  /** As in `store.url`. */
  readonly url: string
  /** The master at first. */
  readonly master: StoreServer
  /** The replica at first. */
  readonly replica: StoreServer
  readonly sentinels: readonly StoreProcess[]
  /** As in `store.nodes`. */
  readonly nodes: readonly string[]
  /** Resolves when all sentinels agree that this server is the master, and it says so, too. */
  promoted(server: StoreServer): Promise<void>
  stop(): Promise<void>
}

interface SentinelOptions {
  readonly kind?: StoreKind
  /** How many sentinels. Default 1. */
  readonly sentinels?: 1 | 2 | 3
  /** How many must agree. Default: the majority. */
  readonly quorum?: number
  /** Password of the master and the replica. Default: they ask for none. */
  readonly password?: string
  /** Password of the sentinels. Default: they ask for none. */
  readonly sentinelPassword?: string
}

const NAME = 'revocations'

export async function startSentinels({
  kind = 'redis',
  sentinels: count = 1,
  quorum,
  password,
  sentinelPassword,
}: SentinelOptions = {}): Promise<SentinelSetUp> {
  const common = password === undefined ? { kind } : { kind, password, config: [`masterauth ${password}`] }
  const master = await startStoreServer(common)
  const replica = await startStoreServer({ ...common, replicaOf: master })
  const sentinels = await Promise.all(
    Array.from({ length: count }, () =>
      startStoreProcess(
        kind,
        port => [
          `port ${port}`,
          `sentinel monitor ${NAME} 127.0.0.1 ${master.port} ${quorum ?? Math.floor(count / 2) + 1}`,
          `sentinel down-after-milliseconds ${NAME} 500`,
          `sentinel failover-timeout ${NAME} 3000`,
          ...(password === undefined ? [] : [`sentinel auth-pass ${NAME} ${password}`]),
          ...(sentinelPassword === undefined
            ? []
            : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
        ],
        { args: ['--sentinel'], admin: sentinelPassword === undefined ? [] : [sentinelPassword] },
      ),
    ),
  )
  for (const sentinel of sentinels)
    await eventually(async () => {
      const facts = pairs(await sentinel.command('SENTINEL', 'MASTER', NAME))
      return facts.get('num-slaves') === '1' && facts.get('num-other-sentinels') === String(count - 1)
    })
  return {
    name: NAME,
    url: `redis://${NAME}`,
    master,
    replica,
    sentinels,
    nodes: sentinels.map(({ address }) => address),
    async promoted(server) {
      for (const sentinel of sentinels)
        await eventually(
          // One that a test has ended is not asked.
          async () => {
            const facts = await sentinel.command('SENTINEL', 'MASTER', NAME).catch(() => undefined)
            return facts === undefined || pairs(facts).get('port') === String(server.port)
          },
        )
      await eventually(async () => String(await server.command('ROLE')).startsWith('master'))
    },
    async stop() {
      for (const sentinel of sentinels) await sentinel.stop()
      await Promise.all([master.stop(), replica.stop()])
    },
  }
}

/** Reads `[name, value, name, value, …]`. */
function pairs(reply: unknown): ReadonlyMap<string, string> {
  const flat = reply as readonly string[]
  return new Map(flat.flatMap((name, index) => (index % 2 === 0 ? [[name, String(flat[index + 1])] as const] : [])))
}
