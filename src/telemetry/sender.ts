/**
 * Reads from the head of a request what its log line says of the sender: address, program and trace.
 *
 * All of it is short, and nothing in it can break a line or command a terminal. What a client says of its own address
 * counts only where `client-address.ts` believes it.
 */
import type { Exchange } from '../exchange.ts'
import { boundedMemo } from '../lib/bounded-memo.ts'
import { redactText } from '../lib/redact-path.ts'
import type { Sender } from '../types.ts'
import { traceIdOf } from './trace-id.ts'

const MAX_USER_AGENT_CHARS = 120

/** There are few programs among many requests. */
const userAgentText = boundedMemo(value => redactText(value, MAX_USER_AGENT_CHARS), {
  maxEntries: 1000,
  maxKeyLength: 512,
})

/** Reads it once for each request: the refusal, the log, the audit log and the console all ask for it. */
export function senderOf(exchange: Exchange): Sender {
  exchange.sender ??= read(exchange)
  return exchange.sender
}

function read({ facts, policy, trace }: Exchange): Sender {
  const { rawHeaders } = facts
  let userAgent: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === USER_AGENT.length && userAgent === undefined && name.toLowerCase() === USER_AGENT)
      userAgent = rawHeaders[i + 1]
  }
  return {
    client: policy.clientAddress(facts),
    userAgent: userAgent === undefined || userAgent === '' ? undefined : userAgentText(userAgent),
    traceId: trace?.traceId ?? traceIdOf(rawHeaders),
  }
}

const USER_AGENT = 'user-agent'
