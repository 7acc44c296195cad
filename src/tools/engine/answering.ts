/**
 * Answers in place of an introspection endpoint: what is said of each token was given beforehand.
 *
 * The answer passes through the verifier of the gateway, so no check has a second implementation. Nobody is asked.
 */
import { randomBytes } from 'node:crypto'
import type { IntrospectionAnswer, Introspector } from '../../authenticate/introspection/answer.ts'
import { answerOf } from '../../authenticate/introspection/read-answer.ts'
import type { ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import { Denial } from '../../errors.ts'

/** What a server says of a token, as somebody has written it down; commands know nothing of the room that asks. */
export type WrittenAnswer = IntrospectionAnswer

export interface Answering extends Introspector {
  /** Has this said about a token, or about one that is made up. @returns the token */
  told(answer: IntrospectionAnswer, token?: string): string
}

/** Reads an answer as the gateway reads that of a server. @returns undefined for what is none */
export function writtenAnswer(value: unknown): WrittenAnswer | undefined {
  return answerOf(value)
}

export function answeringFor({ tokens: { prefixes, minBytes } }: ProviderConfigs['introspection']): Answering {
  const answers = new Map<string, IntrospectionAnswer>()
  const madeUp = (): string => `${prefixes[0] ?? ''}${randomBytes(Math.max(16, minBytes)).toString('base64url')}`
  return {
    told(answer, token = madeUp()) {
      answers.set(token, answer)
      return token
    },
    about(token) {
      const answer = answers.get(token)
      if (answer === undefined)
        throw new Denial('token_inactive', { evidence: { reason: 'only tokens that stand in are known here' } })
      if (!answer.active) throw new Denial('token_inactive')
      return { token, claims: answer.claims }
    },
    stillHolds: () => true,
    tenureOf: () => ({ endedBy: () => undefined }),
    status: () => ({
      endpoint: 'nobody is asked',
      breaker: 'closed',
      nextTrySeconds: undefined,
      lastSuccessSeconds: undefined,
      lastFailureSeconds: undefined,
      lastError: undefined,
      inFlight: 0,
      queued: 0,
      activeTokens: answers.size,
      inactiveTokens: 0,
    }),
    ready: async () => {},
    retire: async () => {},
    close: async () => {},
  }
}
