/**
 * Ends uploads, long answers and tunnels when the token that let them in has expired or was revoked, and tunnels on
 * which nothing passes.
 *
 * A token is checked when its request arrives. Without this file a stream that was opened a second before `exp` would
 * be served for ever, and a service that is stuck would hold the connections of all its clients.
 *
 * All streams share one look at the clocks a second. So a stream is closed at most a second after its token expires,
 * and a tunnel at most two seconds after its idle timeout. A small answer, which leaves in one piece, never comes here.
 * An upload is watched until it is over or its answer begins, which is then watched instead.
 * The idle timeout of other answers belongs to the connection to the upstream.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Exchange } from '../exchange.ts'
import type { Clock } from '../lib/clock.ts'
import type { Enrolled } from '../lib/roster.ts'
import { rounds } from '../lib/rounds.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { GrantEnd, OpenStream, Principal, StreamEnd } from '../types.ts'

interface StreamsOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Whether the token of a principal is revoked by now. */
  readonly isRevoked: (principal: Principal) => boolean
}

/**
 * A request whose body is still to come. It is an object with a method, because every request with a body has one, and
 * `Forwarding` says what a function would cost.
 */
export interface Upload extends Enrolled {
  readonly exchange: Exchange
  /** Ends both sides. */
  end(end: GrantEnd): void
}

interface ExchangeStream extends OpenStream {
  readonly exchange: Exchange
}

export interface Streams {
  /** Call when a request with a body is forwarded. */
  uploading(upload: Upload): void
  /** Call when the answer begins or the request is over, at the latest. */
  uploaded(upload: Upload): void
  /**
   * @param close ends both sides
   * @param passedBytes given for a tunnel: how much has passed, both ways; while that stays the same the tunnel is idle
   */
  opened(exchange: Exchange, close: (end: StreamEnd) => void, passedBytes?: () => number): void
  /** Call at the end of every exchange. */
  ended(exchange: Exchange): void
  closeAll(end: StreamEnd): void
  /** Call when something was revoked. Those whose tokens are hit end within a tenth of a second. */
  revocationsChanged(): void
}

const ROUND_MS = 1_000
/** Many revocations in a short time cause one look at the streams. */
const REVOKED_LOOK_MS = 50
const SLICE = 500

export function streams({ clock, scheduler, isRevoked }: StreamsOptions): Streams {
  const open = rounds<ExchangeStream>({
    scheduler,
    intervalMs: () => ROUND_MS,
    visit: stream => {
      const over = stream.expiresAtMs <= clock.nowMs() ? 'expired' : endOfTenure(stream.exchange)
      if (over !== undefined) end(stream, over)
      else if (silentMs(stream, clock.monotonicMs()) >= stream.idleTimeoutMs) end(stream, 'idle')
    },
  })

  const uploads = rounds<Upload>({
    scheduler,
    intervalMs: () => ROUND_MS,
    visit: upload => {
      const { exchange } = upload
      if (exchange.request.complete) {
        uploads.delete(upload)
        return
      }
      const over = expiresAtMs(exchange) <= clock.nowMs() ? 'expired' : endOfTenure(exchange)
      if (over !== undefined) endUpload(upload, over)
    },
  })
  let isLookDue = false

  function endUpload(upload: Upload, reason: GrantEnd): void {
    uploads.delete(upload)
    upload.exchange.streamEnd = reason
    upload.end(reason)
  }

  function lookSoon(): void {
    if (isLookDue) return
    isLookDue = true
    scheduler.after(REVOKED_LOOK_MS, () => void endRevoked())
  }

  /** After a reload each look may take a hundred times longer than usual, so that it is taken in slices. */
  async function endRevoked(): Promise<void> {
    isLookDue = false
    let looked = 0
    for (const stream of open) {
      if (stream.slot !== -1 && isHit(stream.exchange, isRevoked)) end(stream, 'revoked')
      if (++looked % SLICE === 0) await nextTurn()
    }
    for (const upload of uploads) {
      if (upload.slot !== -1 && isHit(upload.exchange, isRevoked)) endUpload(upload, 'revoked')
      if (++looked % SLICE === 0) await nextTurn()
    }
  }

  function end(stream: ExchangeStream, reason: StreamEnd): void {
    open.delete(stream)
    stream.close(reason)
  }

  return {
    uploading(upload) {
      if (upload.exchange.findings.principal !== undefined) uploads.add(upload)
    },
    uploaded: upload => uploads.delete(upload),
    opened(exchange, close, passedBytes) {
      const stream: ExchangeStream = {
        slot: -1,
        exchange,
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
      exchange.stream = stream
      open.add(stream)
      // Attack: the token is revoked while the service is still asked, when there is no stream yet that could be ended.
      if (isHit(exchange, isRevoked)) lookSoon()
    },
    ended({ stream }) {
      // Only this file makes streams.
      if (stream !== undefined) open.delete(stream as ExchangeStream)
    },
    closeAll(reason) {
      for (const stream of open) end(stream, reason)
    },
    revocationsChanged: lookSoon,
  }
}

/** A report-only route refuses nobody for a token. */
function isHit({ findings: { principal, route } }: Exchange, isRevoked: (principal: Principal) => boolean): boolean {
  return principal !== undefined && route?.mode === 'enforce' && isRevoked(principal)
}

/** The route's `onExpiry: keep` is about a time that was known when the stream began, and not about this. */
function endOfTenure({ findings: { principal, route } }: Exchange): GrantEnd | undefined {
  return principal?.tenure === undefined || route?.mode !== 'enforce' ? undefined : principal.tenure.endedBy()
}

function expiresAtMs({ findings }: Exchange): number {
  const { principal, route } = findings
  if (principal === undefined || route === undefined) return Number.POSITIVE_INFINITY
  return principal.validUntilMs + route.streamGraceMs
}

/**
 * Says how long nothing has passed, counted from the last round that found something new. This costs a message nothing,
 * because the bytes are compared only once a second.
 */
function silentMs(stream: OpenStream, nowMs: number): number {
  const passedBytes = stream.passedBytes?.()
  if (passedBytes === undefined) return 0
  if (passedBytes !== stream.seenBytes) {
    stream.seenBytes = passedBytes
    stream.sinceMs = nowMs
  }
  return nowMs - stream.sinceMs
}
