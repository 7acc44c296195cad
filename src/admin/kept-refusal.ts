/** One refusal in the memory of refusals: as it is kept, as it is settled, and as it is told. */
import type { Denial, DenialCode } from '../errors.ts'
import { evidenceText } from '../lib/evidence-text.ts'
import { redactHost, redactPath } from '../lib/redact-path.ts'
import type { JsonObject } from '../types.ts'
import { type Caller, explainLine } from './explain-line.ts'
import type { RecentRefusal } from './recent.ts'

/** How callers are named: `admin.console.subjects`. */
export type Subjects = 'hash' | 'plain' | 'none'

export interface Kept {
  readonly number: number
  readonly timeMs: number
  readonly requestId: string
  readonly isReport: boolean
  readonly code: DenialCode
  readonly status: number | undefined
  readonly method: string
  host: string
  /** The target as it came, until it is settled. */
  path: string
  /** Id of the route or of the endpoint, since either would keep a policy that is not in force any more. */
  readonly route: string | undefined
  readonly isEndpoint: boolean
  readonly provider: string | undefined
  /** Nothing but a text once it is settled. */
  subject: unknown
  readonly caller: Caller | undefined
  readonly client: string | undefined
  readonly traceId: string | undefined
  /** As JSON once it is settled. */
  evidence: Denial['evidence'] | string
  isSettled: boolean
  next: Kept | undefined
}

const MOST_EVIDENCE_CHARS = 2_000
/** A part of a subject stands for all of it. */
const MOST_SUBJECT_CHARS = 256

/**
 * Copies out of the head of the request what is kept of it, and bounds that. The evidence may name the caller, whose
 * name is told only as the configuration says.
 */
export function settle(kept: Kept, subjects: Subjects): void {
  if (kept.isSettled) return
  kept.isSettled = true
  kept.path = copied(redactPath(kept.path))
  kept.host = copied(redactHost(kept.host))
  const { sub, ...evidence } = typeof kept.evidence === 'object' ? kept.evidence : {}
  const subject = kept.subject ?? sub
  const isKept = typeof subject === 'string' && subjects !== 'none'
  kept.subject = isKept ? copied(subject.slice(0, MOST_SUBJECT_CHARS)) : undefined
  kept.evidence = Object.keys(evidence).length === 0 ? undefined : evidenceJson(evidence)
}

/** One text is the smallest copy. What cannot be written is a bug, which must not end the process. */
function evidenceJson(evidence: NonNullable<Denial['evidence']>): string {
  let text: string
  try {
    text = JSON.stringify(evidence)
  } catch {
    text = '{"unreadable":true}'
  }
  return text.length <= MOST_EVIDENCE_CHARS ? text : JSON.stringify({ cut: text.slice(0, MOST_EVIDENCE_CHARS) })
}

/** A part of a string would keep the whole string in memory. */
function copied(text: string): string {
  return Buffer.from(text).toString()
}

/** @param kept is settled */
export function refusalOf(kept: Kept, nameOf: (subject: string) => string): RecentRefusal {
  const { code, method, path, host, route, isEndpoint, caller, subject } = kept
  const evidence = typeof kept.evidence === 'string' ? (JSON.parse(kept.evidence) as JsonObject) : undefined
  return {
    time: new Date(kept.timeMs).toISOString(),
    request_id: kept.requestId,
    decision: kept.isReport ? 'report' : 'deny',
    code,
    status: kept.status,
    method,
    host,
    path,
    route,
    provider: kept.provider,
    subject: typeof subject === 'string' ? evidenceText(nameOf(subject)) : undefined,
    client: kept.client,
    trace_id: kept.traceId,
    evidence,
    explain: explainLine({ code, method, path, host, caller, evidence, isEndpoint }),
  }
}
