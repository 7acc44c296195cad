/** What the console is made of: the state of the gateway, what was refused lately, and what was counted. */
import type { RecentRefusal } from '../recent.ts'
import type { Status } from '../status.ts'
import type { Readings } from './readings.ts'
import type { Span } from './window.ts'

/** The status with what it may tell besides; members that it does not tell are not shown. */
type ShownStatus = Omit<Status, 'routes'> & {
  readonly started?: string
  readonly config?: {
    readonly hash: string
    readonly since: string
    readonly last_rejected?: { readonly at: string; readonly trigger: string; readonly problems: readonly string[] }
  }
  readonly routes: ReadonlyArray<Status['routes'][number] & { readonly asks?: string }>
}

export interface ConsoleFacts {
  readonly status: ShownStatus
  /** The oldest first. */
  readonly recent: readonly RecentRefusal[]
  /** Since the start. */
  readonly readings: Readings
  /** During the last minutes. */
  readonly span: Span
}
