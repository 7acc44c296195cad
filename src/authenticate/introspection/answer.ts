/**
 * Says what a server answers when it is asked about a token (RFC 7662 §2.2), and what those who ask and those who
 * judge agree on.
 */

import type { MaybePromise } from '../../lib/maybe-promise.ts'
import type { Claims, IntrospectionResult, IntrospectionStatus, Tenure } from '../../types.ts'

/** Claims are all members but `active`. Nobody has judged them. */
export type IntrospectionAnswer = { readonly active: false } | { readonly active: true; readonly claims: Claims }

/** Whose fault a failure is. With `either` it may be that of the token that was asked about, or of the server. */
export type Blamed = 'server' | 'question' | 'either'

interface QuestionFailureOptions {
  /** What the server asked for with `Retry-After`. */
  readonly retryAfterSeconds?: number | undefined
  /** Default: `server`. */
  readonly blames?: Blamed
  /** A failure that nobody foresaw. */
  readonly cause?: unknown
}

/** There is no answer. The message is ours, for the operator, and holds no text that the server sent. */
export class QuestionFailure extends Error {
  override readonly name = 'QuestionFailure'
  readonly result: Extract<IntrospectionResult, 'timeout' | 'unauthorized' | 'error' | 'invalid'>
  readonly retryAfterSeconds: number | undefined
  readonly blames: Blamed

  constructor(
    result: QuestionFailure['result'],
    message: string,
    { retryAfterSeconds, blames = 'server', cause }: QuestionFailureOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.result = result
    this.retryAfterSeconds = retryAfterSeconds
    this.blames = blames
  }
}

/** Asks a server about tokens. */
export interface AnsweringServer {
  /** It rejects with a {@link QuestionFailure}, or with the reason of `signal`. */
  ask(token: string, signal: AbortSignal): Promise<IntrospectionAnswer>
  /** Where questions go; undefined until that is discovered. Its query may hold a key. */
  readonly endpoint: string | undefined
  /** Finds out where questions go, if that is not known. It rejects as {@link ask} does. */
  discover(signal: AbortSignal): Promise<void>
  /** Ends connections that are kept. */
  close(): void
}

/** What a server said of a token that is active. It stays the same object until a newer answer takes its place. */
export interface ActiveAnswer {
  readonly token: string
  readonly claims: Claims
}

/** Asks about tokens, and remembers what was said. It outlives policies. */
export interface Introspector {
  /**
   * Answers at once while an answer is in force.
   *
   * @throws {Denial} `token_inactive`, or `introspection_unavailable` with the time of the next try
   */
  about(token: string): MaybePromise<ActiveAnswer>
  /** Whether the answer is still in force. When its time is nearly over, a new one is asked for meanwhile. */
  stillHolds(answer: ActiveAnswer): boolean
  /**
   * Says for how long a stream may go on that was let in by this answer.
   *
   * @param isGood judges the claims of each newer answer
   */
  tenureOf(answer: ActiveAnswer, isGood: (claims: Claims) => boolean): Tenure
  status(): IntrospectionStatus
  /** Resolves when it is known where questions go, or that was tried. */
  ready(): Promise<void>
  /** Closes it once no stream needs it any more, and resolves then. */
  retire(): Promise<void>
  close(): Promise<void>
}
