/** One check of a request, as an explanation shows it: what it wanted, and what it saw. */

/** `skipped`: it was not made, or nothing depends on it. */
export type CheckResult = 'ok' | 'fails' | 'skipped'

export interface ExplainedCheck {
  readonly check: string
  readonly result: CheckResult
  readonly wanted: string
  readonly saw: string
}
