/**
 * Answers bytes that are no request, without disturbing the requests around them.
 *
 * Node's parser reports such bytes for a connection and not for a request, and whatever is written to the connection
 * then stands behind or amid answers that are still to come. So what happens depends on the last request there:
 * - When none is under way, the bytes are answered.
 * - When it has arrived in full, it is served, and then the connection ends.
 * - When its own body is what is broken, it is refused, or cut off if its answer has begun.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Denial, type DenialCode } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { randomHex } from '../lib/random-hex.ts'
import { refusalResponse } from './response.ts'

interface BrokenRequests {
  /** Call when a request begins, so that broken bytes on its connection are seen together with it. */
  begun(exchange: Exchange): void
  /** Call when the request has ended. */
  ended(exchange: Exchange): void
  /** True while a request is under way on the connection. */
  isBusy(socket: Socket): boolean
  /** Handles Node's `clientError`. */
  answer(error: NodeJS.ErrnoException, socket: Socket): void
  /** Handles Node's `connect`: CONNECT (RFC 9110 §9.3.6) asks for a tunnel past the policy. */
  refuseTunnel(request: Pick<IncomingMessage, 'socket'>, tunnel: Duplex): void
}

interface BrokenRequestsOptions {
  /** Called for each refusal that has no exchange. One that has an exchange is recorded when that ends. */
  readonly onRefused: (denial: Denial, requestId: string, socket: Socket) => void
  /** Refuses a request of which a part has arrived. */
  readonly refuse: (exchange: Exchange, denial: Denial) => void
}

export function brokenRequests({ onRefused, refuse }: BrokenRequestsOptions): BrokenRequests {
  /** Requests under way on each connection, oldest first: rarely more than one. `Roster` says why it is no `Set`. */
  const active = new WeakMap<Socket, Exchange[]>()

  return {
    begun(exchange) {
      const { socket } = exchange.request
      const exchanges = active.get(socket)
      if (exchanges === undefined) active.set(socket, [exchange])
      else exchanges.push(exchange)
    },
    ended(exchange) {
      const exchanges = active.get(exchange.request.socket)
      const at = exchanges?.indexOf(exchange) ?? -1
      if (at !== -1) exchanges?.splice(at, 1)
    },
    isBusy: socket => (active.get(socket)?.length ?? 0) > 0,
    answer(error, socket) {
      const code = brokenRequestCode(error)
      const last = active.get(socket)?.at(-1)
      // Once our side is closed, the client has had its last answer, and what it still sends is dropped.
      if (code === undefined || (last === undefined && socket.writableEnded)) socket.destroy()
      else if (last === undefined) answerAlone(new Denial(code, { evidence: { reason: error.code } }), socket)
      else if (last.request.complete) last.response.once('close', () => socket.destroy())
      else refuseRest(last, new Denial(code, { evidence: { reason: error.code } }))
    },
    refuseTunnel({ socket }, tunnel) {
      // Node has taken its own listeners from the socket, so an error would end the process. While a body is still to
      // come, Node hands over a stream of its own that passes errors on.
      for (const each of [socket, tunnel]) each.on('error', () => {})
      const underWay = active.get(socket) ?? []
      // For the same reason nobody would notice any more that the client takes more of its answers, or has left.
      for (const { response } of [...underWay]) response.abort()
      if (underWay.length === 0)
        answerAlone(new Denial('request_malformed', { evidence: { reason: 'CONNECT' } }), socket)
    },
  }

  function refuseRest(exchange: Exchange, denial: Denial): void {
    if (exchange.forwarding === undefined) refuse(exchange, denial)
    else exchange.forwarding.cancel(denial)
  }

  function answerAlone(denial: Denial, socket: Socket): void {
    const requestId = randomHex(16)
    onRefused(denial, requestId, socket)
    writeAnswer(denial, requestId, socket)
  }
}

/**
 * Says what an error of Node's parser or timer means.
 *
 * @returns undefined when there is nobody left to answer
 */
function brokenRequestCode(error: NodeJS.ErrnoException): DenialCode | undefined {
  switch (error.code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return undefined
    case 'HPE_HEADER_OVERFLOW':
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'headers_too_large'
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request_timeout'
    default:
      return error.code?.startsWith('HPE_') === true ? 'request_malformed' : undefined
  }
}

/** Answers on a bare socket, where no request object exists, and closes it. */
function writeAnswer(denial: Denial, requestId: string, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const { status, headers, body } = refusalResponse(denial, undefined, undefined, requestId)
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}`)
  socket.end([`HTTP/1.1 ${status} ${denial.spec.title}`, ...lines, '', body].join('\r\n'), () => socket.destroy())
}
