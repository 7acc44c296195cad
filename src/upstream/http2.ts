/**
 * Keeps the connections to a service that speaks HTTP/2: opens them, shares them among requests, and lets go of them.
 *
 * RFC 9113 §5.1.2 (concurrency), §6.8 (GOAWAY), §8.7 (what may be sent again).
 */
import { type Enrolled, Roster } from '../lib/roster.ts'
import type { Cancel, Scheduler } from '../lib/scheduler.ts'
import type { UpstreamConnections, UpstreamHandler, UpstreamRequest } from './connections.ts'
import { UpstreamFailure } from './failure.ts'
import { http2Call } from './http2-call.ts'
import { type Http2SessionOptions, MAX_CALLS, type OpenedSession, openSession } from './http2-session.ts'
import { waitingRoom } from './waiting-room.ts'
import type { Whereabouts } from './whereabouts.ts'

interface Connection extends Enrolled, OpenedSession {
  calls: number
  cancelIdle: Cancel
  /** Says whether it is asked for a sign of life, and whether it has owed one for too long. */
  life: 'proven' | 'asked' | 'doubted'
}

interface Waiting {
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  readonly isSecondTry?: true
}

/** We close an idle connection before most services and balancers do. */
const IDLE_MS = 50_000
/** A service that left a request without an answer must show within this that it is there at all. */
const PROOF_OF_LIFE_MS = 2_000

interface Http2UpstreamOptions extends Http2SessionOptions {
  readonly id: string
  /** The most connections at a time. */
  readonly maxConnections: number
  readonly whereabouts: Whereabouts
}

export function http2Upstream(options: Http2UpstreamOptions): UpstreamConnections {
  const { scheduler, maxConnections, whereabouts } = options
  const connections = new Roster<Connection>()
  let connecting = 0
  const waiting = waitingRoom<Waiting>({
    upstream: options.id,
    scheduler,
    maxConnections,
    maxWaitMs: options.connectTimeoutMs,
    expected: () => connecting * MAX_CALLS,
    refuse: ({ handler }, error) => fail(handler, error),
  })
  let isClosed = false
  /** Is set once no more requests are taken. */
  let onEmpty: (() => void) | undefined

  function dispatch(request: UpstreamRequest, handler: UpstreamHandler): void {
    if (isClosed || onEmpty !== undefined) fail(handler, new UpstreamFailure('UPSTREAM_CLOSED', 'no more requests'))
    // RFC 8441 would allow it, but hardly a service does.
    else if (request.upgrade !== null) fail(handler, new UpstreamFailure('NOT_SUPPORTED', 'a WebSocket over HTTP/2'))
    else place({ request, handler })
  }

  function place(call: Waiting): void {
    const connection = free()
    if (connection !== undefined) {
      begin(connection, call)
      return
    }
    if (call.request.isProbe === true) waiting.enterFirst(call)
    else waiting.enter(call)
    openIfShort()
  }

  function free(): Connection | undefined {
    return freest(connections, whereabouts)
  }

  function begin(connection: Connection, call: Waiting): void {
    connection.calls += 1
    connection.cancelIdle()
    const { request, handler } = call
    http2Call({
      session: connection.session,
      origin: options.origin,
      request,
      handler,
      onSilence: () => askForLife(connection, options.scheduler),
      onEnd: () => ended(connection),
      // The service did not look at the request (RFC 9113 §8.7), so it is sent once more, on another connection if this
      // one is going.
      onRefused: call.isSecondTry === true ? undefined : () => place({ ...call, isSecondTry: true }),
    })
  }

  function ended(connection: Connection): void {
    connection.calls -= 1
    if (connection.calls === 0) rest(connection)
    serveWaiting()
    leaveIfEmpty()
  }

  /** Nothing runs on the connection any more. */
  function rest(connection: Connection): void {
    if (connection.life === 'doubted') connection.socket.destroy()
    else connection.cancelIdle = options.scheduler.after(IDLE_MS, () => connection.session.close())
  }

  function serveWaiting(): void {
    for (let connection = free(); connection !== undefined; connection = free()) {
      const next = waiting.next()
      if (next === undefined) return
      begin(connection, next)
    }
  }

  function openIfShort(): void {
    if (waiting.size > connecting * MAX_CALLS && connections.size + connecting < maxConnections) open()
  }

  function open(): void {
    connecting += 1
    openSession(options).then(
      opened => {
        connecting -= 1
        adopt(opened)
        const before = waiting.size
        serveWaiting()
        if (waiting.size === 0) leaveIfEmpty()
        // A service that turns every connection away at once would otherwise be asked for the next one without end.
        else if (waiting.size === before)
          failUnlessConnecting(new UpstreamFailure('ANSWER_CUT', 'takes connections, but no requests'))
        else openIfShort()
      },
      (error: Error) => {
        connecting -= 1
        failUnlessConnecting(error)
      },
    )
  }

  function adopt({ session, socket }: OpenedSession): void {
    if (isClosed) {
      socket.destroy()
      return
    }
    const connection: Connection = { slot: -1, session, socket, calls: 0, cancelIdle: () => {}, life: 'proven' }
    connections.add(connection)
    rest(connection)
    // The service may take more requests than before.
    session.on('remoteSettings', serveWaiting)
    session.on('close', () => {
      connections.delete(connection)
      connection.cancelIdle()
      openIfShort()
    })
  }

  function failUnlessConnecting(error: Error): void {
    if (connecting === 0) failWaiting(error)
  }

  function failWaiting(error: Error): void {
    for (const { handler } of waiting.clear()) fail(handler, error)
    leaveIfEmpty()
  }

  function isEmpty(): boolean {
    return connecting === 0 && waiting.size === 0 && [...connections].every(({ calls }) => calls === 0)
  }

  function leaveIfEmpty(): void {
    if (onEmpty !== undefined && isEmpty()) onEmpty()
  }

  return {
    dispatch,
    async drain() {
      await new Promise<void>(resolve => {
        onEmpty = resolve
        leaveIfEmpty()
      })
      await allClosed(connections, ({ session }) => session.close())
    },
    async close() {
      isClosed = true
      failWaiting(new UpstreamFailure('UPSTREAM_CLOSED', 'the connections were closed'))
      await allClosed(connections, ({ socket }) => socket.destroy())
    },
  }
}

function fail(handler: UpstreamHandler, error: Error): void {
  handler.onError(error)
}

/** @returns of the connections that take one more request, the one with the fewest */
function freest(connections: Iterable<Connection>, whereabouts: Whereabouts): Connection | undefined {
  let found: Connection | undefined
  for (const connection of connections) {
    const { session, socket, calls, life } = connection
    if (session.closed || session.destroyed || life === 'doubted') continue
    if (!whereabouts.isCurrent(socket.remoteAddress)) {
      // The requests that run on it are served to their end.
      session.close()
      continue
    }
    const allowed = Math.min(MAX_CALLS, session.remoteSettings.maxConcurrentStreams ?? MAX_CALLS)
    if (calls < allowed && (found === undefined || calls < found.calls)) found = connection
  }
  return found
}

async function allClosed(connections: Iterable<Connection>, close: (connection: Connection) => void): Promise<void> {
  const closed = (connection: Connection) =>
    new Promise<void>(resolve => {
      connection.session.once('close', () => resolve())
      close(connection)
    })
  await Promise.all([...connections].map(closed))
}

/**
 * Finds out whether the other end is still there. A connection whose other end is gone without a word takes
 * requests until TCP gives up, after a quarter of an hour. One that does not prove itself gets no more of them;
 * those that run on it have their own time.
 *
 * It asks by settings, which must be acknowledged at once (RFC 9113 §6.5.3): gRPC's servers end a
 * connection over a few pings.
 */
function askForLife(connection: Connection, scheduler: Scheduler): void {
  const { session, socket } = connection
  if (session.closed || session.destroyed || connection.life !== 'proven') return
  connection.life = 'asked'
  const cancelDoubt = scheduler.after(PROOF_OF_LIFE_MS, () => {
    connection.life = 'doubted'
    if (connection.calls === 0) socket.destroy()
  })
  session.settings({}, () => {
    cancelDoubt()
    connection.life = 'proven'
  })
}
