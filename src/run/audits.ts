/**
 * Keeps the audit log of the configuration in force.
 *
 * A policy leases the file that its records go to, so that a reload which leaves the file as it is keeps what waits to
 * be written. It is opened when the configuration is in force: one that is rejected makes no file.
 */

import { STANDARD_OUTPUT } from '../config/schema/local-paths.ts'
import type { Config } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { type Leases, leases } from '../lib/leases.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { type Audit, audit } from '../telemetry/audit/audit.ts'
import { type AuditSink, auditFile } from '../telemetry/audit/audit-file.ts'
import { auditStdout } from '../telemetry/audit/audit-stdout.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'

interface AuditServices {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly metrics: Metrics
}

/** The audit log of one configuration. */
interface LeasedAudit {
  /** Puts it in place of the one before. */
  putInForce(): void
  release(): void
}

export interface Audits {
  /** What decisions are recorded by; undefined where the configuration asks for no records. */
  readonly current: Audit | undefined
  /** Where the records go. */
  readonly sink: AuditSink | undefined
  acquire(config: Config): LeasedAudit
  /** Opens the file anew, as an operator asks for who has moved it. */
  reopen(): void
  /** Writes what waits at once, for a process that is about to end. */
  flushNow(): void
  /** Writes what waits, and closes every file. */
  close(): Promise<void>
}

/** Nothing comes to a file any more that is no longer in force, but what waits is tried again for as long. */
const LINGER_MS = 5_000

export function audits(services: AuditServices): Audits {
  let current: Audit | undefined
  let sink: AuditSink | undefined
  const sinks: Leases<string, AuditSink> = leases({
    identityOf: (file: string) => file,
    make: file => sinkOf(file),
    end: (ending: AuditSink) => ending.close(),
    lingerMs: LINGER_MS,
    scheduler: services.scheduler,
  })

  function sinkOf(file: string): AuditSink {
    const options = {
      ...services,
      onRecords: services.metrics.auditRecords,
      onState(isUp: boolean) {
        if (sink === made) services.metrics.auditUp(isUp)
      },
    }
    const made = file === STANDARD_OUTPUT ? auditStdout(options) : auditFile({ ...options, path: file })
    return made
  }

  return {
    get current() {
      return current
    },
    get sink() {
      return sink
    },
    acquire({ audit: block }) {
      if (block === undefined) return { putInForce: () => putInForce(undefined, undefined), release() {} }
      const lease = sinks.acquire(block.file)
      const { what, onFull } = block
      const made = audit({ what, onFull, sink: lease.value, clock: services.clock })
      return { putInForce: () => putInForce(made, lease.value), release: lease.release }
    },
    reopen: () => sink?.reopen(),
    flushNow: () => sink?.flushNow(),
    close: () => sinks.close(),
  }

  function putInForce(next: Audit | undefined, nextSink: AuditSink | undefined): void {
    current = next
    if (sink === nextSink) return
    sink = nextSink
    services.metrics.auditUp(undefined)
    sink?.open()
  }
}
