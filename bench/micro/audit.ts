/** Times what a record of a decision costs the request: its text, and its place in the queue. Writing is not in it. */
import { Denial } from '../../src/errors.ts'
import type { Exchange } from '../../src/exchange.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { audit } from '../../src/telemetry/audit/audit.ts'
import type { Case } from './harness.ts'

/** Nobody writes what waits while a case runs, so it is let go of from time to time. */
const MOST_LINES = 1_000

/** @param exchange gives a request that was let through */
export function auditCases(exchange: (index: number) => Exchange): readonly Case[] {
  let lines: string[] = []
  const records = audit({
    what: 'all',
    onFull: 'refuse',
    sink: {
      add(line) {
        if (lines.push(line) >= MOST_LINES) lines = []
        return true
      },
      trouble: undefined,
      status: () => ({ file: '', state: 'ok', lastError: undefined, queued: 0 }),
      open() {},
      reopen() {},
      flushNow() {},
      close: async () => {},
    },
    clock: systemClock,
  })
  const refused = (index: number): Exchange => {
    const each = exchange(index)
    each.upstreamStartedMs = undefined
    // Nothing is answered yet.
    Object.assign(each.response, { headersSent: false })
    return each
  }
  const denial = new Denial('scope_missing', { evidence: { missing: ['orders:write'], granted: ['orders:read'] } })
  return [
    {
      name: 'audit record of a request that passed',
      run: at => records.passed(exchange(at)),
      beside: at => exchange(at),
    },
    {
      name: 'audit record of a refusal',
      run: at => records.refused(refused(at), denial),
      beside: at => refused(at),
    },
  ]
}
