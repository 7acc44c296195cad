/**
 * Everything that goes on after it was let in: responses still streaming, and tunnels. Closes it when the token that let
 * it in has expired, and a tunnel on which nothing passes any more.
 *
 * A token is checked when its request arrives; without this, a stream opened a second before `exp` would serve for ever,
 * and a service that is stuck would hold the connections of all its clients.
 * All streams share one look at the clocks a second: each is closed at most a second after its token, and a tunnel at most
 * two seconds after its time to be silent. Small answers, which leave in one piece, never come here; how long other answers
 * may be silent is for the connection to the upstream to say.
 */
import type { Exchange } from '../exchange.ts'
import type { Clock } from '../lib/clock.ts'
import { rounds } from '../lib/rounds.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { OpenStream, StreamEnd } from '../types.ts'

export interface StreamsOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
}

export interface Streams {
  /**
   * @param close ends both sides
   * @param passedBytes what has passed so far, both ways; given for a tunnel, which is closed when it stays the same
   */
  opened(exchange: Exchange, close: (end: StreamEnd) => void, passedBytes?: () => number): void
  /** Call at the end of every exchange. */
  ended(exchange: Exchange): void
  closeAll(end: StreamEnd): void
}

const ROUND_MS = 1_000

export function streams({ clock, scheduler }: StreamsOptions): Streams {
  const open = rounds<OpenStream>({
    scheduler,
    intervalMs: () => ROUND_MS,
    visit: stream => {
      if (stream.expiresAtMs <= clock.nowMs()) end(stream, 'expired')
      else if (silentMs(stream, clock.monotonicMs()) >= stream.idleTimeoutMs) end(stream, 'idle')
    },
  })

  function end(stream: OpenStream, reason: StreamEnd): void {
    open.delete(stream)
    stream.close(reason)
  }

  return {
    opened(exchange, close, passedBytes) {
      exchange.stream = {
        slot: -1,
        expiresAtMs: expiresAtMs(exchange),
        passedBytes,
        idleTimeoutMs: exchange.findings.route?.tunnelIdleTimeoutMs ?? Number.POSITIVE_INFINITY,
        seenBytes: 0,
        sinceMs: clock.monotonicMs(),
        close(reason) {
          exchange.streamEnd = reason
          close(reason)
        },
      }
      open.add(exchange.stream)
    },
    ended({ stream }) {
      if (stream !== undefined) open.delete(stream)
    },
    closeAll(reason) {
      for (const stream of open) end(stream, reason)
    },
  }
}

function expiresAtMs({ findings }: Exchange): number {
  const { principal, route } = findings
  if (principal === undefined || route === undefined) return Number.POSITIVE_INFINITY
  return principal.validUntilMs + route.streamGraceMs
}

/** Since the last round that found something new. Compared once a second, it costs a message nothing. */
function silentMs(stream: OpenStream, nowMs: number): number {
  const passedBytes = stream.passedBytes?.()
  if (passedBytes === undefined) return 0
  if (passedBytes !== stream.seenBytes) {
    stream.seenBytes = passedBytes
    stream.sinceMs = nowMs
  }
  return nowMs - stream.sinceMs
}
