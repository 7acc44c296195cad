/** What the console is made of: the state of the gateway, what was refused lately, and what was counted. */
import type { RecentRefusal } from '../recent.ts'
import type { Status } from '../status-answer.ts'
import type { Readings } from './readings.ts'
import type { Span } from './window.ts'

export interface ConsoleFacts {
  readonly status: Status
  /** The oldest first. */
  readonly recent: readonly RecentRefusal[]
  /** Since the start. */
  readonly readings: Readings
  /** During the last minutes. */
  readonly span: Span
}
