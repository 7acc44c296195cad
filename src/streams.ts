/**
 * Everything that goes on after it was let in: responses still streaming, and tunnels. Closes it when the token that let
 * it in has expired.
 *
 * A token is checked when its request arrives; without this, a stream opened a second before `exp` would serve for ever.
 * All streams share one look at the clock a second, so each is closed at most a second late. Small answers, which leave in
 * one piece, never come here.
 */
import type { Exchange } from './exchange.ts'
import type { Clock } from './lib/clock.ts'
import type { Enrolled } from './lib/roster.ts'
import { rounds } from './lib/rounds.ts'
import type { Scheduler } from './lib/scheduler.ts'

/** Why we closed a stream that both ends would have gone on with. */
export const STREAM_ENDS = ['expired', 'stalled', 'shutdown'] as const
export type StreamEnd = (typeof STREAM_ENDS)[number]

export interface OpenStream extends Enrolled {
  /** Milliseconds since the epoch; infinite for anonymous callers and where streams are kept. */
  readonly expiresAtMs: number
  close(end: StreamEnd): void
}

export interface StreamsDeps {
  readonly clock: Clock
  readonly scheduler: Scheduler
}

export interface Streams {
  /** @param close ends both sides */
  opened(exchange: Exchange, close: (end: StreamEnd) => void): void
  /** Call at the end of every exchange. */
  ended(exchange: Exchange): void
  closeAll(end: StreamEnd): void
}

const ROUND_MS = 1_000

export function streams({ clock, scheduler }: StreamsDeps): Streams {
  const open = rounds<OpenStream>({
    scheduler,
    intervalMs: () => ROUND_MS,
    visit: stream => {
      if (stream.expiresAtMs <= clock.nowMs()) end(stream, 'expired')
    },
  })

  function end(stream: OpenStream, reason: StreamEnd): void {
    open.delete(stream)
    stream.close(reason)
  }

  return {
    opened(exchange, close) {
      exchange.stream = {
        slot: -1,
        expiresAtMs: expiresAtMs(exchange),
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

function expiresAtMs({ principal, route, policy }: Exchange): number {
  if (principal === undefined || route === undefined) return Number.POSITIVE_INFINITY
  const provider = policy.providers.find(({ id }) => id === principal.provider)
  return principal.expiresAtSeconds * 1000 + (provider?.clockToleranceMs ?? 0) + route.streamGraceMs
}
