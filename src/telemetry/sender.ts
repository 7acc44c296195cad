/**
 * Reads from the head of a request what its log line says of the sender: address, program and trace.
 *
 * All of it is short, and nothing in it can break a line or command a terminal. What a client says of its own address
 * counts only where `client-address.ts` believes it.
 */
import { boundedMemo } from '../lib/bounded-memo.ts'
import { redactText } from '../lib/redact-path.ts'
import { isTraceparent } from '../lib/traceparent.ts'
import type { Policy } from '../policy.ts'
import type { RequestFacts, Sender } from '../types.ts'

const MAX_USER_AGENT_CHARS = 120

/** There are few programs among many requests. */
const userAgentText = boundedMemo(value => redactText(value, MAX_USER_AGENT_CHARS), {
  maxEntries: 1000,
  maxKeyLength: 512,
})

/** @param facts whose head is not forgotten yet */
export function senderOf(
  facts: Pick<RequestFacts, 'peer' | 'rawHeaders'>,
  { clientAddress }: Pick<Policy, 'clientAddress'>,
): Sender {
  const { rawHeaders } = facts
  let userAgent: string | undefined
  let traceparent: string | undefined
  let isOneTrace = true
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === USER_AGENT.length && userAgent === undefined && name.toLowerCase() === USER_AGENT)
      userAgent = rawHeaders[i + 1]
    else if (name.length === TRACEPARENT.length && name.toLowerCase() === TRACEPARENT) {
      isOneTrace = traceparent === undefined
      traceparent = rawHeaders[i + 1]
    }
  }
  return {
    client: clientAddress(facts),
    userAgent: userAgent === undefined || userAgent === '' ? undefined : userAgentText(userAgent),
    traceId: traceparent !== undefined && isOneTrace && isTraceparent(traceparent) ? traceIdIn(traceparent) : undefined,
  }
}

const USER_AGENT = 'user-agent'
const TRACEPARENT = 'traceparent'

/** Version 00 has no more than this. */
const TRACEPARENT_CHARS = 55

/** @returns what keeps no long string in memory, as a part of one would: later versions may append to it */
function traceIdIn(traceparent: string): string {
  const traceId = traceparent.slice(3, 35)
  return traceparent.length <= TRACEPARENT_CHARS ? traceId : Buffer.from(traceId, 'latin1').toString('latin1')
}
