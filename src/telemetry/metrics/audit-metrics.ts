/** Counts audit records, and shows whether they can be written. */
import type { Series } from './series.ts'

const AUDIT_RESULTS = ['written', 'dropped'] as const
export type AuditResult = (typeof AUDIT_RESULTS)[number]

export function auditMetrics({ gauge, overall }: Series) {
  const records = overall(
    'audit_records_total',
    'Records of decisions, by whether they were written or dropped. Dropped ones are gone: see /-/status for the reason.',
    AUDIT_RESULTS.map(result => ({ result })),
  )
  const up = gauge(
    'audit_up',
    '0: audit records cannot be written; they wait, then are dropped, or refuse requests. See last_error of /-/status.',
    'min',
  )
  up.remove()

  return {
    auditRecords(result: AuditResult, count: number): void {
      records.add(AUDIT_RESULTS.indexOf(result), count)
    },
    /** Whether records can be written; undefined: none are asked for. */
    auditUp(isUp: boolean | undefined): void {
      if (isUp === undefined) up.remove()
      else up.set(isUp ? 1 : 0)
    },
  }
}
