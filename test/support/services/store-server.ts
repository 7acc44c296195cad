/**
 * Starts a real redis-server or valkey-server on loopback, which a test can kill, pause and start again on its port.
 *
 * What the test itself asks of it goes over a Unix socket as a user of its own, whatever the server's password and TLS.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from '../certificates.ts'
import { type RespReply, respClient } from '../clients/resp-client.ts'
import { freePort } from './free-port.ts'
import { type StoreKind, storeProgram } from './store-programs.ts'

export interface StoreServerOptions {
  /** Default: redis. */
  readonly kind?: StoreKind
  /** Password of the default user. Default: none is asked for. */
  readonly password?: string
  /** Users of the access control list, like `reader on >secret ~{sallyport}:* resetchannels -@all +xread +ping`. */
  readonly users?: readonly string[]
  /** Speaks TLS alone. The valkey-server that we have is built without it. */
  readonly tls?: {
    readonly server: Certificate
    /** Asks clients for certificates of the authority in this file. Default: it asks for none. */
    readonly clientCaFile?: string
  }
  /** Copies this server. Where that has a password, `masterauth` has to be among the lines of `config`. */
  readonly replicaOf?: StoreServer
  /** `appendonly`: a restart has what was written. Default `none`: it is empty. */
  readonly persistence?: 'none' | 'appendonly'
  /** Further lines of its configuration. */
  readonly config?: readonly string[]
}

export interface StoreProcess {
  readonly kind: StoreKind
  readonly port: number
  /** As in `nodes`. */
  readonly address: string
  /** As a user who may do everything. A server that is down rejects it, and a paused one lets it wait. */
  command(...args: ReadonlyArray<string | number>): Promise<RespReply>
  /** Ends it by SIGKILL. */
  kill(): Promise<void>
  /** Starts it again on its port, after {@link StoreProcess.kill} or in place of the one that runs. */
  restart(): Promise<void>
  /** Stops it by SIGSTOP: connections stay open, and nothing answers. */
  pause(): void
  resume(): void
  /** Ends it for good, and removes its files. */
  stop(): Promise<void>
}

export interface StoreServer extends StoreProcess {
  /** As in `store.url`. With TLS the host is `localhost`. */
  readonly url: string
}

const ADMIN = ['test-admin', 'test-admin-secret'] as const

export async function startStoreServer(options: StoreServerOptions = {}): Promise<StoreServer> {
  const { kind = 'redis', password, users = [], tls, replicaOf, persistence = 'none', config = [] } = options
  const store = await startStoreProcess(kind, port => [
    ...(tls === undefined
      ? [`port ${port}`]
      : [
          ...['port 0', `tls-port ${port}`, `tls-cert-file ${tls.server.certFile}`],
          `tls-key-file ${tls.server.keyFile}`,
          // The server wants an authority even where it asks nobody for a certificate.
          `tls-ca-cert-file ${tls.clientCaFile ?? tls.server.certFile}`,
          `tls-auth-clients ${tls.clientCaFile === undefined ? 'no' : 'yes'}`,
        ]),
    `user ${ADMIN[0]} on >${ADMIN[1]} allkeys allchannels +@all`,
    ...(password === undefined ? [] : [`requirepass ${password}`]),
    ...users.map(user => `user ${user}`),
    ...(replicaOf === undefined ? [] : [`replicaof 127.0.0.1 ${replicaOf.port}`]),
    `appendonly ${persistence === 'appendonly' ? 'yes' : 'no'}`,
    ...['appendfsync always', 'save ""', 'repl-diskless-sync-delay 0', 'enable-debug-command yes'],
    ...config,
  ])
  if (replicaOf !== undefined)
    await eventually(async () => (await replication(store)).includes('master_link_status:up'))
  return {
    ...store,
    url: tls === undefined ? `redis://127.0.0.1:${store.port}` : `rediss://localhost:${store.port}`,
  }
}

/** From now on a server's replicas hear nothing of it, and it takes no new ones. Resolves when they are cut off. */
export async function cutReplicas(master: StoreServer): Promise<void> {
  await master.command('ACL', 'SETUSER', 'default', '-psync', '-sync')
  await master.command('CLIENT', 'KILL', 'TYPE', 'replica')
  await eventually(async () => (await replication(master)).includes('connected_slaves:0'))
}

export async function replication(store: StoreProcess): Promise<string> {
  return String(await store.command('INFO', 'replication'))
}

/** @param configure lines of the configuration of a server on this port */
export async function startStoreProcess(
  kind: StoreKind,
  configure: (port: number) => readonly string[],
  { args = [], admin = ADMIN }: { readonly args?: readonly string[]; readonly admin?: readonly string[] } = {},
): Promise<StoreProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-store-'))
  const socketFile = join(folder, 'socket')
  const configFile = join(folder, 'store.conf')
  const client = respClient({ path: socketFile }, admin.length === 0 ? [] : ['AUTH', ...admin])
  let port = 0
  let child: ChildProcess | undefined

  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
    client.close()
  }
  const run = async (): Promise<void> => {
    const started = spawn(storeProgram(kind), [configFile, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    let output = ''
    for (const stream of [started.stdout, started.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-10_000)
      })
    // A test that is cut short leaves nothing running.
    const killAtExit = () => started.kill('SIGKILL')
    process.once('exit', killAtExit)
    let ended: string | undefined
    started.once('error', error => {
      ended = error.message
    })
    started.once('close', () => {
      ended ??= output
      process.off('exit', killAtExit)
    })
    await eventually(async () => {
      if (ended !== undefined) throw new Error(`${kind} did not start:\n${ended}`)
      return client.command('PING').then(
        reply => reply === 'PONG',
        () => false,
      )
    })
  }

  for (let attempt = 1; ; attempt += 1) {
    port = await freePort()
    const common = ['bind 127.0.0.1', 'daemonize no', `dir ${folder}`, `unixsocket ${socketFile}`]
    writeFileSync(configFile, `${[...common, ...configure(port)].join('\n')}\n`)
    try {
      await run()
      break
    } catch (error) {
      // Somebody may have taken the port in between.
      if (attempt === 3 || !/Address already in use/.test(String(error))) throw error
    }
  }

  return {
    kind,
    port,
    address: `127.0.0.1:${port}`,
    command: client.command,
    kill,
    async restart() {
      await kill()
      await run()
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async stop() {
      await kill()
      client.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Asks until it is so; the test's own time limit bounds it. */
export async function eventually(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise(resolve => setTimeout(resolve, 15))
}
