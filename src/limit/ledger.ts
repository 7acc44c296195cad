/**
 * What several processes share of a limit: until when each key has paid for what all of them spent together.
 *
 * Times are relative to the ledger's own clock, so that nobody's clock matters: an entry says how much was spent, as
 * time, and the answer says how far ahead of now the key is then.
 */

export interface Debit {
  /** What the ledger calls the key; nobody can tell from it who that is. */
  readonly name: string
  /** How much was spent, as time. What is given back is below 0. */
  readonly spentMs: number
  /**
   * When the first of it was spent, from now: below 0. Without it, whoever tells later what he spent would pay for the
   * time until then, too. Above 0, the key is at least so far ahead, whoever has spent it.
   */
  readonly sinceMs: number
}

interface Taking {
  readonly name: string
  /** How much one request is, as time. */
  readonly spentMs: number
  /** How many requests ahead the key may be with it. */
  readonly burst: number
}

/** Whether it was within the limits of all; otherwise nothing was spent. */
interface Taken {
  readonly isWithin: boolean
  /** How far ahead each key is now, in the order of the question. */
  readonly aheadMs: readonly number[]
}

export interface Ledger {
  /** Begins to connect, which takes a moment. */
  open(): void
  /** Whether it can be asked now. */
  isUp(): boolean
  /**
   * Enters what was spent already, whatever the limit is.
   *
   * @returns how far ahead each key is now, in the order of the question; below 0, it is behind by so much
   * @throws {Error} nobody knows whether it was entered
   */
  debit(debits: readonly Debit[]): Promise<readonly number[]>
  /**
   * Spends for all keys or for none.
   *
   * @throws {Error} nobody knows whether it was entered
   */
  take(takings: readonly Taking[]): Promise<Taken>
  /** `lastError` continues "the store …", and is undefined while it is up. */
  status(): { readonly isUp: boolean; readonly lastError: string | undefined }
  close(): void
}

/** So many keys are told in one question. A server does nothing else while it answers. */
export const MOST_DEBITS = 200
