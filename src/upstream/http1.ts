/**
 * Keeps the connections to a service that speaks HTTP/1.1: opens them, lends each to one request at a time, and ends
 * them before the service does.
 *
 * RFC 9112 §9.3 (persistence), §9.5 (a connection may end at any time). A request never waits for one particular
 * connection: whichever is free first takes the one that has waited longest.
 */
import type { Socket } from 'node:net'
import type { Scheduler } from '../lib/scheduler.ts'
import type { UpstreamConnections, UpstreamHandler, UpstreamRequest } from './connections.ts'
import type { Connect } from './connector.ts'
import { UpstreamFailure } from './failure.ts'
import { Http1Call } from './http1-call.ts'
import { Http1Connection } from './http1-connection.ts'
import { turnEnd } from './turn-end.ts'
import { waitingRoom } from './waiting-room.ts'
import type { Whereabouts } from './whereabouts.ts'

interface Http1UpstreamOptions {
  readonly id: string
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string
  readonly connect: Connect
  readonly whereabouts: Whereabouts
  readonly scheduler: Scheduler
  /** The most connections at a time. */
  readonly maxConnections: number
  /** For how long a request waits when so many are in use. */
  readonly connectTimeoutMs: number
  /** The longest time that a connection stays without a request. */
  readonly keepAliveMs: number
  /** The longest head of an answer. */
  readonly maxHeadBytes: number
}

/** This often the idle connections are looked at. */
const ROUND_MS = 250
/** So many connections more than others get are for probes. */
const PROBES = 2
/** A service that announces when it will end a connection may be that much earlier. */
const HINT_MARGIN_MS = 1_000

export function http1Upstream(options: Http1UpstreamOptions): UpstreamConnections {
  const { scheduler, maxConnections, keepAliveMs, whereabouts } = options
  const { host: authority } = new URL(options.origin)
  const open = new Set<Http1Connection>()
  /** The one that was used last is used next, so that those too many end. */
  let idle: Http1Connection[] = []
  /** The connections that carry something else than HTTP by now. */
  let switched = 0
  let connecting = 0
  let isSweeping = false
  let isClosed = false
  /** Is set once no more requests are taken. */
  let onEmpty: (() => void) | undefined

  const turn = turnEnd<Http1Call, Http1Connection>({ place, recycle })
  const waiting = waitingRoom<Http1Call>({
    upstream: options.id,
    scheduler,
    maxConnections,
    maxWaitMs: options.connectTimeoutMs,
    expected: () => connecting,
    refuse(call, error) {
      call.fail(error)
      leaveIfEmpty()
    },
  })

  function dispatch(request: UpstreamRequest, handler: UpstreamHandler): void {
    if (isClosed || onEmpty !== undefined) handler.onError(new UpstreamFailure('UPSTREAM_CLOSED', 'no more requests'))
    else turn.placeSoon(new Http1Call({ request, handler, onStale: wait, onGivenUp }))
  }

  function place(call: Http1Call): void {
    const connection = call.needsFresh ? undefined : takeIdle()
    if (connection === undefined) wait(call)
    else connection.carry(call)
  }

  function takeIdle(): Http1Connection | undefined {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.isGone) continue
      if (whereabouts.isCurrent(connection.remoteAddress)) return connection
      connection.discard()
    }
    return undefined
  }

  function wait(call: Http1Call): void {
    if (isClosed) {
      call.fail(new UpstreamFailure('UPSTREAM_CLOSED', 'no more requests'))
      leaveIfEmpty()
      return
    }
    if (call.request.isProbe === true) waiting.enterFirst(call)
    else waiting.enter(call)
    call.queue()
    openMore()
  }

  function onGivenUp(call: Http1Call): void {
    waiting.leave(call)
    leaveIfEmpty()
  }

  function openMore(): void {
    while (connecting < waiting.size && open.size + switched + connecting < mostConnections()) connectOne()
    // An idle connection gives its place to a request that needs a new one.
    if (connecting < waiting.size) idle.find(({ isGone }) => !isGone)?.discard()
  }

  function mostConnections(): number {
    // Probes wait before all others: it is one of them for whom the next connection would be.
    return waiting.at(connecting)?.request.isProbe === true ? maxConnections + PROBES : maxConnections
  }

  function connectOne(): void {
    connecting += 1
    options.connect().then(
      socket => {
        connecting -= 1
        if (socket.destroyed) failNext(new UpstreamFailure('ANSWER_CUT', 'closed as soon as it was connected'))
        else adopt(socket)
      },
      (error: Error) => {
        connecting -= 1
        failNext(error)
      },
    )
  }

  function failNext(error: Error): void {
    waiting.next()?.fail(error)
    openMore()
    leaveIfEmpty()
  }

  function adopt(socket: Socket): void {
    const connection = new Http1Connection({
      socket,
      authority,
      maxHeadBytes: options.maxHeadBytes,
      onFree: turn.recycleLater,
      onGone,
      onDetached,
    })
    open.add(connection)
    if (isClosed) connection.discard()
    else lend(connection, waiting.next())
  }

  /** The turn in which the answer ended is over, and nothing came after it. */
  function recycle(connection: Http1Connection): void {
    if (connection.isGone) return
    const isWanted =
      open.size + switched <= maxConnections && keepAliveMs > 0 && whereabouts.isCurrent(connection.remoteAddress)
    // It gives its place to a request that needs a new connection, has waited longest and would wait for ever.
    const isInTheWay = connecting === 0 && waiting.at(0)?.needsFresh === true
    if (isWanted && !isInTheWay) lend(connection, waiting.next(takesUsed))
    else connection.discard()
  }

  function lend(connection: Http1Connection, call: Http1Call | undefined): void {
    if (call !== undefined) connection.carry(call)
    else if (onEmpty !== undefined || idleLimitMs(connection) <= 0) connection.discard()
    else {
      connection.idleMs = 0
      idle.push(connection)
      sweepSoon()
      openMore()
    }
  }

  function onDetached(socket: Socket): void {
    switched += 1
    socket.once('close', () => {
      switched -= 1
      openMore()
    })
  }

  function onGone(connection: Http1Connection): void {
    open.delete(connection)
    openMore()
    leaveIfEmpty()
  }

  function idleLimitMs({ parser }: Http1Connection): number {
    const hint = parser.keepAliveSeconds
    return hint === undefined ? keepAliveMs : Math.min(keepAliveMs, hint * 1000 - HINT_MARGIN_MS)
  }

  function sweepSoon(): void {
    if (isSweeping) return
    isSweeping = true
    scheduler.after(ROUND_MS, sweep)
  }

  function sweep(): void {
    isSweeping = false
    for (const connection of idle) {
      connection.idleMs += ROUND_MS
      if (connection.idleMs >= idleLimitMs(connection)) connection.discard()
    }
    idle = idle.filter(({ isGone }) => !isGone)
    if (idle.length > 0) sweepSoon()
  }

  function leaveIfEmpty(): void {
    if (onEmpty === undefined) return
    // A request that is sent once more enters the waiting room only after its connection is gone.
    queueMicrotask(() => {
      if (open.size + connecting + waiting.size + turn.size === 0) onEmpty?.()
    })
  }

  return {
    dispatch,
    drain: () =>
      new Promise(resolve => {
        onEmpty = resolve
        for (const connection of idle.splice(0)) connection.discard()
        leaveIfEmpty()
      }),
    async close() {
      isClosed = true
      const error = new UpstreamFailure('UPSTREAM_CLOSED', 'the connections were closed')
      for (const call of waiting.clear()) call.fail(error)
      const closed = [...open].map(({ socket }) => whenClosed(socket))
      for (const connection of open) connection.end(error)
      leaveIfEmpty()
      await Promise.all(closed)
    },
  }
}

function takesUsed(call: Http1Call): boolean {
  return !call.needsFresh
}

function whenClosed(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
}
