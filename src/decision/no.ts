/**
 * Makes the answer that keeps a request from passing, in a status that the proxy understands.
 *
 * It is never one that could be taken for a yes: neither the 200 of a gRPC call nor a redirect. The proxy turns the
 * status into one of gRPC by itself, if it knows that protocol. nginx knows 401 and 403; any other status counts as its
 * own failure, which is right where the gateway cannot judge.
 */
import { FORBIDDEN, UNAUTHORIZED } from '../errors.ts'
import type { HeaderRecord } from '../exchange.ts'
import { type RefusalWriter, refusalResponse } from '../refusal/response.ts'
import type { Answer } from '../types.ts'
import type { Caller } from './callers.ts'

const LOWEST_REFUSAL = 400
const LOWEST_FAULT = 500

/** Say what was refused, and with which status, where the status itself cannot. */
const CODE = 'x-sallyport-code'
const STATUS = 'x-sallyport-status'

export function refusalFor(caller: Caller): RefusalWriter {
  return (denial, facts, findings, requestId) => {
    const asked = facts && { ...facts, rawHeaders: withoutType(facts.rawHeaders) }
    const { status, headers, body } = refusalResponse(denial, asked, findings, requestId)
    return { status: statusFor(caller, status), headers: codeFor(caller, { code: denial.code, status }, headers), body }
  }
}

/** Callers but Envoy pass on no answer with a status of success, so that its lines come with a refusal. */
export function preflightFor(caller: Caller, answer: Answer): Answer {
  if (caller === 'envoy') return answer
  const told = caller === 'nginx' ? [STATUS, String(answer.status)] : []
  const headers = [...answer.headers, 'Cache-Control', 'no-store', CODE, 'preflight', ...told]
  return { ...answer, status: FORBIDDEN, headers }
}

function statusFor(caller: Caller, status: number): number {
  if (status < LOWEST_REFUSAL) return FORBIDDEN
  return caller !== 'nginx' || status >= LOWEST_FAULT || status === UNAUTHORIZED ? status : FORBIDDEN
}

function codeFor(
  caller: Caller,
  { code, status }: { readonly code: string; readonly status: number },
  headers: HeaderRecord,
): HeaderRecord {
  return caller === 'nginx' ? { ...headers, [CODE]: code, [STATUS]: String(status) } : headers
}

/** The type of the client's body would make it an answer to a gRPC call. */
function withoutType(rawHeaders: readonly string[]): readonly string[] {
  return rawHeaders.filter((_, i) => (rawHeaders[i - (i % 2)] as string).toLowerCase() !== 'content-type')
}
