/**
 * Stops the gateway without losing a request: it announces the end, then waits, then closes.
 *
 * From {@link Drain.begin} on, readiness is off and every response is the last of its connection (RFC 9112 §9.6), so
 * that the client opens its next one elsewhere. Requests are served as before, on new connections, too, because a load
 * balancer learns late that this instance is going. {@link Drain.finish} stops accepting connections as soon as no
 * request has been under way for a second, or after five seconds in any case. What is still under way then may end,
 * within the time allowed.
 *
 * Closing can lose a request in two ways. The client may be sending its next request on a connection while it is closed
 * (RFC 9112 §9.5), and the kernel resets connections that wait to be accepted when the listener closes. So connections
 * are closed after they have been idle for a while, and the listener at a moment when no connection waits.
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

interface DrainOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  /** Longest time that requests under way get, from {@link Drain.finish} on. */
  readonly timeoutMs: () => number
  /** Given where other processes accept connections of the same listener, too. By default this one does alone. */
  readonly acceptor?: Acceptor | undefined
}

/** Accepts connections from the kernel. */
export interface Acceptor {
  /** Resolves when it has looked for connections once more, and those that it found are here. */
  looked(): Promise<unknown>
  /** Called when this process has stopped listening. Resolves when no connection is accepted any more. */
  stopped(): Promise<unknown>
}

export type DrainPace = 'usual' | 'soon'

export interface Drain {
  readonly isDraining: boolean
  /** The servers that are drained. */
  readonly servers: ReadonlySet<Server>
  /** Call when a server is made. */
  add(server: Server): void
  /** Call with the connections that speak HTTP/2. Their sockets are those of the servers, but they end by GOAWAY. */
  addHttp2(sessions: Http2Sessions): void
  /**
   * Returns the listener to give to a server. It passes requests on to `listener`, but holds them in the moment before
   * the server stops listening.
   */
  gate<Request extends { readonly socket: Socket }, Response>(
    listener: (request: Request, response: Response) => void,
  ): (request: Request, response: Response) => void
  /** Call when a request begins. */
  begun(exchange: Exchange): void
  /** Call when the response to a request has ended, or its connection has. */
  ended(exchange: Exchange): void
  /** Tells clients and probes that the gateway is going. Nothing ends by it, and further calls change nothing. */
  begin(trigger: string): void
  /**
   * Resolves when all connections are closed, or the time is up.
   *
   * @param pace `soon`: it stops listening without waiting until everybody knows that this endpoint is going
   */
  finish(trigger: string, pace?: DrainPace): Promise<void>
}

/** For this long no request must have been under way before connections are closed. */
const QUIET_MS = 1_000
/** By then, in most clusters, everybody knows that this endpoint is going. */
const LONGEST_ACCEPT_MS = 5_000
/**
 * Node accepts one connection a turn of its loop, so when none came for this long, none waits to be accepted. A client
 * who was answered by another process needs some of it to come back on a busy machine.
 */
const NOBODY_WAITS_MS = 30
const LOOK_EVERY_MS = 2
/** Requests are held no longer than this to find a moment when no connection waits. */
const LONGEST_HOLD_MS = 500

/** Accepts connections by itself, and nobody else does. */
export const THIS_PROCESS: Acceptor = { looked: () => nextTurn(), stopped: async () => {} }

export function drain({ clock, scheduler, log, timeoutMs, acceptor = THIS_PROCESS }: DrainOptions): Drain {
  const servers = new Set<Server>()
  const sockets = new Set<Socket>()
  const open = new Roster<Exchange>()
  let http2: Http2Sessions | undefined
  /** Requests that wait while the listener is being closed; undefined at any other time. */
  let held: Array<() => void> | undefined
  let lastAcceptedMs = Number.NEGATIVE_INFINITY
  let begunMs: number | undefined
  let lastLeftMs = Number.NEGATIVE_INFINITY

  /** Silence before {@link begin} does not count: clients do not know yet that they should go elsewhere. */
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
    async finish(trigger, pace = 'usual') {
      begin(trigger)
      const endMs = clock.monotonicMs() + timeoutMs()
      const leftMs = (): number => Math.max(0, endMs - clock.monotonicMs())
      const longestMs = pace === 'usual' ? LONGEST_ACCEPT_MS : 0
      const acceptMs = Math.max(0, (begunMs ?? 0) + longestMs - clock.monotonicMs())
      await settledWithin(scheduler, Math.min(acceptMs, leftMs() / 2), quiet())
      const closed = await stopAccepting()
      await settledWithin(scheduler, leftMs(), Promise.race([closed.ended, quiet()]))
      closeIdle()
      if (await settledWithin(scheduler, leftMs(), closed.ended)) log.info({ trigger }, 'drained')
      else log.warn({ trigger, requests: open.size }, 'drain ran out of time')
    },
  }

  /**
   * Closes the listeners at a moment when no connection waits to be accepted.
   *
   * Under load there is no such moment by itself: a client that has been answered comes back immediately, on a new
   * connection. So requests are held for a moment. A client that waits for its answer does not come back, and the
   * connections that waited are accepted meanwhile.
   *
   * @returns `ended` resolves when the last connection is closed
   */
  async function stopAccepting(): Promise<{ readonly ended: Promise<unknown> }> {
    held = []
    const startedMs = clock.monotonicMs()
    for (let nobodyWaits = false; !nobodyWaits && clock.monotonicMs() - startedMs < LONGEST_HOLD_MS; ) {
      await new Promise<void>(resolve => scheduler.after(LOOK_EVERY_MS, resolve))
      // In the turn after the timer Node asks the kernel for connections once more; the listener closes right after
      // that.
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
    // To Node, a connection that has not sent a byte is not idle: its first request is under way.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  }
}

/** Makes Node say `Connection: close`, and close after the response. Once the head is out it is too late for that. */
function makeLast(response: ClientResponse): void {
  if (!response.headersSent) response.shouldKeepAlive = false
}

/**
 * Resolves when the last connection is closed. An HTTP server's own `close` would close idle connections right away.
 */
function stopListening(server: Server): Promise<void> {
  return new Promise(resolve => NetServer.prototype.close.call(server, () => resolve()))
}
