/**
 * Stops the gateway without a dropped request: first it says so, then it waits, then it closes.
 *
 * From {@link Drain.begin} on, readiness is off and every response is the last of its connection (RFC 9112 §9.6: the
 * client opens the next one elsewhere), while requests are served as before, on new connections, too: a load balancer
 * learns late that we are going. {@link Drain.finish} then ends that: no new connections are taken once nobody has asked
 * for anything for a second, or after a few seconds in any case; what is under way ends, up to the time allowed.
 *
 * Two ways to lose a request by closing: a connection is closed while its client is sending the next request (RFC 9112
 * §9.5), and the kernel resets the connections that wait to be accepted when the listener goes. So idle connections are
 * closed when they have been idle for a while, and the listener in a moment when nobody waits.
 */
import type { Server } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ClientResponse, Exchange } from '../exchange.ts'
import type { Clock } from '../lib/clock.ts'
import { Roster } from '../lib/roster.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { settledWithin } from '../lib/settled-within.ts'
import type { Log } from '../telemetry/log.ts'
import type { Http2Sessions } from './http2-sessions.ts'

export interface DrainOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  /** Longest time that requests under way get, from {@link Drain.finish} on. */
  readonly timeoutMs: () => number
  /** Where another process takes the connections and hands them to this one. Default: this one takes them. */
  readonly acceptor?: Acceptor | undefined
}

/** Whoever takes the connections. */
export interface Acceptor {
  /** Resolves when it has looked for connections once more, and those are here. */
  looked(): Promise<unknown>
  /** Called when this process has stopped listening. Resolves when no connection is taken any more. */
  stopped(): Promise<unknown>
}

export interface Drain {
  readonly isDraining: boolean
  /** The servers that are drained. */
  readonly servers: ReadonlySet<Server>
  /** Call when a server is made. */
  add(server: Server): void
  /** Call when there are connections that speak HTTP/2: they share the servers' sockets, and are told to go in their own way. */
  addHttp2(sessions: Http2Sessions): void
  /** The listener to give a server: it lets requests pass to `listener`, but for the moment before listening ends. */
  gate<Request extends { readonly socket: Socket }, Response>(
    listener: (request: Request, response: Response) => void,
  ): (request: Request, response: Response) => void
  /** Call when a request begins. */
  begun(exchange: Exchange): void
  /** Call when its response has ended, or its connection. */
  ended(exchange: Exchange): void
  /** Says to clients and probes that we are going; nothing ends by it. Further calls change nothing. */
  begin(trigger: string): void
  /** Resolves when all connections are closed, or the time is up. */
  finish(trigger: string): Promise<void>
}

/** How long nobody must have asked for anything before connections are closed. */
const QUIET_MS = 1_000
/** Endpoints that are going are known everywhere in a cluster by then, in most. */
const LONGEST_ACCEPT_MS = 5_000
/** Node accepts one connection a turn. After so long without one nobody waits to be accepted. */
const NOBODY_WAITS_MS = 10
const LOOK_EVERY_MS = 2
/** For a moment like that. */
const LONGEST_HOLD_MS = 500

const THIS_PROCESS: Acceptor = { looked: () => nextTurn(), stopped: async () => {} }

export function drain({ clock, scheduler, log, timeoutMs, acceptor = THIS_PROCESS }: DrainOptions): Drain {
  const servers = new Set<Server>()
  const sockets = new Set<Socket>()
  const open = new Roster<Exchange>()
  let http2: Http2Sessions | undefined
  /** Requests that wait while the listener is being closed; undefined at any other time. */
  let held: Array<() => void> | undefined
  let lastAcceptedMs = Number.NEGATIVE_INFINITY
  let begunMs: number | undefined
  /** When the last request ended; nobody is told to go before {@link begin}. */
  let lastLeftMs = Number.NEGATIVE_INFINITY

  const quietForMs = (): number => clock.monotonicMs() - Math.max(lastLeftMs, begunMs ?? 0)
  const quiet = async (): Promise<void> => {
    while (open.size > 0 || quietForMs() < QUIET_MS) {
      const waitMs = open.size > 0 ? QUIET_MS : Math.max(0, QUIET_MS - quietForMs())
      await new Promise<void>(resolve => scheduler.after(waitMs, resolve))
    }
  }

  const begin = (trigger: string): void => {
    if (begunMs !== undefined) return
    begunMs = clock.monotonicMs()
    for (const { response } of open) makeLast(response)
    http2?.goAway()
    log.info({ trigger, requests: open.size }, 'draining')
  }

  return {
    get isDraining() {
      return begunMs !== undefined
    },
    servers,
    add(server) {
      servers.add(server)
      server.on('connection', (socket: Socket) => {
        lastAcceptedMs = clock.monotonicMs()
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
    },
    addHttp2(sessions) {
      http2 = sessions
    },
    gate: listener => (request, response) => {
      if (held === undefined) listener(request, response)
      else
        held.push(() => {
          if (!request.socket.destroyed) listener(request, response)
        })
    },
    begun(exchange) {
      open.add(exchange)
      if (begunMs !== undefined) makeLast(exchange.response)
    },
    ended(exchange) {
      open.delete(exchange)
      lastLeftMs = clock.monotonicMs()
    },
    begin,
    async finish(trigger) {
      begin(trigger)
      const endMs = clock.monotonicMs() + timeoutMs()
      const leftMs = (): number => Math.max(0, endMs - clock.monotonicMs())
      const acceptMs = Math.max(0, (begunMs ?? 0) + LONGEST_ACCEPT_MS - clock.monotonicMs())
      await settledWithin(scheduler, Math.min(acceptMs, leftMs() / 2), quiet())
      const closed = await stopAccepting()
      await settledWithin(scheduler, leftMs(), Promise.race([closed.ended, quiet()]))
      closeIdle()
      if (await settledWithin(scheduler, leftMs(), closed.ended)) log.info({ trigger }, 'drained')
      else log.warn({ trigger, requests: open.size }, 'drain ran out of time')
    },
  }

  /**
   * A client that has been answered comes back at once, on a new connection, so under load somebody always waits to be
   * accepted. Requests are held for a moment: those who wait for an answer do not come back, and the others get in.
   *
   * @returns `ended` resolves when the last connection is closed
   */
  async function stopAccepting(): Promise<{ readonly ended: Promise<unknown> }> {
    held = []
    const startedMs = clock.monotonicMs()
    for (let nobodyWaits = false; !nobodyWaits && clock.monotonicMs() - startedMs < LONGEST_HOLD_MS; ) {
      await new Promise<void>(resolve => scheduler.after(LOOK_EVERY_MS, resolve))
      // The turn after the timer asks the kernel once more; what follows is as close to that as it gets.
      await acceptor.looked()
      nobodyWaits = clock.monotonicMs() - lastAcceptedMs > NOBODY_WAITS_MS
    }
    const ended = Promise.all([...servers].map(stopListening))
    await acceptor.stopped()
    const waiting = held
    held = undefined
    for (const pass of waiting) pass()
    return { ended }
  }

  function closeIdle(): void {
    for (const server of servers) server.closeIdleConnections()
    http2?.closeIdle()
    // To Node, one that never sent a byte is not idle: its first request is under way.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  }
}

/** Node then says `Connection: close` and closes when the response has ended; too late once the head is out. */
function makeLast(response: ClientResponse): void {
  if (!response.headersSent) response.shouldKeepAlive = false
}

/** Resolves when the last connection is closed. An HTTP server's own `close` would close the idle ones at once. */
function stopListening(server: Server): Promise<void> {
  return new Promise(resolve => NetServer.prototype.close.call(server, () => resolve()))
}
