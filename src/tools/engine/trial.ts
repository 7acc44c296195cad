/**
 * Puts one request through the engine that serves traffic, without a socket: `decide` on a head made by hand.
 *
 * The head is what Node's parser would have handed over: one character a byte, names and values as they came.
 */
import { IncomingMessage, METHODS, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { decide } from '../../decide.ts'
import { requestId } from '../../downstream/request-id.ts'
import { Denial } from '../../errors.ts'
import { Exchange } from '../../exchange.ts'
import { traceContext } from '../../forward/trace-context.ts'
import { isToken } from '../../lib/field-name.ts'
import type { Policy } from '../../policy.ts'
import type { Peer } from '../../types.ts'

export interface TrialRequest {
  readonly method: string
  /** Path and query, one character a byte. */
  readonly target: string
  /** Flat names and values, `Host` included. */
  readonly rawHeaders: readonly string[]
  readonly peer: Peer
}

export interface Trial {
  /** What each stage found out; see {@link Exchange}. */
  readonly exchange: Exchange
  /** What the client would be told; undefined when the request passes. */
  readonly denial: Denial | undefined
  /** Flat names and values for the upstream; undefined when the request is refused. */
  readonly upstreamHeaders: readonly string[] | undefined
}

/** Where a request comes from unless told otherwise: nobody's address (RFC 5737), so nobody's trusted proxy. */
const SOMEBODY: Peer = { address: '192.0.2.1', protocol: 'http' }

/**
 * @param headers flat names and values; `Host` is added when it is missing
 * @throws {SyntaxError} no request could be written so; the message says why
 */
export function trialRequest(method: string, target: string, headers: readonly string[]): TrialRequest {
  if (!METHODS.includes(method)) {
    const upper = method.toUpperCase()
    throw new SyntaxError(`"${method}" is no HTTP method${METHODS.includes(upper) ? `; write ${upper}` : ''}`)
  }
  if (/[\s\p{Cc}]/u.test(target) || target === '') throw new SyntaxError('the path must not be empty or hold blanks')
  const names = headers.filter((_, index) => index % 2 === 0)
  const odd = names.find(name => !isToken(name))
  if (odd !== undefined) throw new SyntaxError(`"${odd}" is no header name`)
  const broken = headers.findIndex((value, index) => index % 2 === 1 && /(?!\t)\p{Cc}/u.test(value))
  if (broken !== -1) throw new SyntaxError(`the value of "${headers[broken - 1]}" holds control characters`)
  const hasHost = names.some(name => name.toLowerCase() === 'host')
  return {
    method,
    target: bytes(target),
    rawHeaders: [...(hasHost ? [] : ['Host', 'localhost']), ...headers.map(bytes)],
    peer: SOMEBODY,
  }
}

/** Never refuses by throwing; what it throws is a bug. */
export async function trial(policy: Policy, request: TrialRequest): Promise<Trial> {
  const exchange = exchangeOf(policy, request)
  try {
    await decide(exchange)
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return { exchange, denial: error, upstreamHeaders: undefined }
  }
  const { rawHeaders, peer } = request
  const { host, identityLines } = exchange
  const upstreamHeaders = policy.requestHeaders({
    rawHeaders,
    host,
    peer,
    requestId: exchange.requestId,
    trace: traceContext(rawHeaders),
    identityLines,
  })
  return { exchange, denial: undefined, upstreamHeaders }
}

function exchangeOf(policy: Policy, { method, target, rawHeaders, peer }: TrialRequest): Exchange {
  const raw = new IncomingMessage(new Socket())
  raw.method = method
  raw.httpVersion = '1.1'
  raw.rawHeaders = [...rawHeaders]
  return new Exchange({
    raw,
    res: new ServerResponse(raw),
    policy,
    target,
    peer,
    requestId: requestId(rawHeaders),
    startedMs: 0,
    expectsContinue: false,
  })
}

/** As Node's parser gives it: one character a byte. */
function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
