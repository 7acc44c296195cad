/** Counts what another proxy was told about its requests. */
import type { Series } from './series.ts'
import type { Tally } from './tally.ts'

const DECISION_RESULTS = ['allow', 'deny', 'preflight'] as const
type DecisionResult = (typeof DECISION_RESULTS)[number]

export function decisionMetrics({ tally }: Series) {
  const decisions = tally(
    'decisions_total',
    'Answers to the proxy that asks. deny: requests_total names the code. Nothing while it has traffic: it does not ask.',
    ['caller', 'result'],
    DECISION_RESULTS.map(result => ({ result })),
  )
  let ofCaller: Tally | undefined
  return {
    /** Shows them from the start. @param caller the proxy that asks */
    initDecisions(caller: string): void {
      ofCaller = decisions.of(caller, DECISION_RESULTS.keys())
    },
    decided(result: DecisionResult): void {
      ofCaller?.add(DECISION_RESULTS.indexOf(result))
    },
  }
}
