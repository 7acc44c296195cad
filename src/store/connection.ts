/**
 * Opens one connection to one server of the store, and sends commands on it, each with a deadline.
 *
 * A connection that fails is closed and never comes back: whoever uses it opens another one, which may lead to another
 * server, with another password. So nothing waits in a queue for a server that is gone. The library is imported with
 * the first connection, since a gateway without a store does not need it.
 */
import type { RedisClientOptions } from '@redis/client'
import type { Scheduler } from '../lib/scheduler.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import { StoreError, storeError } from './failure.ts'

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

export interface ConnectionOptions {
  readonly isTls: boolean
  readonly database: number
  readonly username: string | undefined
  /** Read anew for each connection. */
  readonly passwordFile: string | undefined
  readonly tls:
    | {
        readonly caFile?: string | undefined
        readonly certFile?: string | undefined
        readonly keyFile?: string | undefined
        readonly serverName?: string | undefined
      }
    | undefined
  readonly timeoutMs: number
}

/** What a server answers: text, whole numbers, nothing, and lists of these. */
export type Reply = string | number | null | readonly Reply[]

export interface StoreConnection {
  /**
   * @param waitMs how long the server may wait on purpose, besides the time that a command may take
   * @throws {StoreError}
   */
  send(args: readonly string[], waitMs?: number): Promise<Reply>
  /** Resolves when the connection has ended, for whatever reason. */
  readonly ended: Promise<void>
  close(): void
}

export interface ConnectionDeps {
  readonly scheduler: Scheduler
  readonly monotonicMs: () => number
  /** Called for each command that was answered, with seconds. */
  readonly onCommand: (command: string, seconds: number) => void
}

/** @throws {StoreError} there is no connection */
export async function openConnection(
  { host, port }: ServerAddress,
  options: ConnectionOptions,
  deps: ConnectionDeps,
): Promise<StoreConnection> {
  const own = clientOptions(options)
  const { createClient } = await import('@redis/client')
  const ended = Promise.withResolvers<void>()
  let failure: unknown
  const client = createClient({
    ...own,
    socket: {
      host,
      port,
      connectTimeout: options.timeoutMs,
      reconnectStrategy: false,
      keepAlive: true,
      ...(options.isTls ? tlsOptions(host, options) : {}),
    } as NonNullable<RedisClientOptions['socket']>,
  })
  client.on('error', (error: unknown) => {
    failure ??= error
    close()
  })
  client.on('end', () => close())
  let isClosed = false
  function close(): void {
    if (isClosed) return
    isClosed = true
    // They hear of it from us: the library would tell them that the client was destroyed.
    for (const reject of waiting) reject(gone())
    client.destroy()
    ended.resolve()
  }

  const gone = (): Error => (failure instanceof Error ? failure : new StoreError('has closed the connection'))
  /** Those who wait for an answer. Whatever hung on `ended` for each of them would stay as long as the connection. */
  const waiting = new Set<(error: Error) => void>()
  const within = async <T>(limitMs: number, task: Promise<T>, command?: string): Promise<T> => {
    const cut = Promise.withResolvers<never>()
    const cancel = deps.scheduler.after(limitMs, () => cut.reject(new StoreError('does not answer in time')))
    waiting.add(cut.reject)
    try {
      return await Promise.race([task, cut.promise])
    } catch (error) {
      const told = storeError(failure ?? error, command)
      // A refusal leaves the connection as it is. After anything else, nobody knows what the next answer belongs to.
      if (told.code === undefined) close()
      throw told
    } finally {
      cancel()
      waiting.delete(cut.reject)
    }
  }

  try {
    await within(options.timeoutMs * 2, client.connect())
  } catch (error) {
    close()
    throw error
  }
  return {
    async send(args, waitMs = 0) {
      if (isClosed) throw new StoreError('has closed the connection')
      const startedMs = deps.monotonicMs()
      const [command = ''] = args
      const reply = await within(options.timeoutMs + waitMs, client.sendCommand<Reply>([...args]), command)
      if (waitMs === 0) deps.onCommand(command, (deps.monotonicMs() - startedMs) / 1000)
      return reply
    },
    ended: ended.promise,
    close,
  }
}

function clientOptions({ username, passwordFile, database }: ConnectionOptions): RedisClientOptions {
  const password =
    passwordFile === undefined
      ? undefined
      : readFile(passwordFile)
          .toString()
          .replace(/\r?\n$/, '')
  return {
    RESP: 2,
    // Nothing is sent that an access control list would have to allow, and that nobody asked for.
    disableClientInfo: true,
    maintNotifications: 'disabled',
    disableOfflineQueue: true,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(database === 0 ? {} : { database }),
  } as unknown as RedisClientOptions
}

/** The name is verified also where it is that of the host, which Node does not ask for when it is an address. */
function tlsOptions(host: string, { tls = {} }: ConnectionOptions) {
  const { caFile, certFile, keyFile, serverName } = tls ?? {}
  return {
    tls: true,
    ...(caFile === undefined ? {} : { ca: readFile(caFile) }),
    ...(certFile === undefined ? {} : { cert: readFile(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFile(keyFile) }),
    ...(serverName === undefined ? (isName(host) ? { servername: host } : {}) : { servername: serverName }),
  }
}

function isName(host: string): boolean {
  return !/^[\d.]+$|:/.test(host)
}

/** @throws {StoreError} the file cannot be read */
function readFile(path: string): Buffer {
  try {
    return readTrustedFile(path)
  } catch {
    throw new StoreError('cannot be asked: a file of `store` (password or TLS) cannot be read any more')
  }
}
