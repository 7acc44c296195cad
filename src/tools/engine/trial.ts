/**
 * Puts one request through the engine that serves traffic: the facts of a request made by hand, and `decide` on them.
 *
 * The facts are what Node's parser would have handed over: one character a byte, names and values as they came.
 */
import { METHODS } from 'node:http'
import { decide } from '../../decide.ts'
import { requestId } from '../../downstream/request-id.ts'
import { Denial } from '../../errors.ts'
import { isToken } from '../../lib/field-name.ts'
import { type Findings, type ForwardDecision, type Policy, Undecided } from '../../policy.ts'
import type { Answer, Peer, RequestFacts } from '../../types.ts'
import { NO_CALL } from './tool-call.ts'

export interface Trial {
  /** What each stage found out. */
  readonly findings: Findings
  /** What the client would be told; undefined when the request passes. */
  readonly denial: Denial | undefined
  /** Flat names and values for the upstream; undefined when the request is not forwarded. */
  readonly upstreamHeaders: readonly string[] | undefined
  /** What the gateway answers itself; undefined where it does not, or where the answer depends on a body. */
  readonly answer: Answer | undefined
}

/** Where a request comes from unless told otherwise: nobody's address (RFC 5737), so nobody's trusted proxy. */
export const SOMEBODY: Peer = { address: '192.0.2.1', protocol: 'http' }

/**
 * @param headers flat names and values; `Host` is added when it is missing
 * @throws {SyntaxError} no request could be written so; the message says why
 */
export function trialRequest(method: string, target: string, headers: readonly string[]): RequestFacts {
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
    httpVersion: '1.1',
    rawHeaders: [...(hasHost ? [] : ['Host', 'localhost']), ...headers.map(bytes)],
    peer: SOMEBODY,
    hasBody: undefined,
    headBytes: 0,
  }
}

/**
 * Never refuses by throwing; what it throws is a bug.
 *
 * @param body what is judged where the route judges bodies, and looked at nowhere else
 */
export async function trial(policy: Policy, facts: RequestFacts, body: Buffer = NO_CALL): Promise<Trial> {
  const findings = new Undecided()
  const result = { findings, denial: undefined, upstreamHeaders: undefined, answer: undefined }
  try {
    const decision = await decide(facts, policy, findings)
    if (decision.kind === 'respond') return { ...result, answer: decision.answer }
    if (decision.kind === 'read') return result
    return {
      ...result,
      upstreamHeaders: forwarded(facts, policy, decision.kind === 'judge' ? decision.answer.judge(body) : decision),
    }
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return { ...result, denial: error }
  }
}

function forwarded(
  facts: RequestFacts,
  { traces }: Policy,
  { route, host, identityLines }: ForwardDecision,
): readonly string[] {
  const { rawHeaders, peer } = facts
  return route.requestHeaders({
    rawHeaders,
    host,
    peer,
    requestId: requestId(rawHeaders),
    trace: traces?.(facts),
    identityLines,
  })
}

/** As Node's parser gives it: one character a byte. */
function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
