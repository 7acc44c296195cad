/** Holds the policy in force, which a reload replaces. A request reads it once, and keeps what it has read. */
import type { Policy } from './policy.ts'

export interface PolicyStore {
  readonly current: Policy
  /** Puts a compiled policy in force for every request that starts after this call. */
  swap(next: Policy): void
}

export function policyStore(initial: Policy): PolicyStore {
  let current = initial
  return {
    get current() {
      return current
    },
    swap(next) {
      current = next
    },
  }
}
